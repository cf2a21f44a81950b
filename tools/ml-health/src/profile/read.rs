//! A profile's file becomes a [`Profile`], or a list of mistakes.

use super::{AvailabilitySpec, CheckSpec, ON_ERROR, ProbeSpec, Profile, TIER, TrendSpec, WINDOW, params, summary::Summary};
use crate::check::{OnError, Tier};
use crate::kind::{self, Args, Kind, Opening, Pace, Param, View};
use crate::lane::Planned;
use jiff::Timestamp;
use ml_common::record::Map;
use ml_common::settings::Settings;
use ml_common::{Class, Failure, Result};
use ml_watch::conf::{self, File, RULE_TABLES, Spot, Table};
use ml_watch::expr::Expr;
use ml_watch::near;
use ml_watch::threshold::Threshold;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use ml_watch::conf::profile_path as path;

/// The version of the language.
const VERSION: u64 = 1;

/// Reads a profile; `home` are the ids of the compiled-in checks.
///
/// # Errors
/// Class Config with all mistakes.
pub fn load(path: &Path, settings: &Settings, home: &[&str]) -> Result<Profile> {
    let (file, profile) = open(path, settings, home)?;
    file.finish()?;
    profile.ok_or_else(|| Failure::new(Class::Internal, format!("{} was not understood", path.display())))
}

/// What a profile is like.
pub struct Checked {
    /// Whose it is, as far as it could be understood.
    pub system: Option<String>,
    /// All that is wrong with it.
    pub mistakes: Vec<conf::Mistake>,
    /// How many checks it has.
    pub checks: usize,
    /// Checks that would be skipped, by their ids, and the variables that are missing.
    pub unset: Vec<(String, String)>,
}

/// All mistakes of a profile, those of the probes' parameters too.
///
/// # Errors
/// Class Config when it cannot be read or is no TOML.
pub fn check(path: &Path, settings: &Settings, home: &[&str]) -> Result<Checked> {
    let (file, profile) = open(path, settings, home)?;
    let checks = profile.as_ref().map_or(0, |profile| profile.checks.len());
    let system = profile.as_ref().map(|profile| profile.system.clone());
    let mut unset = Vec::new();
    if let Some(profile) = profile {
        let of = |check: &CheckSpec| check.planned.never.clone().or_else(|| profile.probes.get(check.probe)?.unset.clone());
        unset.extend(profile.checks.iter().filter_map(|check| Some((check.planned.id.to_string(), of(check)?))));
        let opening = Opening { settings, system: &profile.system, application: "ml-health", root: settings.base() };
        let probes = file.root().table("probe");
        for probe in profile.probes.iter().filter(|probe| probe.unset.is_none()) {
            let Some(table) = probes.as_ref().and_then(|probes| probes.table(&probe.name)) else { continue };
            if !understood(probe, &table) {
                continue;
            }
            if let Err(failure) = probe.open(&opening) {
                file.mistake(table.at(), failure.message, failure.hint.unwrap_or_else(|| "correct the parameters of the probe".into()));
            }
        }
    }
    Ok(Checked { system, mistakes: file.mistakes(), checks, unset })
}

/// Whether all that stands in the probe's table was read: else it was told already what is wrong.
fn understood(probe: &ProbeSpec, table: &Table<'_>) -> bool {
    let read = |param: &Param| probe.args.0.contains_key(param.name) || !(param.required || table.has(param.name));
    let known = |key: &str| key == "kind" || key == "rate_limit" || probe.kind.params.iter().any(|param| param.name == key);
    probe.kind.params.iter().all(read) && table.keys().iter().all(|key| known(key.value))
}

/// The profile is there when it could be understood, whatever else is wrong.
fn open(path: &Path, settings: &Settings, home: &[&str]) -> Result<(File, Option<Profile>)> {
    let file = File::read(path)?;
    file.fill(conf::lookup(settings));
    let root = file.root();
    RULE_TABLES.iter().for_each(|name| root.leave(name));
    root.leave("vars");
    let deadline = settings.millis("CHECK_DEADLINE_MS")?;
    if deadline.is_zero() {
        return Err(
            Failure::new(Class::Config, "CHECK_DEADLINE_MS is 0, and no check could be made in no time").hint("give it some, such as 5000")
        );
    }
    let reader = Reader { file: &file, base: settings.base(), deadline, kindless: RefCell::default(), keys: RefCell::default() };
    let profile = reader.profile(&root, home);
    if profile.is_none() {
        // Nobody asked for the rest.
        ["profile", "probe", "check", "advice"].iter().for_each(|key| root.leave(key));
    }
    Ok((file, profile))
}

pub(super) struct Reader<'a> {
    pub(super) file: &'a File,
    pub(super) base: &'a Path,
    pub(super) deadline: Duration,
    /// Probes whose kind is a variable that is not set.
    kindless: RefCell<BTreeSet<String>>,
    /// What is asked, by how it may be shown.
    pub(super) keys: RefCell<BTreeMap<String, Vec<String>>>,
}

impl Reader<'_> {
    fn profile(&self, root: &Table<'_>, home: &[&str]) -> Option<Profile> {
        let head = root.required("[profile]", root.table("profile"))?;
        let version = head.required("version", head.count("version"));
        if let Some(version) = version.filter(|version| version.value != VERSION) {
            self.file.mistake(
                version.at,
                format!("version {} is not known", version.value),
                format!("this program knows version {VERSION}"),
            );
        }
        let system = head.required("system", head.text("system"))?;
        if system.is_empty() || !system.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            self.file.mistake(
                system.at,
                "the name of the system has other characters than letters, digits, - _ .",
                "it stands in names of files",
            );
        }
        let with_home = head.switch("home").is_some_and(|home| home.value);
        head.text("description");
        self.file.take_unset();
        let probes: Vec<(ProbeSpec, Table<'_>)> =
            root.named_tables("probe").into_iter().filter_map(|(name, table)| self.probe(&name, &table)).collect();
        let mut checks: Vec<(CheckSpec, Table<'_>)> = Vec::new();
        for (key, prefix) in [("check", ""), ("advice", "advice.")] {
            for (at, table) in root.tables(key).into_iter().enumerate() {
                checks.extend(self.check(&table, (prefix, at + 1), &probes).map(|check| (check, table)));
            }
        }
        if !root.has("check") && !root.has("advice") && !with_home {
            self.file.mistake(head.at(), "the profile has no checks", "add a [probe.NAME] and a [[check]], or home = true");
        }
        self.ids(&checks, if with_home { home } else { &[] });
        Some(Profile {
            system: system.value,
            home: with_home,
            probes: probes.into_iter().map(|(probe, _)| probe).collect(),
            checks: checks.into_iter().map(|(check, _)| Arc::new(check)).collect(),
            variables: self.file.vars().map(conf::Vars::used).unwrap_or_default(),
        })
    }

    fn unset(&self) -> Option<String> {
        let names = self.file.take_unset();
        (!names.is_empty()).then(|| conf::Unset(names).to_string())
    }

    fn probe<'t>(&self, name: &Spot<&str>, table: &Table<'t>) -> Option<(ProbeSpec, Table<'t>)> {
        if !name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            self.file.mistake(name.at, format!("{} is no name of a probe", name.value), "names are of letters, digits, - and _");
        }
        let word = table.required("kind", table.text("kind"));
        if let Some(unset) = self.unset() {
            table.keys().iter().for_each(|key| table.leave(key.value));
            self.kindless.borrow_mut().insert(name.value.to_owned());
            // Nothing is ever asked of it, whatever it stands for.
            let spec = ProbeSpec {
                name: name.value.to_owned(),
                kind: kind::KINDS.first()?,
                args: Args::default(),
                pace: None,
                unset: Some(unset),
            };
            return Some((spec, table.clone()));
        }
        let word = word?;
        let Some(kind) = kind::find(&word) else {
            let hint = near::hint(&word, kind::KINDS.iter().map(|kind| kind.name));
            self.file.mistake(word.at, format!("there is no kind of probe called {}", word.value), hint);
            table.keys().iter().for_each(|key| table.leave(key.value));
            return None;
        };
        let args = params::read(table, kind.params, self.base);
        let pace = table.text("rate_limit").and_then(|limit| {
            let refused = |failure: Failure| self.file.mistake(limit.at, failure.message, failure.hint.unwrap_or_default());
            Pace::parse(&limit).map_err(refused).ok()
        });
        Some((ProbeSpec { name: name.value.to_owned(), kind, args, pace, unset: self.unset() }, table.clone()))
    }

    fn check(&self, table: &Table<'_>, (prefix, number): (&str, usize), probes: &[(ProbeSpec, Table<'_>)]) -> Option<CheckSpec> {
        let id = table.required("id", table.text("id"));
        let target = table.required("probe", table.text("probe"));
        let unset = self.unset();
        let of = |target: &Spot<String>| {
            let name = target.split_once('.').map_or(target.as_str(), |(name, _)| name);
            probes.iter().position(|(probe, _)| probe.name == name)
        };
        let place = target.as_ref().and_then(of);
        let kindless = place.and_then(|place| {
            let spec = &probes.get(place)?.0;
            self.kindless.borrow().contains(&spec.name).then(|| spec.unset.clone()).flatten()
        });
        if let Some(why) = unset.or(kindless) {
            let place = place.unwrap_or(0);
            let id = id.map_or_else(|| format!("{prefix}check-{number}"), |id| format!("{prefix}{}", id.value));
            return self.never(table, &id, place, &probes.get(place)?.0, why);
        }
        let found = target.as_ref().and_then(|target| self.target(target, probes));
        let empty = table.table("args");
        let Some((probe, view)) = found else {
            // What the view would have said of them is not known.
            table.keys().iter().for_each(|key| table.leave(key.value));
            return None;
        };
        self.names(probes.get(probe).map(|(_, table)| table).into_iter().chain(&empty), view);
        let args = match &empty {
            Some(args) => params::read(args, view.params, self.base),
            None => {
                self.missing_args(table, view);
                params::read_defaults(view.params, self.base)
            }
        };
        let spec = &probes[probe].0;
        let known = known_metrics(spec, view, &args);
        let is_advice = !prefix.is_empty();
        let value = table.expr("value").map(|expr| self.known(expr, known.as_deref()));
        let is_default = value.is_none();
        let value = value.or_else(|| Expr::parse(known.as_ref()?.first()?).ok());
        let unit = table.text("unit").map(|unit| unit.value);
        let standing = known.as_ref().and_then(|known| known.first()).filter(|_| is_default);
        let of_metric = standing.and_then(|name| view.metrics.iter().find(|metric| metric.name == name));
        let unit = unit.or_else(|| Some(of_metric?.unit.to_owned())).filter(|unit| !unit.is_empty());
        let warn = self.threshold(table, "warn", known.as_deref(), value.is_some());
        let crit = if is_advice { None } else { self.threshold(table, "crit", known.as_deref(), value.is_some()) };
        if let (Some(warn), Some(crit)) = (&warn, &crit)
            && crit.is_within(warn) == Some(false)
        {
            self.file.mistake(crit.at, format!("crit {} holds before warn {} does", crit.value, warn.value), "let crit lie beyond warn");
        }
        let summary = table.text("summary").and_then(|text| self.summary(&text, known.as_deref()));
        let (interval, timeout) = (table.duration("interval"), table.duration("timeout"));
        let limit = self.limit(interval.as_ref(), timeout.as_ref());
        let labels: Map =
            table.pairs("labels").unwrap_or_default().into_iter().map(|(name, text)| (name.value, text.value.into())).collect();
        let needs = table.texts("needs").unwrap_or_default().into_iter().map(|need| need.value.into()).collect();
        let words = |word: Spot<&str>| match word.value {
            "fast" => Tier::Fast,
            "expensive" => Tier::Expensive,
            _ => TIER,
        };
        let tier = table.word("tier", &["fast", "normal", "expensive"]).map_or(TIER, words);
        let gate = !is_advice && table.switch("gate").is_some_and(|gate| gate.value);
        let on_error = table
            .word("on_error", &["crit", "unknown"])
            .map_or(ON_ERROR, |word| if word.value == "crit" { OnError::Crit } else { ON_ERROR });
        let hint = table.text("hint").map(|hint| hint.value);
        let trend = table.table("trend").and_then(|trend| self.trend(&trend, known.as_deref()));
        let availability = table.table("availability").and_then(|window| self.availability(&window));
        let never = self.unset();
        let id = id?;
        self.id(&id);
        let key = self.key(spec, view, &args);
        Some(CheckSpec {
            planned: Planned {
                id: format!("{prefix}{}", id.value).into(),
                gate,
                needs,
                on_error,
                limit,
                tier,
                interval: interval.map(|spot| spot.value),
                never,
            },
            probe,
            view,
            args,
            key,
            value,
            unit,
            warn: warn.map(|spot| spot.value),
            crit: crit.map(|spot| spot.value),
            summary,
            hint,
            labels,
            trend,
            availability,
        })
    }

    /// `PROBE` or `PROBE.VIEW`
    fn target(&self, target: &Spot<String>, probes: &[(ProbeSpec, Table<'_>)]) -> Option<(usize, &'static View)> {
        let (name, view) = target.split_once('.').map_or((target.as_str(), None), |(name, view)| (name, Some(view)));
        let Some(place) = probes.iter().position(|(probe, _)| probe.name == name) else {
            // A probe whose kind is not known was told already.
            if self.file.root().table("probe").is_some_and(|probes| probes.has(name)) {
                return None;
            }
            let hint = near::hint(name, probes.iter().map(|(probe, _)| probe.name.as_str()));
            self.file.mistake(target.at, format!("there is no probe called {name}"), hint);
            return None;
        };
        let kind: &'static Kind = probes[place].0.kind;
        let found = match view {
            None => kind.views.first(),
            Some(view) => kind.views.iter().find(|known| known.name == view),
        };
        if found.is_none() {
            let view = view.unwrap_or_default();
            let hint = near::hint(view, kind.views.iter().map(|view| view.name));
            self.file.mistake(target.at, format!("the kind {} has no view {view}", kind.name), hint);
        }
        Some((place, found?))
    }

    /// Names that the profile gives to metrics stand in expressions, and beside the probe's own.
    fn names<'t>(&self, tables: impl IntoIterator<Item = &'t Table<'t>>, view: &View) {
        let Some(key) = view.named_by else { return };
        for (name, _) in tables.into_iter().filter(|table| table.has(key)).filter_map(|table| table.pairs(key)).flatten() {
            let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c)) {
                let message = format!("'{}' cannot be the name of a metric", name.value);
                self.file.mistake(name.at, message, "names are of letters, digits, _ and dots, and begin with a letter: busy_count");
            } else if view.metrics.iter().any(|metric| metric.name == name.value) {
                self.file.mistake(name.at, format!("{} is a metric of the probe's own", name.value), "choose another name");
            }
        }
    }

    fn missing_args(&self, table: &Table<'_>, view: &View) {
        for param in view.params.iter().filter(|param| param.required) {
            let message = format!("the view {} needs args with {}", view.name, param.name);
            self.file.mistake(table.at(), message, format!("add args = {{ {} = ... }}", param.name));
        }
    }

    /// Notes names that the view does not give.
    fn known(&self, expr: Spot<Expr>, known: Option<&[String]>) -> Expr {
        self.known_names(expr.at, expr.names(), known);
        expr.value
    }

    fn known_names<'n>(&self, at: usize, names: impl IntoIterator<Item = &'n str>, known: Option<&[String]>) {
        let Some(known) = known else { return };
        for name in names.into_iter().filter(|name| !known.iter().any(|known| known == name)) {
            self.file.mistake(at, format!("the probe gives no {name}"), near::hint(name, known.iter().map(String::as_str)));
        }
    }

    fn threshold(&self, table: &Table<'_>, key: &str, known: Option<&[String]>, has_value: bool) -> Option<Spot<Threshold>> {
        let threshold = table.threshold(key)?;
        self.known_names(threshold.at, threshold.names(), known);
        if threshold.needs_value() && !has_value {
            self.file.mistake(threshold.at, format!("{key} is about the value, and there is none"), "add value = \"...\"");
        }
        Some(threshold)
    }

    fn summary(&self, text: &Spot<String>, known: Option<&[String]>) -> Option<Summary> {
        match Summary::parse(text) {
            Ok(summary) => {
                self.known_names(text.at, summary.names(), known);
                Some(summary)
            }
            Err((at, message)) => {
                self.file.mistake(text.at + 1 + at, message, "write {NAME}, and {{ for a brace");
                None
            }
        }
    }

    fn limit(&self, interval: Option<&Spot<Duration>>, timeout: Option<&Spot<Duration>>) -> Duration {
        for (spot, what) in [(interval, "interval"), (timeout, "timeout")] {
            if let Some(spot) = spot.filter(|spot| spot.is_zero()) {
                self.file.mistake(spot.at, format!("{what} is nothing"), format!("give {what} a time above 0"));
            }
        }
        match (interval, timeout) {
            (Some(interval), Some(timeout)) if timeout.value > interval.value => {
                self.file.mistake(
                    interval.at,
                    "interval is shorter than timeout",
                    "a check must be over before its next turn: shorten timeout",
                );
                timeout.value
            }
            (_, Some(timeout)) => timeout.value,
            (Some(interval), None) => self.deadline.min(interval.value),
            (None, None) => self.deadline,
        }
    }

    fn trend(&self, table: &Table<'_>, known: Option<&[String]>) -> Option<TrendSpec> {
        let of = table.required("of", table.expr("of")).map(|expr| self.known(expr, known));
        let capacity = table.required("capacity", table.expr("capacity")).map(|expr| self.known(expr, known));
        let (warn, crit) = (table.threshold("warn"), table.threshold("crit"));
        for threshold in warn.iter().chain(&crit) {
            self.known_names(threshold.at, threshold.names(), Some(&[]));
        }
        let floor = table.number("floor").map_or(0.0, |floor| floor.value);
        Some(TrendSpec { of: of?, capacity: capacity?, floor, warn: warn.map(|spot| spot.value), crit: crit.map(|spot| spot.value) })
    }

    fn availability(&self, table: &Table<'_>) -> Option<AvailabilitySpec> {
        let window = table.duration("window");
        let days = window.as_ref().map_or(WINDOW, |spot| spot.value).as_secs() / 86_400;
        if !(1..=400).contains(&days) {
            self.file.mistake(window.map_or(table.at(), |spot| spot.at), "window is not between a day and 400 days", "write 30d");
        }
        let target = table.required("target", table.number("target"));
        let crit = table.number("crit");
        for percent in target.iter().chain(&crit).filter(|spot| !(0.0..=100.0).contains(&spot.value)) {
            self.file.mistake(percent.at, format!("{} is no number of per cent", percent.value), "give 0 to 100");
        }
        if let (Some(target), Some(crit)) = (&target, &crit)
            && crit.value > target.value
        {
            self.file.mistake(crit.at, "crit lies above target", "let crit be the lower one");
        }
        Some(AvailabilitySpec { days: i64::try_from(days).unwrap_or(30), target: target?.value, crit: crit.map(|spot| spot.value) })
    }
}

/// The names that a view gives, `None` when that is only known after looking.
fn known_metrics(probe: &ProbeSpec, view: &View, args: &Args) -> Option<Vec<String>> {
    let fixed = view.metrics.iter().map(|metric| metric.name.to_owned());
    let Some(table) = view.named_by else { return (!view.metrics.is_empty()).then(|| fixed.collect()) };
    let given = |args: &Args| args.table(table).iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    // What the profile names comes first: it is what the check is about.
    Some(given(&probe.args).into_iter().chain(given(args)).chain(fixed).collect())
}

/// `2h` ago or a moment, as `--since` takes it.
///
/// # Errors
/// What it may be.
pub fn since(text: &str) -> std::result::Result<Timestamp, String> {
    if let Some(ago) = conf::duration(text) {
        return Timestamp::now().checked_sub(ago).map_err(|error| error.to_string());
    }
    text.parse().map_err(|_| "give a time such as 2h, or a moment such as 2025-01-08T02:00:00Z".to_owned())
}
