//! Which checks there are, in which order they are told, and which of them a call asks for.

use crate::check::Tier;
use crate::lane::{Lane, Planned};
use crate::probe::{Facts, HEALTH_URL, METRICS_URL, api, backup, disk, ledger, postgres, redis, settings};
use crate::profile::Profile;
use crate::server::Server;
use ml_common::{Class, Failure, Result};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The compiled-in checks that take a few milliseconds.
const FAST: &[&str] =
    &["settings", "postgres.connect", "postgres.writable", "redis.ping", "redis.queue", "api.health", "disk.exports", "disk.backups"];
/// Those that read much of the database.
const EXPENSIVE: &[&str] = &["postgres.size", "ledger.chain", "ledger.statements", "ledger.success-rate", "ledger.error-rate"];

/// All checks, in the order of their records: the compiled-in ones unless a profile goes without them, and the profile's.
pub fn entries(profile: Option<&Profile>) -> Vec<Planned> {
    let mut all = if profile.is_none_or(|profile| profile.home) { home() } else { Vec::new() };
    all.extend(profile.into_iter().flat_map(|profile| profile.checks.iter().map(|check| check.planned.clone())));
    all
}

/// The ids of the compiled-in checks.
pub fn home_ids() -> Vec<&'static str> {
    let mut ids: Vec<&'static str> = settings::CHECKS.iter().map(|check| check.id).collect();
    ids.extend(postgres::CHECKS.iter().chain(ledger::CHECKS).map(|check| check.id));
    ids.extend(redis::CHECKS.iter().map(|check| check.id));
    ids.extend(api::HEALTH.iter().chain(api::METRICS).map(|check| check.id));
    ids.extend(disk::EXPORTS.iter().chain(disk::BACKUPS).map(|check| check.id));
    ids.extend(backup::CHECKS.iter().map(|check| check.id));
    ids
}

fn home() -> Vec<Planned> {
    let none = Duration::ZERO;
    let mut all: Vec<Planned> = settings::CHECKS.iter().map(|check| Planned::of(check, none)).collect();
    all.extend(postgres::CHECKS.iter().chain(ledger::CHECKS).map(|check| Planned::of(check, none)));
    all.extend(redis::CHECKS.iter().map(|check| Planned::of(check, none)));
    all.extend(api::HEALTH.iter().chain(api::METRICS).map(|check| Planned::of(check, none)));
    all.extend(disk::EXPORTS.iter().chain(disk::BACKUPS).map(|check| Planned::of(check, none)));
    all.extend(backup::CHECKS.iter().map(|check| Planned::of(check, none)));
    for entry in &mut all {
        if FAST.contains(&&*entry.id) {
            entry.tier = Tier::Fast;
        } else if EXPENSIVE.contains(&&*entry.id) {
            entry.tier = Tier::Expensive;
        }
    }
    all
}

/// The lanes of the chosen compiled-in checks, in the same order.
pub fn lanes(facts: &Arc<Facts>, choice: &Choice) -> Vec<Lane> {
    let facts = || Arc::clone(facts);
    let (a, b, c, d, e, f, g, h) = (facts(), facts(), facts(), facts(), facts(), facts(), facts(), facts());
    let limit = a.limits.deadline;
    let server = Server::Postgres(Box::new(a.target.clone()));
    let queue = a.redis.clone().map(|redis| Server::Redis(Box::new(redis)));
    let chosen = |id: &str| choice.has(id);
    let database = postgres::CHECKS.iter().chain(ledger::CHECKS);
    let lanes = vec![
        Lane::compiled(settings::CHECKS, limit, &chosen, move |_| Ok(Arc::clone(&a))),
        Lane::compiled(database, limit, &chosen, move |abort| Ok(postgres::Session::new(Arc::clone(&b), abort))).to(Some(server)),
        Lane::compiled(redis::CHECKS, limit, &chosen, move |_| redis::Queue::new(Arc::clone(&c))).to(queue),
        Lane::compiled(api::HEALTH, limit, &chosen, move |_| api::Endpoint::new(Arc::clone(&d), HEALTH_URL)),
        Lane::compiled(api::METRICS, limit, &chosen, move |_| api::Endpoint::new(Arc::clone(&e), METRICS_URL)),
        Lane::compiled(disk::EXPORTS, limit, &chosen, move |_| Ok(disk::Folder::new(Arc::clone(&f), "EXPORTS_DIR"))),
        Lane::compiled(disk::BACKUPS, limit, &chosen, move |_| Ok(disk::Folder::new(Arc::clone(&g), "BACKUP_DIR"))),
        Lane::compiled(backup::CHECKS, limit, &chosen, move |_| Ok(backup::Backups::new(Arc::clone(&h)))),
    ];
    lanes.into_iter().filter(|lane| !lane.checks.is_empty()).collect()
}

/// The checks that a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(BTreeSet<Arc<str>>);

impl Choice {
    /// Those of `only` (all when it is empty) and of `tiers` (the same) but those of `skip`. Names are ids or their beginnings: `postgres` is all
    /// of `postgres.*`. What a chosen check needs is made too; what needs a left out one is left out.
    pub fn among(entries: &[Planned], only: &[String], skip: &[String], tiers: &[Tier]) -> Choice {
        let named = |id: &str, names: &[String]| names.iter().any(|name| names_id(name, id));
        let without = closed(entries.iter().filter(|entry| named(&entry.id, skip)), |known| {
            entries.iter().filter(|entry| entry.needs.iter().any(|need| known.contains(need))).map(|entry| &entry.id).collect()
        });
        let asked = |entry: &Planned| (only.is_empty() || named(&entry.id, only)) && (tiers.is_empty() || tiers.contains(&entry.tier));
        let left = || entries.iter().filter(|entry| !without.contains(&entry.id));
        Choice(closed(left().filter(|entry| asked(entry)), |known| {
            left().filter(|entry| known.contains(&entry.id)).flat_map(|entry| &entry.needs).collect()
        }))
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

/// The ids of `first`, and what `more` gives for those known, until nothing is added.
fn closed<'a>(first: impl Iterator<Item = &'a Planned>, more: impl Fn(&BTreeSet<Arc<str>>) -> Vec<&'a Arc<str>>) -> BTreeSet<Arc<str>> {
    let mut known: BTreeSet<Arc<str>> = first.map(|entry| Arc::clone(&entry.id)).collect();
    loop {
        let before = known.len();
        let added = more(&known).into_iter().cloned().collect::<Vec<_>>();
        known.extend(added);
        if known.len() == before {
            return known;
        }
    }
}

fn names_id(name: &str, id: &str) -> bool {
    id.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The arguments of `--only` and `--skip` name checks.
///
/// # Errors
/// Class Usage for one that names none; the hint lists what there is.
pub fn known_names<'a>(entries: &[Planned], names: impl Iterator<Item = &'a String>) -> Result<()> {
    for name in names {
        if !entries.iter().any(|entry| names_id(name, &entry.id)) {
            let ids: Vec<&str> = entries.iter().map(|entry| &*entry.id).collect();
            return Err(Failure::new(Class::Usage, format!("there is no check {name}")).hint(format!("there are {}", ids.join(", "))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(only: &[&str], skip: &[&str]) -> Vec<String> {
        tiers(only, skip, &[])
    }

    fn tiers(only: &[&str], skip: &[&str], tiers: &[Tier]) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let choice = Choice::among(&home(), &owned(only), &owned(skip), tiers);
        home().iter().map(|entry| entry.id.to_string()).filter(|id| choice.has(id)).collect()
    }

    #[test]
    fn tiers_are_chosen_with_what_they_need() {
        assert_eq!(tiers(&["redis"], &[], &[Tier::Fast]), ["redis.ping", "redis.queue"]);
        let expensive = tiers(&[], &[], &[Tier::Expensive]);
        assert!(expensive.contains(&"postgres.connect".into()) && !expensive.contains(&"redis.ping".into()), "{expensive:?}");
        let ids = home_ids();
        assert!(FAST.iter().chain(EXPENSIVE).all(|id| ids.contains(id)));
        assert_eq!(ids, home().iter().map(|entry| entry.id.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn ids_are_unique_and_what_a_check_needs_stands_before_it() {
        let mut before = BTreeSet::new();
        for entry in home() {
            assert!(entry.needs.iter().all(|id| before.contains(id)), "{}", entry.id);
            assert!(before.insert(entry.id.clone()), "{} twice", entry.id);
        }
    }

    #[test]
    fn only_database_schema_chain_and_disk_are_gates() {
        let gates: Vec<String> = home().iter().filter(|entry| entry.gate).map(|entry| entry.id.to_string()).collect();
        assert_eq!(gates, ["postgres.connect", "postgres.writable", "ledger.schema", "ledger.chain", "disk.exports", "disk.backups"]);
    }

    #[test]
    fn needs_are_followed_in_both_directions() {
        assert_eq!(choice(&["ledger.chain"], &[]), ["postgres.connect", "ledger.schema", "ledger.tables", "ledger.chain"]);
        assert_eq!(choice(&["redis", "disk.exports"], &["redis.memory"]), ["redis.ping", "redis.queue", "disk.exports"]);
        let without = choice(&[], &["postgres.connect"]);
        assert!(without.iter().all(|id| !id.starts_with("postgres") && !id.starts_with("ledger")), "{without:?}");
        assert_eq!(choice(&["ledger"], &["postgres"]), Vec::<String>::new());
        assert_eq!(choice(&[], &[]).len(), home().len());
    }

    #[test]
    fn names_end_at_a_dot() {
        let known = |name: &str| known_names(&home(), [name.to_owned()].iter());
        assert!(known("postgres").is_ok() && known("postgres.size").is_ok());
        let told = known("postgres.si").unwrap_err();
        assert!(told.class == Class::Usage && told.hint.is_some_and(|hint| hint.contains("postgres.size")));
    }
}
