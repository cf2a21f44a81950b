use super::*;
use crate::rules::Packing;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn when_a_log_is_due() {
    let base = Rotate::default;
    let every = |text: &str| Rotate { every: Every::parse(text), ..Rotate::default() };
    let night = "2025-01-08T02:00:00Z"; // a Wednesday
    for (rule, bytes, last, now, expected) in [
        (base(), 1, Some("2025-01-08T01:59:59Z"), night, true),
        (base(), 0, None, night, false),
        (every("daily"), 1, Some("2025-01-07T23:59:59Z"), night, true),
        (every("daily"), 1, Some("2025-01-08T00:00:00Z"), night, false),
        (every("daily"), 1, Some("2025-01-08T03:00:00Z"), night, false),
        (every("daily"), 1, Some("2025-01-09T00:00:00Z"), night, true),
        (every("36h"), 1, Some("2099-01-09T00:00:00Z"), night, true),
        (every("daily"), 1, None, night, true),
        (every("hourly"), 1, Some("2025-01-08T01:59:59Z"), night, true),
        (every("hourly"), 1, Some(night), "2025-01-08T02:59:59Z", false),
        (every("weekly"), 1, Some("2025-01-06T00:00:00Z"), night, false),
        (every("weekly"), 1, Some("2025-01-05T23:59:59Z"), night, true),
        (every("monthly"), 1, Some("2025-01-01T00:00:00Z"), "2025-01-31T23:59:59Z", false),
        (every("monthly"), 1, Some("2024-12-31T23:59:59Z"), night, true),
        (every("36h"), 1, Some("2025-01-06T14:00:00Z"), night, true),
        (every("36h"), 1, Some("2025-01-06T14:00:01Z"), night, false),
        (Rotate { size: Some(100), ..base() }, 99, None, night, false),
        (Rotate { size: Some(100), ..base() }, 100, Some(night), night, true),
        (Rotate { size: Some(100), ..every("daily") }, 100, Some(night), night, true),
        (Rotate { size: Some(100), ..every("daily") }, 99, Some("2025-01-07T00:00:00Z"), night, true),
        (Rotate { min_size: Some(100), ..every("daily") }, 99, Some("2025-01-07T00:00:00Z"), night, false),
    ] {
        let log = Log { bytes, born: None };
        let found = due(&rule, log, last.map(at), at(now), false);
        assert_eq!(found.is_ok(), expected, "{rule:?} {last:?} {now}: {found:?}");
        assert_eq!(due(&rule, log, last.map(at), at(now), true).is_ok(), bytes > 0);
    }
    let born = Log { bytes: 1, born: Some(at("2025-01-08T00:00:00Z")) };
    assert!(due(&every("daily"), born, None, at(night), false).is_err(), "a log of today is not due");
}

#[test]
fn names_are_in_the_order_of_rotations_whatever_the_clock_says() {
    let now = at("2025-01-08T02:00:00Z");
    assert_eq!(moment(now, None), now);
    assert_eq!(moment(now, Some(at("2025-01-07T02:00:00Z"))), now);
    assert_eq!(moment(now, Some(now)), at("2025-01-08T02:00:01Z"));
    assert_eq!(moment(now, Some(at("2025-03-01T00:00:00Z"))), at("2025-03-01T00:00:01Z"));
}

fn kept(days: &[i64], now: Timestamp) -> Vec<Kept> {
    let one = |day: &i64| Kept {
        at: now - jiff::SignedDuration::from_hours(24 * day),
        plain: day.to_string(),
        paths: vec![PathBuf::from(day.to_string())],
        bytes: 10,
    };
    days.iter().map(one).collect()
}

#[test]
fn what_is_too_much() {
    let now = at("2025-01-31T02:00:00Z");
    let day = Duration::from_secs(86_400);
    let all = kept(&[0, 1, 2, 30, 31], now);
    for (rule, expected) in [
        (Rotate::default(), vec![]),
        (Rotate { keep: Some(2), ..Rotate::default() }, vec![2, 3, 4]),
        (Rotate { keep: Some(9), ..Rotate::default() }, vec![]),
        (Rotate { keep_for: Some(30 * day), ..Rotate::default() }, vec![4]),
        (Rotate { max_total: Some(35), ..Rotate::default() }, vec![3, 4]),
        (Rotate { max_total: Some(1), ..Rotate::default() }, vec![1, 2, 3, 4]),
        (Rotate { keep: Some(4), keep_for: Some(day), ..Rotate::default() }, vec![2, 3, 4]),
    ] {
        let going: Vec<usize> = surplus(&rule, &all, now).into_iter().map(|(at, _)| at).collect();
        assert_eq!(going, expected, "{rule:?}");
    }
    let delayed = Rotate { delay_compress: true, ..Rotate::default() };
    assert!(!is_packed(&delayed, 0) && is_packed(&delayed, 1) && is_packed(&Rotate::default(), 0));
    assert!(!is_packed(&Rotate { compress: Packing::None, ..Rotate::default() }, 1));
}

#[test]
fn old_files_go_and_the_newest_never() {
    let now = at("2025-01-31T02:00:00Z");
    let old =
        |days: i64| Old { path: PathBuf::from(days.to_string()), bytes: 1, written: now - jiff::SignedDuration::from_hours(24 * days) };
    let rule = |keep: u64, compress: Option<Packing>| Clean {
        under: PathBuf::from("export"),
        files: Vec::new(),
        older: Duration::from_secs(30 * 86_400),
        keep,
        compress,
        empty_folders: false,
    };
    let names = |rule: &Clean, days: &[i64]| -> Vec<String> {
        let all = days.iter().map(|day| old(*day)).collect();
        cleaning(rule, all, now).into_iter().map(|file| file.path.display().to_string()).collect()
    };
    assert_eq!(names(&rule(1, None), &[31, 2, 90, 30, -5]), ["90", "31"]);
    assert_eq!(names(&rule(1, None), &[40, 50]), ["50"]);
    assert_eq!(names(&rule(0, None), &[40]), Vec::<String>::new(), "the only one stays");
    assert_eq!(names(&rule(3, None), &[40, 50, 60, 70]), ["70"]);
    assert_eq!(names(&rule(1, Some(Packing::Gzip)), &[40, 50]), ["50", "40"]);
}

#[test]
fn the_newest_is_kept_until_the_next_rotation_and_times_are_told_in_days() {
    let (exact, daily) = (Pattern::default(), Pattern::parse("{stem}_{date}{ext}").unwrap());
    for (every, name, least) in [
        (None, &exact, "1s"),
        (None, &daily, "1d"),
        (Some("hourly"), &exact, "1h"),
        (Some("daily"), &exact, "1d"),
        (Some("weekly"), &daily, "7d"),
        (Some("monthly"), &exact, "31d"),
        (Some("36h"), &exact, "1d 12h"),
    ] {
        assert_eq!(in_days(least_kept_for(every.and_then(Every::parse), name)), least, "{every:?}");
    }
    let rule = Rotate { keep_for: Some(Duration::from_secs(365 * DAY)), ..Rotate::default() };
    let now = at("2025-01-31T02:00:00Z");
    assert_eq!(surplus(&rule, &kept(&[366], now), now)[0].1, "older than 365d");
}
