//! What a probe gives: numbers and words to judge, or the reason why there are none.

use ml_common::Failure;
use ml_common::record::Scalar;
use std::collections::BTreeMap;

/// A number or word that a view gives.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// As expressions name it: lower-case words joined by `_`.
    pub name: &'static str,
    /// `bytes`, `s`, `ms`, `%`, `days`, or empty for a count or a word.
    pub unit: &'static str,
    /// For the manual.
    pub doc: &'static str,
}

/// What one look saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Numbers (Int, Float, Bool) and words (Text), by name. What could not be known is not in it: a check that needs it is unknown.
    pub values: BTreeMap<String, Scalar>,
    /// The rows that a check shows which fails or only tells, the worst first, at most ten: without secrets, and without data beyond names and numbers.
    pub rows: Vec<String>,
    /// One sentence for people, used when the check gives no `summary` of its own.
    pub note: String,
    /// Parts of the picture that a privilege kept back; the check is skipped, with this as its hint, unless what was seen is bad already.
    pub hidden: Option<String>,
    /// What there was no time for. What would be ok by the rest is unknown.
    pub unseen: Option<String>,
    /// Nothing was looked at yet: it was only noted where the next look begins.
    pub first: bool,
    /// The values that `hidden` is about, which are then not among the values; empty: it is about all of them.
    pub hides: &'static [&'static str],
}

impl Sample {
    /// Without secrets among its words: they are compared, remembered and told.
    pub fn scrub(&mut self) {
        for value in self.values.values_mut() {
            if let Scalar::Text(text) = value
                && let std::borrow::Cow::Owned(clean) = ml_common::redact::scrub(text)
            {
                *text = clean;
            }
        }
    }

    /// The same with one more value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Scalar>) -> Sample {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// What is to be granted for a check of these values, if a privilege kept some of them back.
    pub fn hidden_from<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<&str> {
        let concerned = self.hides.is_empty() || names.into_iter().any(|name| self.hides.contains(&name));
        self.hidden.as_deref().filter(|_| concerned)
    }
}

/// Why there is nothing to judge.
#[derive(Clone, Debug)]
pub enum Unseen {
    /// The role or user may not look; `hint` is what to grant. The check is skipped with error_class `privilege`, never ok.
    Privilege {
        /// `pg_ls_waldir may not be called`.
        what: String,
        /// `GRANT pg_monitor to the role`.
        hint: String,
    },
    /// It is not there to be looked at, and that is nobody's fault: no Lean on this machine, no pg_stat_statements, another operating system.
    Absent(String),
    /// It failed, as the check's `on_error` judges it.
    Failed(Failure),
}

impl From<Failure> for Unseen {
    fn from(failure: Failure) -> Unseen {
        Unseen::Failed(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_concerns_whoever_asks_for_it() {
        let all = Sample { hidden: Some("GRANT".into()), ..Sample::default() };
        let part = Sample { hides: &["active"], ..all.clone() };
        assert_eq!(all.hidden_from(["used"]), Some("GRANT"));
        assert_eq!((part.hidden_from(["used"]), part.hidden_from(["used", "active"])), (None, Some("GRANT")));
        assert_eq!(Sample::default().hidden_from(["used"]), None);
    }
}
