//! Who is told in a group is told the end there.

use super::*;
use proptest::prelude::*;

/// What a history of one check tells: true is bad.
fn history(bad: &[bool]) -> (Vec<String>, State) {
    let mut bench = Bench::new(BAD);
    let told =
        bad.iter().enumerate().flat_map(|(i, bad)| bench.check(i as i64 * 400, "a", if *bad { Status::Crit } else { Status::Ok }, 0.0));
    (told.collect(), bench.0.state)
}

proptest! {
    #[test]
    fn whoever_is_told_that_it_fires_is_told_once_that_it_is_over(bad in proptest::collection::vec(any::<bool>(), 0..60)) {
        let (told, state) = history(&bad);
        let told: Vec<&str> = told.iter().map(|said| said.split(' ').next().unwrap()).filter(|word| *word != "Repeat").collect();
        for pair in told.chunks(2) {
            prop_assert!(pair == ["Firing", "Resolved"] || pair == ["Firing"], "{told:?}");
        }
        let ends_bad = bad.last() == Some(&true);
        prop_assert_eq!(told.last().copied() == Some("Firing"), ends_bad);
        prop_assert_eq!(state.alerts.len(), usize::from(ends_bad));
        prop_assert_eq!(history(&bad), (history(&bad).0, state));
    }
}

/// Which of four checks is found how, and so many minutes later.
fn severities() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    proptest::collection::vec((0..4u8, 0..4u8, 1..12u8), 1..40)
}

proptest! {
    #[test]
    fn whoever_is_told_in_a_group_is_told_the_end_there_and_not_before(history in severities(), by in 0..4usize) {
        let by = [r#"["severity"]"#, r#"["host", "severity"]"#, r#"["kind"]"#, "[]"][by];
        let mut bench = Bench::new(&format!("repeat_interval = \"1h\"\n{BAD}group_by = {by}\n"));
        let (mut now, mut told) = (0, Vec::new());
        let all_well = (0..4u8).map(|id| (id, 0, 12));
        for (id, how, minutes) in history.into_iter().chain(all_well) {
            now += i64::from(minutes) * 60;
            let status = [Status::Ok, Status::Warn, Status::Unknown, Status::Crit][usize::from(how)];
            let mut record = check(now, &format!("c.{id}"), status, f64::from(how));
            record.head.host = format!("h{}", how % 2);
            if let Body::Check(check) = &mut record.body {
                check.labels.insert("kind".into(), format!("k{how}").into());
            }
            bench.0.record(&record);
            let firing: Vec<String> = bench.0.state.alerts.iter().filter(|(_, alert)| alert.firing.is_some()).map(|(name, _)| name.clone()).collect();
            told.extend(bench.notified(now).into_iter().map(|told| (told, firing.clone())));
        }
        told.extend(bench.notified(now + 3600).into_iter().map(|told| (told, vec![])));
        let mut known: std::collections::BTreeSet<(String, String)> = std::collections::BTreeSet::new();
        for (told, firing) in told {
            for item in &told.items {
                let of = (told.group.clone(), item.alert.clone());
                if item.resolved {
                    prop_assert!(known.remove(&of), "{} was told the end of what it did not know: {}", told.group, item.alert);
                    prop_assert!(!firing.contains(&item.alert), "{} fires, and {} was told that it is over", item.alert, told.group);
                } else {
                    known.insert(of);
                }
            }
        }
        prop_assert!(known.is_empty(), "never told the end: {known:?}");
        prop_assert!(bench.0.state.groups.is_empty() && bench.0.state.alerts.len() == 0);
    }
}

#[test]
fn what_grows_worse_stays_in_its_group_and_is_told_there() {
    let mut bench = Bench::new(&format!("{BAD}group_by = [\"severity\"]\n"));
    let groups =
        |told: Vec<Notification>| told.iter().map(|told| format!("{} {:?} {}", told.group, told.why, told.title)).collect::<Vec<_>>();
    bench.0.record(&check(0, "a", Status::Warn, 0.0));
    assert_eq!(groups(bench.notified(0)), ["ops/low Firing lab: 1 low: a"]);
    bench.0.record(&check(600, "a", Status::Crit, 0.0));
    assert_eq!(groups(bench.notified(600)), ["ops/low Firing lab: 1 critical: a"]);
    bench.0.record(&check(700, "b", Status::Crit, 0.0));
    assert_eq!(groups(bench.notified(700)), ["ops/critical Firing lab: 1 critical: b"]);
    bench.0.record(&check(1200, "a", Status::Ok, 0.0));
    assert_eq!(groups(bench.notified(1200)), ["ops/low Resolved lab: 1 resolved: a"]);
}
