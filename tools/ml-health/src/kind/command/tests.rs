//! Programs that answer, fail, print too much and hang.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::super::probing::{Probing, texts};
use super::*;
use crate::kind::Arg;
use ml_common::record::Scalar;
use std::time::{Duration, Instant};

fn shell(script: &str) -> Probing {
    Probing::open(&KIND, &[("command", texts(&[script])), ("shell", Arg::Switch(true))])
}

fn message(unseen: Unseen) -> String {
    match unseen {
        Unseen::Failed(failure) => failure.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn its_end_and_its_words_are_told() {
    let seen = shell("echo 42 things; echo secondly; echo oops >&2; exit 3").take("run", &[]).unwrap();
    for (name, value) in [("exit_code", 3), ("number", 42), ("lines", 2)] {
        assert_eq!(seen.values[name], Scalar::Int(value), "{name}");
    }
    assert_eq!(seen.rows, ["42 things", "secondly", "oops"]);
}

#[test]
fn json_is_read_also_from_an_audit_that_ends_with_1() {
    let script = r#"echo '{"vulnerabilities": [{"id": "A"}, {"id": "B"}]}'; exit 1"#;
    let metrics = Arg::Table(vec![("found".into(), ".vulnerabilities | length".into())]);
    let given = |script: &str| [("command", texts(&["sh", "-c", script])), ("metrics", metrics.clone())];
    let seen = Probing::open(&KIND, &given(script)).take("run", &[]).unwrap();
    assert_eq!((&seen.values["found"], &seen.values["exit_code"]), (&Scalar::Int(2), &Scalar::Int(1)));
    let wrong = message(Probing::open(&KIND, &given("echo no network >&2; exit 2")).take("run", &[]).unwrap_err());
    assert!(wrong.starts_with("sh ended with code 2: no network: what sh prints is not JSON"), "{wrong}");
}

#[test]
fn one_that_is_not_there_fails_or_is_absent() {
    let command = ("command", texts(&["no-such-audit", "--json"]));
    let wrong = message(Probing::open(&KIND, std::slice::from_ref(&command)).take("run", &[]).unwrap_err());
    assert_eq!(wrong, "there is no program no-such-audit");
    let skipped = Probing::open(&KIND, &[command, ("optional", Arg::Switch(true))]).take("run", &[]).unwrap_err();
    assert!(matches!(skipped, Unseen::Absent(_)), "{skipped:?}");
}

#[test]
fn one_that_hangs_is_ended_with_its_children_however_deaf() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let mut probe = shell(&format!("trap '' TERM; (trap '' TERM; echo $$ > {}; sleep 60) & wait", pid.display()));
    probe.limit = Duration::from_secs(1);
    let began = Instant::now();
    let wrong = message(probe.take("run", &[]).unwrap_err());
    assert!(wrong.contains("was ended after"), "{wrong}");
    assert!(began.elapsed() < Duration::from_secs(5), "politeness has an end: {:?}", began.elapsed());
    // Who ended and has nobody to wait for it, as in a container, is a zombie.
    let left =
        std::process::Command::new("pgrep").args(["-r", "R,S,D", "-g", std::fs::read_to_string(&pid).unwrap().trim()]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "nobody is left of its group");
}

#[test]
fn what_it_prints_is_bounded() {
    let wrong = message(shell("yes 12345678901234567890 | head -c 6000000").take("run", &[]).unwrap_err());
    assert_eq!(wrong, "the shell prints more than 4 MiB");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let given = [("command", texts(&["echo"])), ("dir", Arg::Text("/nowhere/at/all".into()))];
    let wrong = message(Probing::open(&KIND, &given).take("run", &[]).unwrap_err());
    assert_eq!(wrong, "there is no folder /nowhere/at/all to run in");
}
