//! What of an archive is loaded, and in which order.

use crate::cli::Cli;
use ml_common::Result;
use ml_dump::archive::Entry;
use ml_dump::{Tally, failed, tables};
use postgres::Client;
use std::collections::BTreeMap;

/// What of an archive is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// No rows.
    pub schema_only: bool,
    /// Nothing but rows.
    pub data_only: bool,
    /// Tables that have to wait for others, as foreign keys point to those: the higher, the later.
    ranks: BTreeMap<String, usize>,
}

/// Foreign keys: the table that has one and the table that it points to.
const KEYS: &str = "SELECT n.nspname, c.relname, rn.nspname, r.relname FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace WHERE k.contype = 'f'";

impl Part {
    /// What the call names.
    pub fn of(cli: &Cli) -> Part {
        Part { schema_only: cli.schema_only, data_only: cli.data_only, ranks: BTreeMap::new() }
    }

    /// Everything.
    pub fn is_all(&self) -> bool {
        !self.schema_only && !self.data_only
    }

    /// Whether an entry belongs to it.
    pub fn wants(&self, _entry: &Entry) -> bool {
        true
    }

    /// Leaves what belongs to it.
    pub fn narrow(&self, tally: &mut Tally) {
        if self.schema_only {
            tally.tables.values_mut().for_each(|rows| *rows = 0);
        }
        if !self.has_objects() {
            tally.large_objects = 0;
        }
    }

    /// Whether it has the large objects.
    pub fn has_objects(&self) -> bool {
        !self.schema_only
    }

    /// Puts rows that others point to first, by the foreign keys of a database whose tables are there.
    ///
    /// # Errors
    /// Class Database.
    pub fn order(&mut self, client: &mut Client) -> Result<()> {
        let rows = client.query(KEYS, &[]).map_err(failed("listing the foreign keys"))?;
        let key = |row: &postgres::Row| -> Result<(String, String), postgres::Error> {
            let [schema, name, to_schema, to_name] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get::<_, &str>(3)?];
            Ok((tables::shown(schema, name), tables::shown(to_schema, to_name)))
        };
        let keys = rows.iter().map(key).collect::<Result<Vec<_>, _>>().map_err(failed("listing the foreign keys"))?;
        self.ranks = ranks(&keys);
        Ok(())
    }

    /// When an entry's turn is; the same for all but rows that have to wait.
    pub fn rank(&self, entry: &Entry) -> usize {
        if self.ranks.is_empty() || entry.desc != "TABLE DATA" {
            return 0;
        }
        self.ranks.get(&tables::shown(&entry.namespace, &entry.tag)).copied().unwrap_or_default()
    }

    /// For people: `the rows`.
    pub fn told(&self) -> &'static str {
        match self {
            Part { schema_only: true, .. } => "all but the rows",
            Part { data_only: true, .. } => "the rows",
            _ => "all",
        }
    }
}

/// How many tables have to come before each; in a circle no order helps, and it ends.
fn ranks(keys: &[(String, String)]) -> BTreeMap<String, usize> {
    let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..=keys.len() {
        let mut changed = false;
        for (from, to) in keys.iter().filter(|(from, to)| from != to) {
            let after = ranks.get(to).copied().unwrap_or_default() + 1;
            let rank = ranks.entry(from.clone()).or_default();
            if *rank < after && after <= keys.len() {
                *rank = after;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_point_to_comes_first() {
        let key = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let ranked = ranks(&[key("a", "b"), key("b", "c"), key("a", "c"), key("d", "d")]);
        assert_eq!((ranked.get("a"), ranked.get("b"), ranked.get("c"), ranked.get("d")), (Some(&2), Some(&1), None, None));
        assert_eq!(ranks(&[key("a", "b"), key("b", "a")]).len(), 2);
        assert!(ranks(&[]).is_empty());
    }
}
