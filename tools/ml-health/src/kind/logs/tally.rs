//! What is made of the lines: counts by pattern, the most frequent values of a field, lines that look like credentials.

use super::secrets;
use crate::kind::args::why;
use crate::kind::declare::percent;
use crate::kind::{Args, Sample, Unseen};
use ml_common::people::counted;
use ml_common::{Class, Failure, Result, redact};
use regex::bytes::{Regex, RegexSet};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Lines that are shown.
const ROWS: usize = 10;
/// Characters of them.
const ROW_MAX: usize = 300;
/// Values that are counted at a time; beyond, the rarest are forgotten.
const VALUES_MAX: usize = 20_000;

/// Takes lines and tells what they are.
pub enum Tally {
    /// View `count`.
    Count { names: Vec<String>, patterns: RegexSet, counts: Vec<u64>, matched: u64, lines: u64, last: VecDeque<String> },
    /// View `top`.
    Top { field: Regex, only: Option<Regex>, values: HashMap<Vec<u8>, u64>, total: u64, lines: u64, at_least: bool },
    /// View `secrets`.
    Secrets { kinds: BTreeMap<&'static str, u64>, found: u64, lines: u64 },
}

fn wrong(name: &str, error: &regex::Error) -> Failure {
    Failure::new(Class::Config, format!("the pattern {name} is no regular expression: {}", why(error))).hint("write it as in grep -E")
}

impl Tally {
    /// What a view asks for.
    ///
    /// # Errors
    /// Class Config for a pattern that is none.
    pub fn new(view: &str, args: &Args) -> Result<Tally> {
        let one = |name: &str| args.text(name).map(|text| Regex::new(text).map_err(|error| wrong(name, &error))).transpose();
        Ok(match view {
            "top" => {
                let field = one("field")?.ok_or_else(|| Failure::new(Class::Config, "field is not given"))?;
                Tally::Top { field, only: one("only")?, values: HashMap::new(), total: 0, lines: 0, at_least: false }
            }
            "secrets" => Tally::Secrets { kinds: BTreeMap::new(), found: 0, lines: 0 },
            _ => {
                let table = args.table("patterns");
                for (name, text) in table {
                    Regex::new(text).map_err(|error| wrong(name, &error))?;
                }
                let patterns = RegexSet::new(table.iter().map(|(_, text)| text)).map_err(|error| wrong("set", &error))?;
                let names: Vec<String> = table.iter().map(|(name, _)| name.clone()).collect();
                Tally::Count { counts: vec![0; names.len()], names, patterns, matched: 0, lines: 0, last: VecDeque::new() }
            }
        })
    }

    /// Takes a line.
    pub fn line(&mut self, line: &[u8]) {
        match self {
            Tally::Count { patterns, counts, matched, lines, last, .. } => {
                *lines += 1;
                let found = patterns.matches(line);
                if !found.matched_any() {
                    return;
                }
                *matched += 1;
                found.iter().for_each(|at| counts[at] += 1);
                if last.len() == ROWS {
                    last.pop_front();
                }
                last.push_back(shown(line));
            }
            Tally::Top { field, only, values, total, lines, at_least } => {
                *lines += 1;
                if only.as_ref().is_some_and(|only| !only.is_match(line)) {
                    return;
                }
                let Some(found) = field.captures(line) else { return };
                let Some(value) = found.get(1).or_else(|| found.get(0)) else { return };
                *total += 1;
                *values.entry(value.as_bytes()[..value.len().min(200)].to_vec()).or_default() += 1;
                if values.len() > VALUES_MAX {
                    // What is frequent stays, and is told too low by as much as was taken away at most.
                    *at_least = true;
                    values.retain(|_, count| {
                        *count -= 1;
                        *count > 0
                    });
                }
            }
            Tally::Secrets { kinds, found, lines } => {
                *lines += 1;
                if let Some(kind) = secrets::kind(&String::from_utf8_lossy(line)) {
                    *found += 1;
                    *kinds.entry(kind).or_default() += 1;
                }
            }
        }
    }

    /// The sample.
    ///
    /// # Errors
    /// Never now.
    pub fn sample(self) -> Result<Sample, Unseen> {
        Ok(match self {
            Tally::Count { names, counts, matched, lines, last, .. } => {
                let told: Vec<String> = names.iter().zip(&counts).take(5).map(|(name, count)| format!("{name} {count}")).collect();
                let note = format!("{} in {}", told.join(", "), counted(lines, "new line"));
                let mut sample = Sample { rows: last.into_iter().collect(), note, ..Sample::default() };
                sample.values.extend(names.into_iter().zip(counts.into_iter().map(Into::into)));
                sample.with("matched", matched).with("lines", lines)
            }
            Tally::Top { values, total, lines, at_least, .. } => {
                let mut values: Vec<(Vec<u8>, u64)> = values.into_iter().collect();
                values.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
                let rows: Vec<String> = values.iter().take(ROWS).map(|(value, count)| format!("{count} {}", shown(value))).collect();
                let most = values.first().map_or(0, |(_, count)| *count);
                let name = values.first().map_or_else(String::new, |(value, _)| shown(value));
                let note = if total == 0 {
                    format!("no value in {}", counted(lines, "new line"))
                } else {
                    format!("{name} {most} times of {total}, {} in all", counted(values.len() as u64, "value"))
                };
                let sample = Sample { rows, note, ..Sample::default() }.with("top", most).with("total", total).with("lines", lines);
                let sample = sample.with("percent", percent(most as f64, total as f64)).with("top_name", name);
                if at_least { sample } else { sample.with("distinct", values.len()) }
            }
            Tally::Secrets { kinds, found, lines } => {
                let rows = kinds.iter().map(|(kind, count)| format!("{} with {kind}", counted(*count, "line"))).collect();
                let note = format!("{} of {lines} new lines hold what looks like a credential", found);
                Sample { rows, note, ..Sample::default() }.with("secrets", found).with("lines", lines)
            }
        })
    }
}

/// A line for people, without what looks like a secret.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = secrets::hide(&text).into_owned();
    let text = redact::scrub(&text);
    ml_common::people::printable(text.trim()).chars().take(ROW_MAX).collect()
}
