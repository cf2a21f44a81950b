use super::*;
use crate::check::{Check, Tier};
use crate::lane::{Abort, Worker};
use ml_common::{Class, Failure};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the lane's checks share: how they are woken, and whether they were.
struct Shared {
    woken: Receiver<()>,
    hang: bool,
}

impl crate::lane::Lends for Shared {}

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
const ELSEWHERE: &[Check<Shared>] = &[
    check("needs-waits", &["waits"], OnError::Crit, |_| Ok(Finding::ok("never made"))),
    check("needs-first", &["first"], OnError::Crit, |_| Ok(Finding::ok("fine"))),
];

fn lane(checks: &'static [Check<Shared>], limit: Duration, hang: bool) -> Lane {
    Lane::compiled(checks, limit, &|_| true, move |abort| {
        let (wake, woken): (mpsc::Sender<()>, _) = mpsc::channel();
        *abort.lock().unwrap() = Some(Box::new(move || wake.send(()).unwrap_or_default()));
        Ok(Shared { woken, hang })
    })
}

/// Writes down what it is told.
#[derive(Default)]
struct Told {
    lines: BTreeMap<usize, String>,
    all: Vec<String>,
    /// The watch ends after so many lines.
    enough: usize,
}

impl Judge for Told {
    fn judge(&mut self, _: &Planned, outcome: Outcome, _: Duration) -> Finding {
        panic!("{outcome:?} came from a compiled-in check");
    }

    fn tell(&mut self, place: usize, check: &Planned, finding: Finding, _: Option<Duration>) {
        let because = finding.blocked_by.as_deref().or(finding.error_class.as_deref()).unwrap_or("-");
        let line = format!("{} {} {because}", check.id, finding.status().name());
        self.all.push(format!("{line} {}", finding.summary));
        assert!(self.enough > 0 || self.lines.insert(place, line).is_none(), "told twice");
    }

    fn rest(&mut self) -> bool {
        self.all.len() < self.enough
    }
}

fn told(lanes: Vec<Lane>) -> Vec<String> {
    let mut told = Told::default();
    Schedule::start(lanes).run(None, &Cancel::default(), &mut told).unwrap();
    told.lines.into_values().collect()
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn what_needs_an_unwell_check_is_skipped_and_the_rest_is_made() {
    assert_eq!(told(vec![lane(CHECKS, LONG, false)]), ["first ok -", "fails unknown database", "needs-both skipped fails", "last ok -"]);
}

#[test]
fn only_chosen_checks_are_made() {
    let lane = Lane::compiled(CHECKS, LONG, &|id| id != "fails", |_| Ok(Shared { woken: mpsc::channel().1, hang: false }));
    assert_eq!(lane.checks.len(), 3);
    assert_eq!(told(vec![lane]), ["first ok -", "needs-both ok -", "last ok -"]);
}

#[test]
fn without_what_they_share_all_are_skipped_with_the_reason() {
    let lane = Lane::compiled(CHECKS, LONG, &|_| true, |_| Err("not set".to_owned()));
    let mut told = Told::default();
    Schedule::start(vec![lane]).run(None, &Cancel::default(), &mut told).unwrap();
    assert_eq!(told.all, ["first", "fails", "needs-both", "last"].map(|id| format!("{id} skipped - not set")));
}

#[test]
fn a_check_that_hangs_is_told_and_the_rest_blocked_by_it() {
    assert_eq!(told(vec![lane(WAITING, SHORT, true)]), ["waits crit timeout", "after skipped waits"]);
}

#[test]
fn a_check_that_can_be_aborted_does_not_hold_up_the_next() {
    assert_eq!(told(vec![lane(WAITING, SHORT, false)]), ["waits crit timeout", "after ok -"]);
}

#[test]
fn a_check_that_panics_is_told() {
    assert_eq!(told(vec![lane(BROKEN, LONG, false)]), ["panics unknown internal", "after skipped panics"]);
}

#[test]
fn needs_reach_across_lanes_and_hold_up_nothing_else() {
    let lanes = vec![lane(ELSEWHERE, LONG, false), lane(WAITING, SHORT, true), lane(CHECKS, LONG, false)];
    let mut told = Told::default();
    Schedule::start(lanes).run(None, &Cancel::default(), &mut told).unwrap();
    let at = |line: &str| told.all.iter().position(|told| told.starts_with(line)).unwrap_or_else(|| panic!("{line} in {:?}", told.all));
    assert!(at("needs-first ok -") < at("waits crit timeout"), "{:?}", told.all);
    assert!(at("waits crit timeout") < at("needs-waits skipped waits"), "{:?}", told.all);
}

/// Counts, and hangs the second time.
struct Counting {
    made: Arc<AtomicUsize>,
    hang_at: usize,
    woken: Receiver<()>,
}

impl Worker for Counting {
    fn make(&mut self, _: &Job) -> Outcome {
        let made = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        if made == self.hang_at {
            let _ = self.woken.recv();
        }
        Outcome::Judged(Finding::ok(format!("look {made}")))
    }
}

fn counting(id: &str, hang_at: usize, limit: Duration) -> (Lane, mpsc::Sender<()>) {
    let (wake, woken) = mpsc::channel();
    let planned = Planned {
        id: id.into(),
        gate: false,
        needs: Vec::new(),
        on_error: OnError::Unknown,
        limit,
        tier: Tier::Fast,
        interval: None,
        never: None,
    };
    let worker = Counting { made: Arc::default(), hang_at, woken };
    (Lane::new(vec![planned], Box::new(worker), Abort::default()), wake)
}

#[test]
fn a_watch_goes_on_beside_a_late_lane_and_the_lane_comes_back() {
    let every = Duration::from_millis(20);
    let (steady, _keep) = counting("steady", 0, LONG);
    let (late, wake) = counting("late", 2, Duration::from_millis(10));
    /// Wakes the late one when it was told as late twice.
    struct Waking(Told, mpsc::Sender<()>);
    impl Judge for Waking {
        fn judge(&mut self, check: &Planned, outcome: Outcome, took: Duration) -> Finding {
            self.0.judge(check, outcome, took)
        }
        fn tell(&mut self, place: usize, check: &Planned, finding: Finding, took: Option<Duration>) {
            if finding.summary.starts_with("still no result") {
                let _ = self.1.send(());
            }
            self.0.tell(place, check, finding, took);
        }
        fn rest(&mut self) -> bool {
            !self.0.all.iter().any(|line| line == "late ok - look 4")
        }
    }
    let mut told = Waking(Told { enough: usize::MAX, ..Told::default() }, wake);
    Schedule::start(vec![steady, late]).run(Some(Watch { every, until: None }), &Cancel::default(), &mut told).unwrap();
    let of = |id: &str| told.0.all.iter().filter(|line| line.starts_with(id)).cloned().collect::<Vec<_>>();
    let late = of("late");
    assert_eq!(late[0], "late ok - look 1");
    assert_eq!(late[1], "late unknown timeout no result within 0.01 s");
    assert_eq!(late[2], "late unknown timeout still no result after 0 s");
    assert!(late.iter().any(|line| line == "late ok - look 3"), "what hung is not told when it comes back at last: {late:?}");
    let steady = of("steady");
    let expected: Vec<String> = (1..=steady.len()).map(|look| format!("steady ok - look {look}")).collect();
    assert_eq!(steady, expected);
    assert!(steady.len() > late.iter().filter(|line| line.contains(" ok ")).count());
}

#[test]
fn a_watch_ends_when_its_time_is_over() {
    let (lane, _keep) = counting("steady", 0, LONG);
    let watch = Watch { every: Duration::from_millis(10), until: Some(Instant::now() + Duration::from_millis(100)) };
    let mut told = Told { enough: usize::MAX, ..Told::default() };
    Schedule::start(vec![lane]).run(Some(watch), &Cancel::default(), &mut told).unwrap();
    assert!(told.all.len() >= 2, "{:?}", told.all);
}

/// Takes longer for its checks than a beat is.
struct Slow;

impl Worker for Slow {
    fn make(&mut self, _: &Job) -> Outcome {
        std::thread::sleep(Duration::from_millis(8));
        Outcome::Judged(Finding::ok(""))
    }
}

#[test]
fn the_last_check_of_a_slow_lane_gets_its_turn() {
    let (lane, _keep) = counting("a", 0, LONG);
    let planned = |id: &str, needs: &[&str]| {
        let needs = needs.iter().map(|id| (*id).into()).collect();
        Planned { id: id.into(), needs, ..lane.checks[0].clone() }
    };
    let checks = vec![planned("a", &[]), planned("b", &["a"]), planned("c", &["a"]), planned("d", &["b"])];
    let lane = Lane::new(checks, Box::new(Slow), Abort::default());
    let mut told = Told { enough: 24, ..Told::default() };
    Schedule::start(vec![lane]).run(Some(Watch { every: Duration::from_millis(10), until: None }), &Cancel::default(), &mut told).unwrap();
    for id in ["a", "b", "c", "d"] {
        let count = told.all.iter().filter(|line| line.starts_with(id)).count();
        assert!((5..=7).contains(&count), "{id}: {:?}", told.all);
    }
}
