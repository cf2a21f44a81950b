//! Which statuses are good: `200`, `2xx`, `200-299,401`.

use ml_common::{Class, Failure, Result};
use std::ops::RangeInclusive;

/// The good ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect(Vec<RangeInclusive<u16>>);

impl Expect {
    /// Reads a list.
    ///
    /// # Errors
    /// Class Config when it is none.
    pub fn parse(text: &str) -> Result<Expect> {
        let ranges: Option<Vec<_>> = text.split([',', ' ']).filter(|part| !part.is_empty()).map(range).collect();
        ranges.filter(|ranges| !ranges.is_empty()).map(Expect).ok_or_else(|| {
            Failure::new(Class::Config, format!("{text} is not a list of HTTP statuses"))
                .hint("write 200, 2xx, 200-299 or several of them with commas")
        })
    }

    /// Whether this one is good.
    pub fn holds(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

fn range(part: &str) -> Option<RangeInclusive<u16>> {
    let status = |text: &str| text.parse::<u16>().ok().filter(|status| (100..600).contains(status));
    if let Some(class) = part.strip_suffix("xx") {
        let first = status(&format!("{class}00"))?;
        return Some(first..=first + 99);
    }
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Some(status(first)?..=status(last)?).filter(|range| !range.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_classes_and_ranges() {
        let expect = Expect::parse("200-204, 401,3xx").unwrap();
        for (status, good) in [(200, true), (204, true), (205, false), (401, true), (400, false), (300, true), (399, true), (500, false)] {
            assert_eq!(expect.holds(status), good, "{status}");
        }
        for wrong in ["", " , ", "ok", "20", "6xx", "xx", "204-200", "200-", "-1", "200.5"] {
            assert_eq!(Expect::parse(wrong).unwrap_err().class, Class::Config, "{wrong}");
        }
    }
}
