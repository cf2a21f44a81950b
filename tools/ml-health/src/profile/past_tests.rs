//! What is not set, what may not be shown, and what earlier looks did not give.

use super::tests::{HEAD, now, profile, sample};
use super::*;
use crate::kind::Sample;
use jiff::SignedDuration;
use ml_common::Status;
use ml_watch::expr::History;

#[test]
fn an_unset_variable_skips_its_own_check_and_no_other() {
    let unset = "${CORE_TEST_NO_SUCH_NAME}";
    let text = format!(
        "[probe.k]\nkind = \"{unset}\"\nurl = \"x\"\nmetrics = {{ a = \".a\" }}\n\
         [[check]]\nid = \"first\"\nprobe = \"{unset}\"\nvalue = \"x\"\nneeds = [\"last\"]\ngate = true\n\
         [[check]]\nid = \"{unset}\"\nprobe = \"m\"\ncrit = \"> 3\"\n\
         [[check]]\nid = \"third\"\nprobe = \"k.view\"\nargs = {{ a = 1 }}\n\
         [[check]]\nid = \"last\"\nprobe = \"m\"\ncrit = \"> 3\"\n[[advice]]\nid = \"{unset}\"\nprobe = \"m\"\n"
    );
    let profile = profile(&text);
    let told: Vec<(&str, Option<&str>)> = profile.checks.iter().map(|check| (&*check.planned.id, check.planned.never.as_deref())).collect();
    let why = Some("CORE_TEST_NO_SUCH_NAME is not set");
    assert_eq!(told, [("first", why), ("check-2", why), ("third", why), ("last", None), ("advice.check-1", why)]);
    assert!(profile.checks[0].planned.gate);
}

#[test]
fn what_is_asked_with_different_secrets_is_not_the_same() {
    ml_common::redact::register("jobs:aaaaaa");
    ml_common::redact::register("jobs:bbbbbb");
    let checks = ["aaaaaa", "bbbbbb", "aaaaaa"]
        .iter()
        .enumerate()
        .map(|(at, key)| format!("[[check]]\nid = \"c{at}\"\nprobe = \"r.queue\"\nargs = {{ key = \"jobs:{key}\" }}\n"));
    let profile = profile(&format!("[probe.r]\nkind = \"redis\"\nurl = \"redis://127.0.0.1:1\"\n{}", checks.collect::<String>()));
    let [a, b, again] = [0, 1, 2].map(|at| profile.checks[at].key.to_string());
    assert!(a != b && a == again, "{a} {b} {again}");
    assert!(!a.contains("aaaaaa") && !b.contains("bbbbbb"), "{a} {b}");
}

#[test]
fn a_value_that_the_profile_names_has_no_unit_of_the_probe() {
    let profile = profile(
        "[[check]]\nid = \"a\"\nprobe = \"m\"\n[[check]]\nid = \"b\"\nprobe = \"h\"\n[probe.h]\nkind = \"http\"\nurl = \"http://127.0.0.1:1\"\n",
    );
    assert_eq!(profile.checks[0].unit, None, "{HEAD}");
    assert_eq!(profile.checks[1].value.as_ref().unwrap().to_string(), crate::kind::find("http").unwrap().views[0].metrics[0].name);
}

#[test]
fn an_answer_without_a_value_forgets_none() {
    let profile = profile("[[check]]\nid = \"a\"\nprobe = \"m\"\nvalue = \"delta(busy)\"\nwarn = \"rate(total) > 0\"\n");
    let (check, mut memory) = (&profile.checks[0], Memory::default());
    let at = |seconds| now() + SignedDuration::from_secs(seconds);
    memory.saw(check, &sample(10, 1), None, at(0));
    for seconds in [30, 60] {
        memory.saw(check, &Sample::default().with("total", 1), None, at(seconds));
    }
    let history = memory.history("a", at(90));
    assert_eq!((history.elapsed("busy"), history.elapsed("total")), (Some(90.0), Some(30.0)));
    assert!(history.previous("busy").is_some());
    memory.saw(check, &sample(11, 1), None, at(90));
    assert_eq!((memory.history("a", at(100)).elapsed("busy"), memory.checks["a"].older.len()), (Some(10.0), 0));
}

#[test]
fn time_in_which_another_one_kept_it_from_being_made_is_not_known() {
    let profile = profile("[[check]]\nid = \"a\"\nprobe = \"m\"\n[check.availability]\ntarget = 99\n");
    let (check, mut memory) = (&profile.checks[0], Memory::default());
    let minute = |minute| now() + SignedDuration::from_mins(minute);
    for at in 0..60 {
        memory.found(check, if at < 30 { (Status::Ok, false) } else { (Status::Skipped, true) }, minute(at));
    }
    let told = memory.checks["a"].uptime.as_ref().unwrap().over(1, minute(60).as_second());
    assert_eq!((told.up, told.unknown), (30 * 60, 30 * 60));
    // Not its turn, not asked for: nobody looked, and nothing is said.
    memory.found(check, (Status::Skipped, false), minute(60));
    assert_eq!(memory.checks["a"].uptime.as_ref().unwrap().over(1, minute(60).as_second()).samples, 60);
}
