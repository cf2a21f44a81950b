//! Thresholds: `> 80`, a Nagios range `10:20`, or a condition `busy / total > 0.8 and total > 0`.

use crate::expr::{Comparison, Expr, History, Mistake, Problem, Value};
use ml_common::record::Scalar;
use std::fmt;

/// How the value is called in a condition.
pub const VALUE: &str = "value";

/// When a value is bad.
#[derive(Clone, Debug)]
pub struct Threshold {
    text: String,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Bad when it holds; written without its left side when that is the value.
    Condition(Expr),
    /// Bad outside from `low` to `high`; `inside` turns it round.
    Range { inside: bool, low: f64, high: f64 },
}

impl Threshold {
    /// Parses it.
    ///
    /// # Errors
    /// The mistake, its place in `text`; also for what would always or never hold.
    pub fn parse(text: &str) -> Result<Threshold, Mistake> {
        let trimmed = text.trim();
        let what = if let Some(range) = range(trimmed) {
            range?
        } else if trimmed.starts_with(['<', '>', '=', '!']) {
            let before = VALUE.len() + 1;
            let shift =
                |mistake: Mistake| Mistake { at: (mistake.at + text.len() - text.trim_start().len()).saturating_sub(before), ..mistake };
            What::Condition(Expr::parse(&format!("{VALUE} {trimmed}")).map_err(shift)?)
        } else {
            What::Condition(Expr::parse(text)?)
        };
        if let What::Condition(expr) = &what
            && !expr.is_condition()
        {
            let hint = "write a comparison such as > 80, a range such as 10:20, or a condition such as busy / total > 0.8 or open == true";
            return Err(Mistake::new(0, "this is neither true nor false", hint));
        }
        Ok(Threshold { text: trimmed.to_owned(), what })
    }

    /// The names in it, besides [`VALUE`].
    pub fn names(&self) -> Vec<&str> {
        match &self.what {
            What::Condition(expr) => expr.names().into_iter().filter(|name| *name != VALUE).collect(),
            What::Range { .. } => Vec::new(),
        }
    }

    /// The expression, unless it is a range.
    pub fn expr(&self) -> Option<&Expr> {
        match &self.what {
            What::Condition(expr) => Some(expr),
            What::Range { .. } => None,
        }
    }

    /// Whether it asks for the value at all.
    pub fn needs_value(&self) -> bool {
        match &self.what {
            What::Condition(expr) => expr.names().contains(&VALUE),
            What::Range { .. } => true,
        }
    }

    /// Whether `value` is bad.
    ///
    /// # Errors
    /// When that cannot be said.
    pub fn holds<'a>(
        &'a self,
        value: Option<&Value<'a>>,
        get: &dyn Fn(&str) -> Option<Value<'a>>,
        history: &dyn History,
    ) -> Result<bool, Problem> {
        match &self.what {
            What::Condition(expr) => {
                let named = |name: &str| if name == VALUE { value.cloned() } else { get(name) };
                expr.holds(&named, history)
            }
            What::Range { inside, low, high } => {
                let value = value.ok_or_else(|| Problem::Missing(VALUE.into()))?;
                let number =
                    value.number().ok_or_else(|| Problem::Type(format!("'{value}' is {}, and the threshold a range", value.kind())))?;
                Ok((*low..=*high).contains(&number) == *inside)
            }
        }
    }

    /// As records carry it: a number is the most that is well, a range what is well; conditions stay as they are.
    pub fn limit(&self) -> Scalar {
        if let What::Condition(expr) = &self.what
            && let Some((VALUE, comparison, limit)) = expr.as_limit()
        {
            let number = Value::Number(limit);
            match comparison {
                Comparison::Above => return number.into(),
                Comparison::Below => return Scalar::Text(format!("{number}:")),
                _ => {}
            }
        }
        match self.text.parse::<f64>() {
            // 0:80 and not the most: the same for what cannot be negative, and what was written.
            Ok(number) => Value::Number(number).into(),
            Err(_) => Scalar::Text(self.text.clone()),
        }
    }

    /// Whether this one can only hold where `other` holds too, as far as that is plain: both are limits on the same side.
    pub fn is_within(&self, other: &Threshold) -> Option<bool> {
        let limit = |threshold: &Threshold| match &threshold.what {
            What::Condition(expr) => expr.as_limit().filter(|(name, ..)| *name == VALUE).map(|(_, comparison, limit)| (comparison, limit)),
            What::Range { .. } => None,
        };
        use Comparison::{Above, Below, NotAbove, NotBelow};
        match (limit(self)?, limit(other)?) {
            ((Above | NotBelow, ours), (Above | NotBelow, theirs)) => Some(ours >= theirs),
            ((Below | NotAbove, ours), (Below | NotAbove, theirs)) => Some(ours <= theirs),
            _ => None,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `[@][low:]high` as in Nagios' guidelines, `~` being no limit; `None` when it is something else.
fn range(text: &str) -> Option<Result<What, Mistake>> {
    let (inside, bare) = text.strip_prefix('@').map_or((false, text), |bare| (true, bare));
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let (low, high) = match bare.split_once(':') {
        Some((low, high)) => {
            let low = if low == "~" {
                f64::NEG_INFINITY
            } else if low.is_empty() {
                0.0
            } else {
                number(low)?
            };
            (low, if high.is_empty() { f64::INFINITY } else { number(high)? })
        }
        None => (0.0, number(bare)?),
    };
    if low > high {
        return Some(Err(Mistake::new(0, "the range begins above its end", "write LOW:HIGH, the lower one first")));
    }
    if low == f64::NEG_INFINITY && high == f64::INFINITY {
        let told = if inside { "always" } else { "never" };
        return Some(Err(Mistake::new(0, format!("this range {told} holds"), "give it a limit: 10:20 is bad outside, @10:20 inside")));
    }
    Some(Ok(What::Range { inside, low, high }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::NoHistory;
    use jiff::Timestamp;

    fn holds(text: &str, value: f64) -> bool {
        let threshold = Threshold::parse(text).unwrap();
        let get = |name: &str| (name == "total").then_some(Value::Number(10.0));
        threshold.holds(Some(&Value::Number(value)), &get, &NoHistory(Timestamp::UNIX_EPOCH)).unwrap()
    }

    #[test]
    fn comparisons_and_conditions() {
        for (text, bad, good) in [
            ("> 80", 80.1, 80.0),
            (">= 80", 80.0, 79.9),
            ("< 10", 9.0, 10.0),
            ("== 3", 3.0, 4.0),
            ("!= 3", 4.0, 3.0),
            ("value > 3 and total > 5", 4.0, 3.0),
            ("> total * 2", 21.0, 20.0),
            ("> 2m", 121.0, 120.0),
        ] {
            assert!(holds(text, bad) && !holds(text, good), "{text}");
        }
    }

    #[test]
    fn ranges_are_those_of_nagios() {
        for (text, bad, good) in [
            ("10", 11.0, 10.0),
            ("10", -1.0, 0.0),
            ("10:", 9.0, 10.0),
            ("~:10", 11.0, -5.0),
            ("10:20", 21.0, 15.0),
            ("@10:20", 10.0, 21.0),
            (":5", 6.0, 5.0),
        ] {
            assert!(holds(text, bad) && !holds(text, good), "{text}");
        }
    }

    #[test]
    fn mistakes_are_found_before_anything_is_measured() {
        let told = |text: &str| {
            let mistake = Threshold::parse(text).map(|threshold| panic!("{threshold} was taken")).unwrap_err();
            format!("{} {}", mistake.at, mistake.message)
        };
        assert_eq!(told("20:10"), "0 the range begins above its end");
        assert_eq!(told("~:"), "0 this range never holds");
        assert_eq!(told("@~:"), "0 this range always holds");
        assert_eq!(told("total * 2"), "0 this is neither true nor false");
        assert_eq!(told("> "), "1 the expression ends too early");
        assert_eq!(told(" > 3 4"), "5 an operator is missing here");
        assert_eq!(told("80 %"), "4 the expression ends too early");
    }

    #[test]
    fn records_carry_limits_as_numbers_or_ranges() {
        let limit = |text: &str| Threshold::parse(text).unwrap().limit();
        assert_eq!(limit("> 80"), Scalar::Int(80));
        assert_eq!(limit("> 0.5"), Scalar::Float(0.5));
        assert_eq!(limit("< 85"), Scalar::Text("85:".into()));
        assert_eq!(limit("@1:2"), Scalar::Text("@1:2".into()));
        assert_eq!(limit(">= 3"), Scalar::Text(">= 3".into()));
        assert_eq!(limit("5"), Scalar::Int(5));
    }

    #[test]
    fn a_range_over_words_and_a_missing_value_have_no_answer() {
        let at = NoHistory(Timestamp::UNIX_EPOCH);
        let range = Threshold::parse("1:2").unwrap();
        assert!(range.holds(None, &|_| None, &at).is_err());
        assert!(range.holds(Some(&Value::Text("up".into())), &|_| None, &at).is_err());
        let word = Threshold::parse("!= \"up\"").unwrap();
        assert!(word.holds(Some(&Value::Text("down".into())), &|_| None, &at).unwrap());
    }

    #[test]
    fn critical_limits_lie_beyond_those_of_warnings() {
        let within = |inner: &str, outer: &str| Threshold::parse(inner).unwrap().is_within(&Threshold::parse(outer).unwrap());
        assert_eq!([within("> 90", "> 80"), within("> 80", "> 90"), within("< 7d", "< 30d")], [Some(true), Some(false), Some(true)]);
        assert_eq!([within("> 90", "< 80"), within("10:20", "> 3")], [None, None]);
    }
}
