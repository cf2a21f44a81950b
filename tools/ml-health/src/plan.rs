//! Which checks there are, in which order they are told, and which of them a call asks for.

use crate::lane::{Entry, Lane};
use crate::probe::{Facts, HEALTH_URL, METRICS_URL, api, backup, disk, ledger, postgres, redis, settings};
use std::collections::BTreeSet;
use std::sync::Arc;

/// All checks, in the order of their records.
pub fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    all.extend(settings::CHECKS.iter().map(Entry::of));
    all.extend(postgres::CHECKS.iter().chain(ledger::CHECKS).map(Entry::of));
    all.extend(redis::CHECKS.iter().map(Entry::of));
    all.extend(api::HEALTH.iter().chain(api::METRICS).map(Entry::of));
    all.extend(disk::EXPORTS.iter().chain(disk::BACKUPS).map(Entry::of));
    all.extend(backup::CHECKS.iter().map(Entry::of));
    all
}

/// The lanes of the chosen checks, in the same order.
pub fn lanes(facts: &Arc<Facts>, choice: &Choice) -> Vec<Lane> {
    let facts = || Arc::clone(facts);
    let (a, b, c, d, e, f, g, h) = (facts(), facts(), facts(), facts(), facts(), facts(), facts(), facts());
    let chosen = |id: &str| choice.has(id);
    let lanes = vec![
        Lane::new(settings::CHECKS, &chosen, |_| Ok(a)),
        Lane::new(postgres::CHECKS.iter().chain(ledger::CHECKS), &chosen, |abort| Ok(postgres::Session::new(b, abort))),
        Lane::new(redis::CHECKS, &chosen, |_| redis::Queue::new(c)),
        Lane::new(api::HEALTH, &chosen, |_| api::Endpoint::new(d, HEALTH_URL)),
        Lane::new(api::METRICS, &chosen, |_| api::Endpoint::new(e, METRICS_URL)),
        Lane::new(disk::EXPORTS, &chosen, |_| Ok(disk::Folder::new(f, "EXPORTS_DIR"))),
        Lane::new(disk::BACKUPS, &chosen, |_| Ok(disk::Folder::new(g, "BACKUP_DIR"))),
        Lane::new(backup::CHECKS, &chosen, |_| Ok(backup::Backups::new(h))),
    ];
    lanes.into_iter().filter(|lane| !lane.entries().is_empty()).collect()
}

/// The checks that a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(BTreeSet<&'static str>);

impl Choice {
    /// Those of `only` (all when it is empty) but those of `skip`. Names are ids or their beginnings: `postgres` is all of `postgres.*`. What
    /// a chosen check needs is made too; what needs a left out one is left out.
    pub fn of(only: &[String], skip: &[String]) -> Choice {
        Choice::among(&entries(), only, skip)
    }

    fn among(entries: &[Entry], only: &[String], skip: &[String]) -> Choice {
        let named = |id: &str, names: &[String]| names.iter().any(|name| names_id(name, id));
        // A check stands after those that it needs, so one pass in each direction follows the needs through.
        let mut without: BTreeSet<&str> = BTreeSet::new();
        for entry in entries {
            if named(entry.id, skip) || entry.needs.iter().any(|id| without.contains(id)) {
                without.insert(entry.id);
            }
        }
        let mut chosen: BTreeSet<&'static str> = BTreeSet::new();
        for entry in entries.iter().rev().filter(|entry| !without.contains(entry.id)) {
            if only.is_empty() || named(entry.id, only) || chosen.contains(entry.id) {
                chosen.insert(entry.id);
                chosen.extend(entry.needs);
            }
        }
        Choice(chosen)
    }

    /// Whether the check is asked for.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    /// Whether no check is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn names_id(name: &str, id: &str) -> bool {
    id.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// An argument of `--only` and `--skip`.
///
/// # Errors
/// When no check is called so; the text lists what there is.
pub fn known_name(name: &str) -> Result<String, String> {
    let entries = entries();
    if entries.iter().any(|entry| names_id(name, entry.id)) {
        return Ok(name.to_owned());
    }
    let ids: Vec<&str> = entries.iter().map(|entry| entry.id).collect();
    Err(format!("there is no such check; there are {}", ids.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(only: &[&str], skip: &[&str]) -> Vec<&'static str> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let choice = Choice::of(&owned(only), &owned(skip));
        entries().iter().map(|entry| entry.id).filter(|id| choice.has(id)).collect()
    }

    #[test]
    fn ids_are_unique_and_what_a_check_needs_stands_before_it() {
        let mut before = BTreeSet::new();
        for entry in entries() {
            assert!(entry.needs.iter().all(|id| before.contains(id)), "{}", entry.id);
            assert!(before.insert(entry.id), "{} twice", entry.id);
        }
    }

    #[test]
    fn only_database_schema_chain_and_disk_are_gates() {
        let gates: Vec<&str> = entries().iter().filter(|entry| entry.gate).map(|entry| entry.id).collect();
        assert_eq!(gates, ["postgres.connect", "postgres.writable", "ledger.schema", "ledger.chain", "disk.exports", "disk.backups"]);
    }

    #[test]
    fn needs_are_followed_in_both_directions() {
        assert_eq!(choice(&["ledger.chain"], &[]), ["postgres.connect", "ledger.schema", "ledger.tables", "ledger.chain"]);
        assert_eq!(choice(&["redis", "disk.exports"], &["redis.memory"]), ["redis.ping", "redis.queue", "disk.exports"]);
        let without = choice(&[], &["postgres.connect"]);
        assert!(without.iter().all(|id| !id.starts_with("postgres") && !id.starts_with("ledger")), "{without:?}");
        assert_eq!(choice(&["ledger"], &["postgres"]), Vec::<&str>::new());
        assert_eq!(choice(&[], &[]).len(), entries().len());
    }

    #[test]
    fn names_end_at_a_dot() {
        assert!(known_name("postgres").is_ok() && known_name("postgres.size").is_ok());
        let told = known_name("postgres.si").unwrap_err();
        assert!(told.contains("postgres.size"), "{told}");
    }
}
