//! Where a figure is going, and for how long something was well: from a few daily points, without any model of seasons.
//!
//! One wild day must not make an alarm, so the slope is Theil and Sen's: the median of the slopes between all pairs of days. Its range comes
//! from the same slopes (Sen 1968), and `full in` is told as that range. Too few days say `insufficient history` and nothing else.

use crate::uptime::DAY;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A trend needs so many days with a point.
pub const MIN_POINTS: usize = 7;

/// The first and the last point of a trend are so many days apart at least.
pub const MIN_SPAN_DAYS: f64 = 6.0;

/// So many daily points are kept, the newest: a year and a month.
pub const MAX_POINTS: usize = 400;

/// Half the width of a 95 % range, in standard deviations.
const Z_95: f64 = 1.96;

/// Nothing is foretold beyond ten years.
pub const HORIZON_DAYS: f64 = 3650.0;

/// A figure through the days: the last one of each day, however often it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Daily {
    /// Second since 1970 and figure, by day since 1970.
    days: BTreeMap<i64, (i64, f64)>,
}

impl Daily {
    /// Takes a figure of the second `at`. Figures may come in any order; what is no number is passed over.
    pub fn add(&mut self, at: i64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let kept = self.days.entry(at.div_euclid(DAY)).or_insert((at, value));
        if at >= kept.0 {
            *kept = (at, value);
        }
        while self.days.len() > MAX_POINTS {
            self.days.pop_first();
        }
    }

    /// The points in order: day (with its fraction) and figure.
    pub fn points(&self) -> Vec<Point> {
        self.days.values().map(|&(at, value)| Point { day: at as f64 / DAY as f64, value }).collect()
    }

    /// The points until that second: a clock that was ahead for a while has noted others.
    pub fn until(&self, now: i64) -> Vec<Point> {
        let mut points = self.points();
        points.retain(|point| point.day <= now as f64 / DAY as f64);
        points
    }

    /// Those of the last so many days before the last one: growth of long ago says little about now.
    pub fn recent(&self, days: u32) -> Vec<Point> {
        let mut points = self.points();
        let last = points.last().map_or(0.0, |point| point.day);
        points.retain(|point| last - point.day <= f64::from(days));
        points
    }
}

/// A figure at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Days since 1970, with a fraction.
    pub day: f64,
    /// The figure.
    pub value: f64,
}

/// Change a day, with its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// The median of the slopes.
    pub per_day: f64,
    /// The lower end of the 95 % range.
    pub low: f64,
    /// The upper end of it.
    pub high: f64,
}

/// The history does not say: so much of it is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Insufficient {
    /// Days with a point.
    pub points: usize,
    /// Days from the first to the last.
    pub span: f64,
}

impl std::fmt::Display for Insufficient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let days = if self.points == 1 { "day" } else { "days" };
        write!(f, "insufficient history: {} {days} over {:.0} of {MIN_SPAN_DAYS:.0} days, {MIN_POINTS} are needed", self.points, self.span)
    }
}

/// Where a figure stands and goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The last figure.
    pub last: f64,
    /// Its change.
    pub slope: Slope,
    /// Days with a point.
    pub points: usize,
    /// Days from the first to the last.
    pub span: f64,
}

impl Trend {
    /// The trend of points in the order of time.
    ///
    /// # Errors
    /// [`Insufficient`] with fewer than [`MIN_POINTS`] days, or when they lie within less than [`MIN_SPAN_DAYS`].
    pub fn of(points: &[Point]) -> Result<Trend, Insufficient> {
        let span = points.last().zip(points.first()).map_or(0.0, |(last, first)| last.day - first.day);
        let insufficient = Insufficient { points: points.len(), span };
        if points.len() < MIN_POINTS || span < MIN_SPAN_DAYS {
            return Err(insufficient);
        }
        let (slope, last) = theil_sen(points).zip(points.last()).ok_or(insufficient)?;
        Ok(Trend { last: last.value, slope, points: points.len(), span })
    }

    /// The figure so many days after the last point, when it goes on like this.
    pub fn value_in(&self, days: f64) -> f64 {
        self.last + self.slope.per_day * days
    }

    /// When the figure reaches `capacity`; growth of less than `floor` a day is none.
    pub fn full_in(&self, capacity: f64, floor: f64) -> FullIn {
        let left = capacity - self.last;
        if left <= 0.0 {
            return FullIn::Full;
        }
        if self.slope.per_day <= floor.max(0.0) {
            return FullIn::NotGrowing;
        }
        let days = |slope: f64| left / slope;
        let latest = (self.slope.low > 0.0).then(|| days(self.slope.low));
        FullIn::Days { soonest: days(self.slope.high), likely: days(self.slope.per_day), latest }
    }
}

/// When something is full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FullIn {
    /// It is.
    Full,
    /// Not as it goes now.
    NotGrowing,
    /// In so many days.
    Days {
        /// With the upper end of the slope's range.
        soonest: f64,
        /// With the slope itself.
        likely: f64,
        /// With the lower end; None when that does not grow.
        latest: Option<f64>,
    },
}

impl FullIn {
    /// The likely number of days, to be judged; None when it does not fill up.
    pub fn days(&self) -> Option<f64> {
        match self {
            FullIn::Full => Some(0.0),
            FullIn::NotGrowing => None,
            FullIn::Days { likely, .. } => Some(*likely),
        }
    }
}

impl std::fmt::Display for FullIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The decimal of 9.96 is a 10, and so is that of 10.
        let short = |days: f64| if days < 9.95 { format!("{days:.1}") } else { format!("{days:.0}") };
        match self {
            FullIn::Full => f.write_str("full"),
            FullIn::NotGrowing => f.write_str("not growing"),
            FullIn::Days { soonest, .. } if *soonest > HORIZON_DAYS => f.write_str("full in more than 10 years"),
            FullIn::Days { soonest, latest, .. } => match latest.filter(|latest| *latest <= HORIZON_DAYS) {
                Some(latest) if short(latest) == short(*soonest) => write!(f, "full in {} days", short(latest)),
                Some(latest) => write!(f, "full in {} to {} days", short(*soonest), short(latest)),
                None => write!(f, "full in {} days or later", short(*soonest)),
            },
        }
    }
}

/// Theil and Sen's slope with Sen's 95 % range; None without two different times.
pub fn theil_sen(points: &[Point]) -> Option<Slope> {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (i, a) in points.iter().enumerate() {
        let pairs = points[i + 1..].iter().filter(|b| b.day != a.day).map(|b| (b.value - a.value) / (b.day - a.day));
        slopes.extend(pairs.filter(|slope| slope.is_finite()));
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let (&least, &most) = slopes.first().zip(slopes.last())?;
    let middle = slopes.len() / 2;
    let per_day = if slopes.len() % 2 == 1 { slopes[middle] } else { (slopes[middle - 1] + slopes[middle]) / 2.0 };
    // Kendall's score of n points without a trend has this deviation; so many slopes are cut off at both ends.
    let n = points.len() as f64;
    let width = Z_95 * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let cut = ((slopes.len() as f64 - width) / 2.0).floor();
    let (low, high) = if cut < 1.0 {
        (least, most)
    } else {
        let cut = cut as usize;
        (slopes[cut - 1], slopes[slopes.len() - cut])
    };
    Some(Slope { per_day, low, high })
}

#[cfg(test)]
#[path = "trend_tests.rs"]
mod tests;
