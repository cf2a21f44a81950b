//! Partitions whose rows are dumped by way of their root (those of a hash over an enum): the manifest counts them there.

use ml_common::Result;
use ml_dump::{Tally, failed, tables};
use postgres::Client;
use std::collections::BTreeMap;

/// The partitions that hold rows, and the partitioned tables that each is under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots(BTreeMap<String, Vec<String>>);

const LEAVES: &str = "SELECT rn.nspname, r.relname, ln.nspname, l.relname
    FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace,
        LATERAL pg_catalog.pg_partition_tree(r.oid) t
        JOIN pg_catalog.pg_class l ON l.oid = t.relid JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace
    WHERE r.relkind = 'p' AND t.isleaf AND l.relkind = 'r'";

impl Roots {
    /// Asks the server.
    ///
    /// # Errors
    /// Class Database.
    pub fn read(client: &mut Client) -> Result<Roots> {
        let mut roots = Roots::default();
        for row in client.query(LEAVES, &[]).map_err(failed("listing the partitions"))? {
            let read =
                || -> Result<[String; 4], postgres::Error> { Ok([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?]) };
            let [schema, root, leaf_schema, leaf] = read().map_err(failed("listing the partitions"))?;
            roots.0.entry(tables::shown(&leaf_schema, &leaf)).or_default().push(tables::shown(&schema, &root));
        }
        Ok(roots)
    }

    /// By what name the rows of `table` count, when `wanted` names tables so.
    pub fn counted_as<'a>(&'a self, table: &'a str, wanted: &Tally) -> &'a str {
        let root = self.0.get(table).into_iter().flatten().find(|root| wanted.tables.contains_key(*root));
        root.filter(|_| !wanted.tables.contains_key(table)).map_or(table, String::as_str)
    }

    /// Counts rows where `wanted` counts them.
    pub fn fold(&self, found: &mut Tally, wanted: &Tally) {
        let tables = std::mem::take(&mut found.tables);
        for (table, rows) in tables {
            *found.tables.entry(self.counted_as(&table, wanted).to_owned()).or_default() += rows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_where_the_manifest_counts_them() {
        let roots = Roots([("p1".to_owned(), vec!["p".to_owned()]), ("p2".to_owned(), vec!["p".to_owned()])].into());
        let tally = |tables: &[(&str, u64)]| Tally {
            tables: tables.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect(),
            large_objects: 0,
        };
        let folded = |wanted: &[(&str, u64)]| {
            let mut found = tally(&[("a", 1), ("p1", 2), ("p2", 3)]);
            roots.fold(&mut found, &tally(wanted));
            found
        };
        assert_eq!(folded(&[("p", 5)]), tally(&[("a", 1), ("p", 5)]));
        assert_eq!(folded(&[("p1", 2), ("p2", 3)]), tally(&[("a", 1), ("p1", 2), ("p2", 3)]));
    }
}
