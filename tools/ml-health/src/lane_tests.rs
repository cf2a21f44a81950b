use super::*;
use ml_common::{Class, Failure};
use std::sync::mpsc::Sender;

/// What the lane's checks share: how they are woken, and whether they were.
struct Shared {
    woken: Receiver<()>,
    hang: bool,
}

type Probe = fn(&mut Shared) -> Result<Finding>;

const fn check(id: &'static str, needs: &'static [&'static str], on_error: OnError, probe: Probe) -> Check<Shared> {
    Check { id, gate: false, needs, on_error, probe }
}

/// Waits until it is aborted, or for ever when the lane is to hang for good.
fn wait(shared: &mut Shared) -> Result<Finding> {
    if shared.hang {
        loop {
            std::thread::park();
        }
    }
    let _ = shared.woken.recv();
    Err(Failure::new(Class::Database, "cancelled"))
}

const CHECKS: &[Check<Shared>] = &[
    check("first", &[], OnError::Crit, |_| Ok(Finding::ok("fine"))),
    check("fails", &["first"], OnError::Unknown, |_| Err(Failure::new(Class::Database, "refused").hint("mend it"))),
    check("needs-both", &["first", "fails"], OnError::Crit, |_| Ok(Finding::ok("never made"))),
    check("last", &["first"], OnError::Crit, |_| Ok(Finding::ok("fine"))),
];
const WAITING: &[Check<Shared>] =
    &[check("waits", &[], OnError::Crit, wait), check("after", &[], OnError::Crit, |_| Ok(Finding::ok("fine")))];
const BROKEN: &[Check<Shared>] =
    &[check("panics", &[], OnError::Crit, |_| panic!("told to")), check("after", &[], OnError::Crit, |_| Ok(Finding::ok("fine")))];

fn lane(checks: &'static [Check<Shared>], chosen: &dyn Fn(&str) -> bool, hang: bool) -> Lane {
    Lane::new(checks, chosen, move |abort| {
        let (wake, woken): (Sender<()>, _) = mpsc::channel();
        *abort.lock().unwrap() = Some(Box::new(move || wake.send(()).unwrap_or_default()));
        Ok(Shared { woken, hang })
    })
}

fn told(lane: Lane, limit: Duration) -> Vec<String> {
    let mut told = Vec::new();
    let followed = lane.start(limit).follow(&Cancel::default(), |entry, finding, _| {
        let because = finding.blocked_by.or(finding.error_class).unwrap_or("-");
        told.push(format!("{} {} {because}", entry.id, finding.status().name()));
    });
    followed.unwrap();
    told
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn what_needs_an_unwell_check_is_skipped_and_the_rest_is_made() {
    let told = told(lane(CHECKS, &|_| true, false), LONG);
    assert_eq!(told, ["first ok -", "fails unknown database", "needs-both skipped fails", "last ok -"]);
}

#[test]
fn only_chosen_checks_are_made() {
    let lane = lane(CHECKS, &|id| id != "fails", false);
    assert_eq!(lane.entries().len(), 3);
    assert_eq!(told(lane, LONG), ["first ok -", "needs-both ok -", "last ok -"]);
}

#[test]
fn without_what_they_share_all_are_skipped_with_the_reason() {
    let lane = Lane::new(CHECKS, &|_| true, |_| Err("not set".to_owned()));
    let mut reasons = Vec::new();
    lane.start(LONG).follow(&Cancel::default(), |_, finding, _| reasons.push((finding.status(), finding.summary))).unwrap();
    assert_eq!(reasons, vec![(Status::Skipped, "not set".to_owned()); 4]);
}

#[test]
fn a_check_that_hangs_is_told_and_the_rest_blocked_by_it() {
    assert_eq!(told(lane(WAITING, &|_| true, true), SHORT), ["waits crit timeout", "after skipped waits"]);
}

#[test]
fn a_check_that_can_be_aborted_does_not_hold_up_the_next() {
    assert_eq!(told(lane(WAITING, &|_| true, false), SHORT), ["waits crit timeout", "after ok -"]);
}

#[test]
fn a_check_that_panics_is_told() {
    assert_eq!(told(lane(BROKEN, &|_| true, false), LONG), ["panics unknown internal", "after skipped panics"]);
}
