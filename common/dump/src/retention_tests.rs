use super::*;
use proptest::prelude::*;

const RULES: Rules = Rules { days: 30, last: 1, daily: 0, weekly: 0, monthly: 0 };

fn now() -> Timestamp {
    "2025-03-01T02:00:00Z".parse().unwrap()
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn backup(name: &str, hours_old: i64, good: bool) -> Backup {
    let flaw = (!good).then(|| "it has no manifest".to_owned());
    Backup { name: name.into(), at: now() - hours(hours_old), bytes: 5, flaw, proven: None }
}

fn proven(backup: Backup, hours_ago: i64) -> Backup {
    Backup { proven: Some(now() - hours(hours_ago)), ..backup }
}

fn removed(backups: &[Backup], rules: Rules) -> Vec<String> {
    plan(backups, None, now(), rules).into_iter().filter(|decision| decision.remove).map(|decision| decision.name).collect()
}

fn reason(backups: &[Backup], rules: Rules, name: &str) -> String {
    plan(backups, None, now(), rules).into_iter().find(|decision| decision.name == name).unwrap().reason
}

#[test]
fn what_is_older_goes_oldest_first() {
    let backups = [backup("new", 0, true), backup("old", 31 * 24, true), backup("edge", 30 * 24, true), backup("older", 90 * 24, true)];
    assert_eq!(removed(&backups, RULES), ["older", "old"]);
    assert_eq!(removed(&backups, Rules { days: 40, ..RULES }), ["older"]);
    assert_eq!(removed(&backups, Rules { days: 0, ..RULES }), Vec::<String>::new());
    assert_eq!(removed(&backups, Rules { days: u64::MAX, ..RULES }), Vec::<String>::new());
    assert_eq!(removed(&backups, Rules { last: 3, ..RULES }), ["older"]);
    assert_eq!(reason(&backups, RULES, "new"), "kept: newest good, of the last 1, 0 days old, kept for 30");
    assert_eq!(reason(&backups, RULES, "edge"), "kept: 30 days old, kept for 30");
}

#[test]
fn the_newest_good_one_and_the_proven_stay_whatever_their_age() {
    let backups =
        [backup("good", 400 * 24, true), backup("older", 500 * 24, true), backup("torn", 100 * 24, false), backup("bad", 1, false)];
    assert_eq!(removed(&backups, RULES), ["older", "torn"]);
    assert_eq!(reason(&backups, RULES, "torn"), "removed: 100 days old, kept for 30; it has no manifest; the newest good backup is good");
    assert_eq!(reason(&backups, RULES, "bad"), "kept: 0 days old, kept for 30; it has no manifest");
    // The newer of two proven ones, and the one that was proven last, are not the same.
    let backups = [
        backup("new", 1, true),
        proven(backup("a", 100 * 24, true), 50),
        proven(backup("b", 200 * 24, true), 10),
        proven(backup("c", 300 * 24, true), 90),
        proven(backup("torn", 99 * 24, false), 1),
    ];
    assert_eq!(removed(&backups, RULES), ["c", "torn"]);
    assert_eq!(reason(&backups, RULES, "a"), "kept: newest proven");
    assert_eq!(reason(&backups, RULES, "b"), "kept: proven last");
}

#[test]
fn days_weeks_and_months_keep_the_newest_of_each() {
    // 2025-03-01 is a Saturday.
    let backups: Vec<Backup> = (0..100).map(|day| backup(&format!("{day:02}"), day * 24, true)).collect();
    let rules = Rules { days: 1, last: 1, daily: 3, weekly: 3, monthly: 3 };
    let kept = |rules| -> Vec<String> {
        plan(&backups, None, now(), rules).into_iter().rev().filter(|decision| !decision.remove).map(|decision| decision.name).collect()
    };
    // Sundays before: 23 and 16 February; the last of February and of January.
    assert_eq!(kept(rules), ["00", "01", "02", "06", "13", "29"]);
    assert_eq!(reason(&backups, rules, "00"), {
        "kept: newest good, of the last 1, daily 2025-03-01, weekly 2025-W09, monthly 2025-03, 0 days old, kept for 1"
    });
    assert_eq!(reason(&backups, rules, "01"), "kept: daily 2025-02-28, monthly 2025-02, 1 days old, kept for 1");
    assert_eq!(reason(&backups, rules, "06"), "kept: weekly 2025-W08");
    assert_eq!(reason(&backups, rules, "29"), "kept: monthly 2025-01");
    // Days without a backup do not count: three days that have one.
    let sparse = [backup("a", 0, true), backup("b", 500 * 24, true), backup("c", 501 * 24, true), backup("d", 600 * 24, true)];
    assert_eq!(removed(&sparse, Rules { weekly: 0, monthly: 0, ..rules }), ["d"]);
}

#[test]
fn without_a_good_one_nothing_goes() {
    let backups = [backup("a", 400 * 24, false), backup("b", 500 * 24, false)];
    assert_eq!(removed(&backups, RULES), Vec::<String>::new());
    assert_eq!(reason(&backups, RULES, "a"), "kept: there is no good backup; it has no manifest");
    assert_eq!(removed(&[], RULES), Vec::<String>::new());
}

#[test]
fn a_clock_that_went_back_removes_nothing_it_should_not() {
    assert_eq!(removed(&[backup("future", -1000, true), backup("now", 0, true)], Rules { days: 1, ..RULES }), Vec::<String>::new());
    let backups = [backup("future", -1000, true), backup("now", 0, true), backup("old", 48, true)];
    assert_eq!(removed(&backups, Rules { days: 1, ..RULES }), ["old"]);
    // By its name the one made last is the oldest; the pointer knows better.
    let plan = plan(&backups, Some("old"), now(), Rules { days: 1, ..RULES });
    assert!(plan.iter().all(|decision| !decision.remove), "{plan:?}");
    assert_eq!(plan[0].reason, "kept: latest made");
}

#[test]
fn leftovers_of_the_living_stay() {
    let leftover = |name: &str, old: i64| Leftover { name: name.into(), bytes: 1, modified: now() - hours(old) };
    let plan = leftovers(&[leftover("young", 23), leftover("stale", 25), leftover("future", -5)], now());
    let gone: Vec<_> = plan.iter().filter(|decision| decision.remove).map(|decision| decision.name.as_str()).collect();
    assert_eq!(gone, ["stale"]);
}

fn any_backups() -> impl Strategy<Value = Vec<Backup>> {
    let one = (-2000i64..20_000, any::<bool>(), proptest::option::of(0i64..5000));
    proptest::collection::vec(one, 0..40).prop_map(|all| {
        let made = |(i, (old, good, drill)): (usize, (i64, bool, Option<i64>))| {
            let backup = backup(&format!("b{i}"), old, good);
            drill.map_or(backup.clone(), |ago| proven(backup, ago))
        };
        all.into_iter().enumerate().map(made).collect()
    })
}

fn any_rules() -> impl Strategy<Value = Rules> {
    (0u64..100, 0u64..6, 0u64..6, 0u64..6, 0u64..6).prop_map(|(days, last, daily, weekly, monthly)| Rules {
        days,
        last,
        daily,
        weekly,
        monthly,
    })
}

proptest! {
    #[test]
    fn whatever_there_is_what_matters_stays(backups in any_backups(), rules in any_rules(), pointed in 0usize..40) {
        let pointed = format!("b{pointed}");
        let plan = plan(&backups, Some(&pointed), now(), rules);
        prop_assert_eq!(plan.len(), backups.len());
        let goes = |backup: &Backup| plan.iter().any(|decision| decision.name == backup.name && decision.remove);
        let mut good: Vec<&Backup> = backups.iter().filter(|backup| backup.flaw.is_none()).collect();
        good.sort_by_key(|backup| (backup.at, &backup.name));
        for backup in &backups {
            // Only what is too old goes, and only while there is a good one.
            prop_assert!(!goes(backup) || now().duration_since(backup.at) > hours(24 * i64::try_from(rules.days).unwrap()));
            prop_assert!(!goes(backup) || rules.days > 0 && !good.is_empty());
        }
        let last = usize::try_from(rules.last).unwrap().max(1);
        prop_assert!(good.iter().rev().take(last).all(|backup| !goes(backup)));
        prop_assert!(good.iter().rev().find(|backup| backup.proven.is_some()).is_none_or(|backup| !goes(backup)));
        prop_assert!(good.iter().filter(|backup| backup.name == pointed).all(|backup| !goes(backup)));
        for decision in &plan {
            let verdict = decision.reason.starts_with("removed: ");
            prop_assert_eq!(verdict, decision.remove);
            prop_assert!(verdict || decision.reason.starts_with("kept: "));
        }
    }

    #[test]
    fn deciding_again_after_removing_removes_nothing_more(backups in any_backups(), rules in any_rules()) {
        let gone = removed(&backups, rules);
        let left: Vec<Backup> = backups.into_iter().filter(|backup| !gone.contains(&backup.name)).collect();
        prop_assert_eq!(removed(&left, rules), Vec::<String>::new());
    }

    #[test]
    fn a_rule_that_keeps_more_removes_no_other(backups in any_backups(), rules in any_rules(), more in 1u64..5) {
        for wider in [
            Rules { last: rules.last + more, ..rules },
            Rules { daily: rules.daily + more, ..rules },
            Rules { weekly: rules.weekly + more, ..rules },
            Rules { monthly: rules.monthly + more, ..rules },
        ] {
            let before = removed(&backups, rules);
            prop_assert!(removed(&backups, wider).iter().all(|name| before.contains(name)));
        }
    }
}
