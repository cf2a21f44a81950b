//! Slopes of known data, wild days, and properties of any.

use super::*;
use proptest::prelude::*;

fn daily(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
    values.into_iter().enumerate().map(|(day, value)| Point { day: day as f64, value }).collect()
}

fn grown(per_day: f64, days: usize) -> Vec<Point> {
    daily((0..days).map(|day| 100.0 + per_day * day as f64))
}

#[test]
fn steady_growth_is_known_exactly() {
    let trend = Trend::of(&grown(10.0, 10)).unwrap();
    assert_eq!(trend.slope, Slope { per_day: 10.0, low: 10.0, high: 10.0 });
    assert_eq!((trend.last, trend.points, trend.span), (190.0, 10, 9.0));
    assert_eq!(trend.value_in(90.0), 1090.0);
    let full = trend.full_in(290.0, 0.0);
    assert_eq!(full, FullIn::Days { soonest: 10.0, likely: 10.0, latest: Some(10.0) });
    assert_eq!(full.to_string(), "full in 10 days");
}

#[test]
fn wild_days_do_not_make_a_trend() {
    let mut points = grown(1.0, 30);
    points[12].value = 1e6;
    points[25].value = 0.0;
    let trend = Trend::of(&points).unwrap();
    assert!((trend.slope.per_day - 1.0).abs() < 1e-9, "{trend:?}");
    assert!(trend.slope.low >= 0.5 && trend.slope.high <= 2.0, "{trend:?}");
}

/// The range of Sen's own method, by hand: 7 points, 21 slopes, 1.96 * sqrt(7*6*19/18) = 13.05, so 3 slopes are cut off at both ends.
#[test]
fn the_range_is_that_of_sen() {
    let points = daily([0.0, 1.0, 1.0, 4.0, 3.0, 6.0, 5.0]);
    let mut slopes: Vec<f64> = Vec::new();
    for i in 0..7 {
        for j in i + 1..7 {
            slopes.push((points[j].value - points[i].value) / (j - i) as f64);
        }
    }
    slopes.sort_by(f64::total_cmp);
    let slope = theil_sen(&points).unwrap();
    assert_eq!(slope, Slope { per_day: slopes[10], low: slopes[2], high: slopes[18] });
    assert!(slope.low < slope.per_day && slope.per_day < slope.high);
}

#[test]
fn too_little_history_says_so() {
    let few = Trend::of(&grown(1.0, 6)).unwrap_err();
    assert_eq!(few.to_string(), "insufficient history: 6 days over 5 of 6 days, 7 are needed");
    let close: Vec<Point> = (0..20).map(|hour| Point { day: f64::from(hour) / 24.0, value: 1.0 }).collect();
    assert!(Trend::of(&close).is_err());
    assert!(Trend::of(&[]).is_err());
    assert_eq!(theil_sen(&[Point { day: 1.0, value: 1.0 }, Point { day: 1.0, value: 2.0 }]), None);
}

#[test]
fn growth_below_the_floor_never_fills_anything() {
    let trend = Trend::of(&grown(0.5, 20)).unwrap();
    assert_eq!(trend.full_in(1000.0, 1.0), FullIn::NotGrowing);
    assert_eq!(trend.full_in(100.0, 1.0), FullIn::Full);
    assert_eq!(Trend::of(&grown(-3.0, 20)).unwrap().full_in(1000.0, 0.0).days(), None);
    assert_eq!(trend.full_in(1e9, 0.0).to_string(), "full in more than 10 years");
}

#[test]
fn a_range_that_may_not_grow_has_no_latest_day() {
    let noisy = daily([10.0, 12.0, 9.0, 13.0, 8.0, 14.0, 9.0, 13.0]);
    let trend = Trend::of(&noisy).unwrap();
    assert!(trend.slope.low < 0.0 && trend.slope.per_day > 0.0, "{trend:?}");
    let FullIn::Days { soonest, likely, latest: None } = trend.full_in(20.0, 0.0) else { panic!("{trend:?}") };
    assert!(soonest < likely);
    assert!(trend.full_in(20.0, 0.0).to_string().ends_with("or later"));
}

#[test]
fn a_day_has_its_last_figure_and_old_days_go() {
    let mut days = Daily::default();
    days.add(3 * DAY + 100, 2.0);
    days.add(3 * DAY + 50, 1.0);
    days.add(3 * DAY + 10, f64::NAN);
    assert_eq!(days.points(), [Point { day: 3.0 + 100.0 / DAY as f64, value: 2.0 }]);
    for day in 0..1000 {
        days.add(day * DAY, 0.0);
    }
    assert_eq!(days.points().len(), MAX_POINTS);
    assert_eq!(days.points()[MAX_POINTS - 1].day, 999.0);
    assert_eq!(days.recent(30).iter().map(|point| point.day).collect::<Vec<_>>(), (969..1000).map(f64::from).collect::<Vec<_>>());
    assert_eq!(Daily::default().recent(30), []);
}

proptest! {
    #[test]
    fn the_slope_lies_in_its_range_and_follows_scale_and_shift(
        values in prop::collection::vec(-1e9..1e9f64, 7..40),
        scale in 0.1..10.0f64,
        shift in -1e6..1e6f64,
    ) {
        let slope = theil_sen(&daily(values.clone())).unwrap();
        prop_assert!(slope.low <= slope.per_day && slope.per_day <= slope.high);
        let other = theil_sen(&daily(values.iter().map(|value| value * scale + shift))).unwrap();
        prop_assert!((other.per_day - slope.per_day * scale).abs() <= 1e-6 * (1.0 + slope.per_day.abs() * scale));
        let mirrored = theil_sen(&daily(values.iter().map(|value| -value))).unwrap();
        prop_assert_eq!((-mirrored.high, -mirrored.low), (slope.low, slope.high));
    }

    #[test]
    fn a_larger_disk_is_full_later(per_day in 0.1..1e6f64, room in 1.0..1e6f64, more in 1.0..1e6f64) {
        let trend = Trend::of(&grown(per_day, 14)).unwrap();
        let days = |room: f64| trend.full_in(trend.last + room, 0.0).days().unwrap();
        prop_assert!(days(room + more) > days(room));
    }
}
