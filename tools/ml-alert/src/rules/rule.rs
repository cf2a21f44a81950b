//! One rule.

use super::{Pace, SEVERITIES};
use crate::notification::Severity;
use crate::sinks::Sink;
use glob::Pattern;
use ml_common::Status;
use ml_watch::conf::Table;
use ml_watch::expr::Expr;
use std::collections::BTreeMap;
use std::time::Duration;

const STATUSES: [(&str, Status); 6] = [
    ("ok", Status::Ok),
    ("warn", Status::Warn),
    ("crit", Status::Crit),
    ("unknown", Status::Unknown),
    ("skipped", Status::Skipped),
    ("planned", Status::Planned),
];

/// No window is longer.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

/// Nor so many times as long as the short one: each counts its fifths.
const WIDEST: u32 = 750;

/// How fast an error budget burns: over two windows, so that it is neither a hiccup nor long over.
#[derive(Clone, Debug, PartialEq)]
pub struct Burn {
    /// Per cent that have to be good: 99.9.
    pub target: f64,
    /// So many times the rate that would use up the budget exactly.
    pub factor: f64,
    /// The long window.
    pub long: Duration,
    /// The short one.
    pub short: Duration,
    /// Fewer observations in the long window say nothing.
    pub samples: u64,
}

/// What is not to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The value.
    Value,
    /// A label or metric.
    Named(String),
}

/// What is alarming, and how.
#[derive(Debug)]
pub struct Rule {
    /// Its name: Alertmanager's `alertname`.
    pub name: String,
    /// The system of the profile that it stands in; `None`: of all.
    pub system: Option<String>,
    /// Ids of checks and steps; `tool.NAME` is how a tool ended.
    pub ids: Vec<Pattern>,
    /// The same in words.
    pub subject: String,
    /// The tool that tells it.
    pub tool: Option<Pattern>,
    /// Labels that have to match.
    pub labels: BTreeMap<String, Pattern>,
    /// Statuses that are alarming, where there is no `when`.
    pub status: Vec<Status>,
    /// What is alarming.
    pub when: Option<Expr>,
    /// What ends it, where that is more than no longer being alarming.
    pub resolve_when: Option<Expr>,
    /// It has to last so long.
    pub lasting: Duration,
    /// So many of the last so many.
    pub of: Option<(u32, u32)>,
    /// It goes on so long after it was last so.
    pub keep_firing_for: Duration,
    /// Nothing was heard for so long.
    pub absent_for: Option<Duration>,
    /// Something is not what it was.
    pub changed: Option<Change>,
    /// An error budget burns.
    pub burn: Option<Burn>,
    /// How bad it is; by the status where it is not said.
    pub severity: Option<Severity>,
    /// Told together: `system`, `rule`, `id`, `host`, `severity` or names of labels.
    pub group_by: Vec<String>,
    /// Not told while one of these fires in the same system, and where that is written.
    pub inhibited_by: Vec<(String, usize)>,
    /// Where it goes; everywhere when empty.
    pub sinks: Vec<String>,
    /// The kind of incident, for the contacts.
    pub incident: Option<String>,
    /// In place of the record's own summary.
    pub summary: Option<String>,
    /// In place of the record's own hint.
    pub hint: Option<String>,
    /// How often it is told.
    pub repeat_interval: Option<Duration>,
    /// Only for what no other rule finds alarming.
    pub otherwise: bool,
}

impl Rule {
    /// Reads `[[rule]]`.
    pub(super) fn read(table: &Table<'_>, sinks: &BTreeMap<String, Sink>) -> Option<Rule> {
        let file = table.file();
        let name = table.required("name", table.text("name"));
        let empty = |at: usize, what: &str, remedy: &str| file.mistake(at, format!("{what} is empty"), remedy);
        if let Some(name) = name.as_ref().filter(|name| name.trim().is_empty()) {
            empty(name.at, "name", "give the rule a name: explain, list and silence know it by that");
        }
        let pattern = |text: &ml_watch::conf::Spot<String>| match Pattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                file.mistake(text.at, format!("'{}' is no pattern: {error}", text.value), "write an id, with * for any part of it");
                None
            }
        };
        let ids = table.required("id", table.texts("id")).unwrap_or_default();
        if ids.is_empty() && table.has("id") {
            empty(table.at(), "id", "write an id, with * for any part of it");
        }
        for id in ids.iter().filter(|id| id.is_empty()) {
            empty(id.at, "id", "write an id, with * for any part of it");
        }
        let ids: Vec<Pattern> = ids.iter().filter_map(pattern).collect();
        let tool = table.text("tool").as_ref().and_then(pattern);
        let labels = table.pairs("labels").unwrap_or_default();
        let labels = labels.iter().filter_map(|(name, text)| Some((name.value.clone(), pattern(text)?))).collect();
        let mut status = Vec::new();
        for text in table.texts("status").unwrap_or_default() {
            match STATUSES.iter().find(|(word, _)| *word == text.value) {
                Some((_, of)) => status.push(*of),
                None => file.mistake(
                    text.at,
                    format!("there is no status {}", text.value),
                    ml_watch::near::hint(&text, STATUSES.iter().map(|(word, _)| *word)),
                ),
            }
        }
        if status.is_empty() {
            status = vec![Status::Warn, Status::Crit, Status::Unknown];
        }
        let condition = |key: &str| {
            let expr = table.expr(key)?;
            if !expr.is_condition() {
                file.mistake(expr.at, format!("{key} is no condition"), "compare with something: value > 80");
            }
            if !expr.remembered().is_empty() || !expr.grown().is_empty() {
                let hint = "let the check of ml-health compare with its earlier run, or use changed";
                file.mistake(expr.at, format!("{key} asks for an earlier run, and rules see one record"), hint);
            }
            Some(expr.value)
        };
        let seconds = |key: &str| table.duration(key).map(|spot| spot.value);
        let of = table.text("of").and_then(|text| {
            let read = text.split_once(" of ").and_then(|(x, y)| Some((x.trim().parse().ok()?, y.trim().parse().ok()?)));
            let good = read.filter(|(x, y): &(u32, u32)| *x >= 1 && x <= y && *y <= 64);
            if good.is_none() {
                file.mistake(text.at, format!("of is '{}'", text.value), "write \"3 of 5\", of at most 64");
            }
            good
        });
        let changed = table.text("changed").map(|name| match name.as_str() {
            "value" => Change::Value,
            other => Change::Named(other.to_owned()),
        });
        let burn = table.table("burn").and_then(|burn| {
            let number = |key: &str| burn.required(key, burn.number(key)).map(|spot| spot.value);
            let long = |key: &str| burn.required(key, burn.duration(key)).map(|spot| spot.value);
            let samples = burn.count("samples").map_or(10, |spot| spot.value);
            let (target, factor, long, short) = (number("target"), number("factor"), long("long"), long("short"));
            let (target, factor, long, short) = (target?, factor?, long?, short?);
            if !(target > 0.0 && target < 100.0 && factor > 0.0 && short <= long && long <= LONGEST && long <= short.saturating_mul(WIDEST))
            {
                let hint = "write target = 99.9, factor = 14.4, long = \"1h\", short = \"5m\"; long is at most 31 days and 750 times short";
                file.mistake(burn.at(), "no budget burns like that", hint);
            }
            Some(Burn { target, factor, long, short, samples })
        });
        let severity = table.word("severity", &SEVERITIES.map(|(word, _)| word));
        let severity = severity.and_then(|word| SEVERITIES.iter().find(|(known, _)| *known == word.value).map(|(_, of)| *of));
        let named = |key: &str| table.texts(key).unwrap_or_default();
        for sink in named("sinks").iter().filter(|sink| !sinks.get(&sink.value).is_some_and(Sink::takes_notifications)) {
            if sinks.contains_key(&sink.value) {
                let message = format!("{} takes no alerts: it hears that ml-alert still runs", sink.value);
                file.mistake(sink.at, message, "name a sink of another kind than deadman");
                continue;
            }
            let takers = sinks.iter().filter(|(_, sink)| sink.takes_notifications()).map(|(name, _)| name.as_str());
            file.mistake(sink.at, format!("there is no sink {}", sink.value), ml_watch::near::hint(sink, takers));
        }
        let conditions: Vec<&str> = ["status", "when", "changed", "absent_for", "burn"].into_iter().filter(|key| table.has(key)).collect();
        if let [first, second, ..] = conditions[..] {
            file.mistake(
                table.at(),
                format!("{first} and {second} are two conditions"),
                "write a rule for each, or one when: status == 'crit' and value > 80",
            );
        }
        if table.has("absent_for") {
            for key in ["for", "of", "resolve_when", "keep_firing_for", "otherwise"].into_iter().filter(|key| table.has(key)) {
                file.mistake(
                    table.at(),
                    format!("{key} says nothing of what is absent"),
                    "leave it out; absent_for is how long it may take",
                );
            }
        }
        for key in ["changed", "burn"].into_iter().filter(|key| table.has(key) && table.has("resolve_when")) {
            let message = format!("resolve_when says nothing of {key}");
            file.mistake(table.at(), message, "leave it out; what changed is told once, and a burn rate ends by itself");
        }
        let group_by = named("group_by").into_iter().map(|spot| spot.value).collect::<Vec<_>>();
        Some(Rule {
            name: name?.value,
            system: None,
            subject: ids.iter().map(Pattern::as_str).collect::<Vec<_>>().join(","),
            ids,
            tool,
            labels,
            status,
            when: condition("when"),
            resolve_when: condition("resolve_when"),
            lasting: seconds("for").unwrap_or_default(),
            of,
            keep_firing_for: seconds("keep_firing_for").unwrap_or_default(),
            absent_for: seconds("absent_for"),
            changed,
            burn,
            severity,
            group_by: if table.has("group_by") { group_by } else { vec!["system".into()] },
            inhibited_by: named("inhibited_by").into_iter().map(|spot| (spot.value, spot.at)).collect(),
            sinks: named("sinks").into_iter().map(|spot| spot.value).collect(),
            incident: table.text("incident").map(|spot| spot.value),
            summary: table.text("summary").map(|spot| spot.value),
            hint: table.text("hint").map(|spot| spot.value),
            repeat_interval: seconds("repeat_interval"),
            otherwise: table.switch("otherwise").is_some_and(|spot| spot.value),
        })
    }

    /// Whether it is about records of this tool and system.
    pub fn is_from(&self, system: &str, tool: &str) -> bool {
        self.is_of(system) && self.tool.as_ref().is_none_or(|pattern| pattern.matches(tool))
    }

    /// Whether it stands in no profile, or in that of this system.
    pub fn is_of(&self, system: &str) -> bool {
        self.system.as_deref().is_none_or(|own| own == system)
    }

    /// When its groups are told.
    pub fn pace(&self, usual: Pace) -> Pace {
        Pace { repeat_interval: self.repeat_interval.unwrap_or(usual.repeat_interval), ..usual }
    }

    /// Whether it has to remember what was well, too.
    pub fn remembers(&self) -> bool {
        self.of.is_some() || self.changed.is_some() || self.burn.is_some()
    }
}
