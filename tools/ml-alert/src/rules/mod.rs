//! The rules: what is alarming, how bad it is, whom it is told and when. Read from TOML files (config/alerts.toml, the system's profile), every
//! mistake with its place. docs/alerts.md describes the language.

mod index;
mod quiet;
mod rule;

pub use index::Index;
pub use quiet::Quiet;
pub use rule::{Burn, Change, Rule};

use crate::builtin;
use crate::notification::Severity;
use crate::sinks::Sink;
use ml_common::Result;
use ml_common::settings::Settings;
use ml_watch::conf::{self, CHECK_TABLES, File, Table};
use std::collections::{BTreeMap, BTreeSet};
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Words for severities, the worst first.
pub const SEVERITIES: [(&str, Severity); 4] =
    [("critical", Severity::Critical), ("high", Severity::High), ("medium", Severity::Medium), ("low", Severity::Low)];

/// Tables of a profile that are ml-health's.
const OTHERS: &[&str] = CHECK_TABLES;

/// How soon somebody has to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Urgency {
    /// So soon somebody should have looked.
    pub respond_within: Option<Duration>,
    /// What is not over by then is told to the next in line.
    pub escalate_after: Option<Duration>,
}

/// Whom to tell of one kind of incident, first to last.
pub type Contacts = BTreeMap<String, Vec<String>>;

/// When groups are told; a rule may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A new group waits so long for more.
    pub group_wait: Duration,
    /// A group that has changed is not told again before.
    pub group_interval: Duration,
    /// What still fires is told again after so long.
    pub repeat_interval: Duration,
}

impl Default for Pace {
    /// What Alertmanager's users know.
    fn default() -> Pace {
        Pace {
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(300),
            repeat_interval: Duration::from_secs(4 * 3600),
        }
    }
}

/// All rules in force.
#[derive(Debug, Default)]
pub struct Rules {
    /// The rules, in the order of the files.
    pub rules: Vec<Rule>,
    /// By severity.
    pub urgency: BTreeMap<Severity, Urgency>,
    /// By kind of incident.
    pub contacts: Contacts,
    /// Hours in which less urgent things wait.
    pub quiet: Vec<Quiet>,
    /// How notifications are paced.
    pub pace: Pace,
    /// Where they go, by name.
    pub sinks: BTreeMap<String, Sink>,
    /// The files that they were read from; none of the rules within the program.
    pub files: Vec<PathBuf>,
    /// Each run is judged by itself, at its end.
    pub each_run: bool,
}

/// Keys that compare with what was before.
const REMEMBERING: [&str; 7] = ["for", "of", "keep_firing_for", "resolve_when", "absent_for", "changed", "burn"];

impl Rules {
    /// Reads the files, in order; each may use the sinks of all. Without any, the rules within the program.
    ///
    /// # Errors
    /// Class Config with every mistake of the first file that has one.
    pub fn read(paths: &[PathBuf], settings: &Settings) -> Result<Rules> {
        let mut rules = Rules::default();
        if paths.is_empty() {
            let file = builtin::file(settings)?;
            rules.before(&file.root());
            rules.take(&file)?;
            rules.files.clear();
            builtin::mend(&mut rules, settings);
            return Ok(rules);
        }
        let files = paths.iter().map(|path| File::read(path)).collect::<Result<Vec<_>>>()?;
        for file in &files {
            file.fill(conf::lookup(settings));
            rules.before(&file.root());
        }
        for file in &files {
            rules.take(file)?;
        }
        Ok(rules)
    }

    /// Whether these are the rules within the program.
    pub fn are_builtin(&self) -> bool {
        self.files.is_empty()
    }

    /// The same of one text.
    #[cfg(test)]
    pub fn parse(text: &str) -> Result<Rules> {
        let file = File::parse(Path::new("rules.toml"), text.to_owned())?;
        file.fill(Box::new(|_| None));
        let mut rules = Rules::default();
        rules.before(&file.root());
        rules.take(&file)?;
        Ok(rules)
    }

    /// What the rules of all files rest on.
    fn before(&mut self, root: &Table<'_>) {
        if let Some(table) = root.table("alerts") {
            self.each_run |= table.switch("each_run").is_some_and(|spot| spot.value);
        }
        for (name, table) in root.named_tables("sink") {
            if let Some(sink) = Sink::read(name.value, &table) {
                self.sinks.insert(name.value.to_owned(), sink);
            }
        }
    }

    fn take(&mut self, file: &File) -> Result<()> {
        let root = file.root();
        OTHERS.iter().filter(|name| **name != "profile").for_each(|name| root.leave(name));
        let mut system = None;
        if let Some(profile) = root.table("profile") {
            for key in profile.keys() {
                match key.value {
                    "system" => system = profile.text("system").map(|system| system.value),
                    // The rest of that table is ml-health's.
                    other => drop(profile.has(other)),
                }
            }
            root.leave("profile");
        }
        if let Some(table) = root.table("alerts") {
            let seconds = |key: &str, usual: Duration| table.duration(key).map_or(usual, |spot| spot.value);
            self.pace = Pace {
                group_wait: seconds("group_wait", self.pace.group_wait),
                group_interval: seconds("group_interval", self.pace.group_interval),
                repeat_interval: seconds("repeat_interval", self.pace.repeat_interval),
            };
        }
        for (name, table) in root.named_tables("severity") {
            let urgency = Urgency {
                respond_within: table.duration("respond_within").map(|spot| spot.value),
                escalate_after: table.duration("escalate_after").map(|spot| spot.value),
            };
            let Some((_, severity)) = SEVERITIES.iter().find(|(word, _)| *word == name.value) else {
                file.mistake(name.at, format!("there is no severity {}", name.value), "critical, high, medium and low are known");
                continue;
            };
            self.urgency.insert(*severity, urgency);
        }
        for (name, table) in root.named_tables("contact") {
            let line: Vec<String> =
                ["primary", "secondary", "manager"].iter().filter_map(|key| table.text(key)).map(|spot| spot.value).collect();
            self.contacts.insert(name.value.to_owned(), line);
        }
        self.quiet.extend(root.tables("quiet").iter().filter_map(Quiet::read));
        if self.each_run {
            let hint = "take it out, or each_run = true";
            let rules = root.tables("rule");
            for (table, key) in rules.iter().filter_map(|table| Some((table, REMEMBERING.iter().find(|key| table.has(key))?))) {
                file.mistake(table.at(), format!("with each_run nothing is remembered that {key} could compare with"), hint);
            }
            for table in root.tables("quiet") {
                file.mistake(table.at(), "with each_run nothing waits for the end of quiet hours", hint);
            }
        }
        let before = self.rules.len();
        for table in root.tables("rule") {
            if let Some(mut rule) = Rule::read(&table, &self.sinks) {
                // Alerts are known by the name of their rule and the system.
                let clash =
                    |other: &Rule| other.name == rule.name && (other.system.is_none() || system.is_none() || other.system == system);
                if self.rules.iter().any(clash) {
                    file.mistake(table.at(), format!("there are two rules {}", rule.name), "give each a name of its own");
                }
                rule.system.clone_from(&system);
                self.rules.push(rule);
            }
        }
        let names: Vec<String> = self.rules.iter().map(|rule| rule.name.clone()).collect();
        for rule in self.rules.iter().skip(before) {
            for (name, at) in rule.inhibited_by.iter().filter(|(name, _)| !names.contains(name)) {
                let hint = ml_watch::near::hint(name, names.iter().map(String::as_str));
                file.mistake(*at, format!("there is no rule {name}"), hint);
            }
            if let Some(at) = rule.inhibited_by.iter().find(|(name, _)| self.keeps_back(name, rule)).map(|(_, at)| *at) {
                let hint = "while both fire nobody would be told: leave out one of the two";
                file.mistake(at, format!("{} would keep itself back", rule.name), hint);
            }
        }
        self.files.push(file.path().to_owned());
        file.finish()
    }

    /// Whether the rules of that name are kept back by this one, or by those that it keeps back.
    fn keeps_back(&self, name: &str, by: &Rule) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![name]);
        while let Some(name) = next.pop() {
            if name == by.name {
                return true;
            }
            if seen.insert(name) {
                let side = |rule: &&Rule| rule.name == name && (rule.system.is_none() || by.system.is_none() || rule.system == by.system);
                next.extend(self.rules.iter().filter(side).flat_map(|rule| &rule.inhibited_by).map(|(name, _)| name.as_str()));
            }
        }
        false
    }

    /// Whom to tell at this step of escalation, 0 first.
    pub fn contact(&self, incident: Option<&str>, level: usize) -> Option<&str> {
        let line = self.contacts.get(incident?)?;
        line.get(level).or(line.last()).map(String::as_str)
    }

    /// How soon what is so bad has to be looked at.
    pub fn urgency(&self, severity: Severity) -> Urgency {
        self.urgency.get(&severity).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
