//! Ids of checks: what they may be, and that each is there once.

use super::read::Reader;
use super::{CheckSpec, needs};
use ml_watch::conf::{Spot, Table};
use ml_watch::near;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Ids of records that ml-health writes itself.
const RESERVED: &[&str] = &["state", "config", "input", "textfile", "upstream-silent"];

impl Reader<'_> {
    pub(super) fn id(&self, id: &Spot<String>) {
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            self.file.mistake(id.at, format!("'{}' is no id", id.value), "ids are of letters, digits, - _ and dots: pool.utilization");
        }
    }

    /// Ids are there once, needs are there, and nothing waits for itself.
    pub(super) fn ids(&self, checks: &[(CheckSpec, Table<'_>)], home: &[&str]) {
        let mut seen: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
        let place = |table: &Table<'_>| table.text("id").map_or(table.at(), |spot| spot.at);
        for (check, table) in checks {
            let planned = &check.planned;
            let derived = [("trend", check.trend.is_some()), ("availability", check.availability.is_some())];
            for (suffix, _) in derived.iter().filter(|(_, there)| *there) {
                let id = format!("{}.{suffix}", planned.id);
                if checks.iter().any(|(other, _)| *other.planned.id == *id) {
                    self.file.mistake(
                        place(table),
                        format!("{id} is the {suffix} of {}, and a check", planned.id),
                        "choose another id for the check",
                    );
                }
            }
            if RESERVED.contains(&&*planned.id) {
                self.file.mistake(place(table), format!("{} is an id of ml-health's own", planned.id), "choose another id");
            } else if home.contains(&&*planned.id) {
                self.file.mistake(place(table), format!("{} is a compiled-in check", planned.id), "choose another id, or home = false");
            } else if seen.insert(Arc::clone(&planned.id), planned.needs.clone()).is_some() {
                self.file.mistake(place(table), format!("{} is there twice", planned.id), "ids tell checks apart: choose another");
            }
        }
        for (check, table) in checks {
            for need in table.texts("needs").unwrap_or_default() {
                let there = || seen.keys().map(|id| &**id).chain(home.iter().copied());
                if !there().any(|id| id == need.value) {
                    let ids: Vec<&str> = there().filter(|id| *id != &*check.planned.id).collect();
                    self.file.mistake(need.at, format!("there is no check {}", need.value), near::hint(&need, ids.iter().copied()));
                }
            }
        }
        if let Some(circle) = needs::circle(&seen) {
            let of = checks.iter().find(|(check, _)| circle.first() == Some(&check.planned.id));
            let at = of.and_then(|(_, table)| Some(table.texts("needs")?.first()?.at)).unwrap_or_default();
            self.file.mistake(at, format!("checks wait for each other: {}", circle.join(" needs ")), "take one of these needs away");
        }
    }
}
