//! What of an archive is loaded, and in which order.

use crate::cli::Cli;
use crate::select::Selection;
use crate::source::Source;
use ml_common::{Class, Failure, Result};
use ml_dump::archive::Entry;
use ml_dump::{Archive, Tally, failed, tables};
use postgres::Client;
use std::collections::{BTreeMap, BTreeSet};

/// What of an archive is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// No rows.
    pub schema_only: bool,
    /// Nothing but rows.
    pub data_only: bool,
    /// Only the entries of some tables.
    selection: Option<Selection>,
    /// Entries that the database has already.
    present: BTreeSet<i32>,
    /// Tables that have to wait for others, as foreign keys point to those: the higher, the later.
    ranks: BTreeMap<String, usize>,
}

/// Foreign keys: the table that has one and the table that it points to.
const KEYS: &str = "SELECT n.nspname, c.relname, rn.nspname, r.relname FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace WHERE k.contype = 'f'";

impl Part {
    /// What the call names.
    ///
    /// # Errors
    /// Class Usage for a table that the dump does not have, or a dump of which no part can be taken.
    pub fn of(cli: &Cli, source: &Source) -> Result<Part> {
        let mut part = Part { schema_only: cli.schema_only, data_only: cli.data_only, ..Part::default() };
        if !cli.tables.is_empty() {
            if cli.via.is_some() {
                return Err(Failure::new(Class::Usage, "single tables cannot be taken through a container")
                    .hint("install the PostgreSQL client on this machine, or restore all"));
            }
            part.selection = Some(Selection::of(&source.archive, &cli.tables)?);
        }
        if source.plain.is_some() && !part.is_all() {
            return Err(Failure::new(Class::Usage, "a plain SQL dump is restored whole")
                .hint("restore it into a new database with --to-database, and copy from there"));
        }
        Ok(part)
    }

    /// Leaves out what a database has already of what the tables need: schemas, extensions, types, functions, sequences.
    ///
    /// # Errors
    /// Class Database.
    pub fn leave_out_present(&mut self, client: &mut Client, archive: &Archive) -> Result<()> {
        let Some(selection) = &self.selection else { return Ok(()) };
        for entry in archive.entries.iter().filter(|entry| selection.needed.contains(&entry.id) || entry.desc == "SEQUENCE") {
            let sql = match entry.desc.as_str() {
                "SCHEMA" => "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $2 AND $1::text IS NOT NULL",
                "EXTENSION" => "SELECT 1 FROM pg_catalog.pg_extension WHERE extname = $2 AND $1::text IS NOT NULL",
                "TYPE" | "DOMAIN" => {
                    "SELECT 1 FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = $1 AND t.typname = $2"
                }
                "TABLE" | "SEQUENCE" => {
                    "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2"
                }
                "FUNCTION" | "PROCEDURE" | "AGGREGATE" => {
                    "SELECT 1 WHERE pg_catalog.to_regprocedure(pg_catalog.quote_ident($1) || '.' || $2) IS NOT NULL"
                }
                _ => continue,
            };
            let found = client.query_opt(sql, &[&entry.namespace, &entry.tag]);
            if found.map_err(failed(format_args!("looking for {} {}", entry.desc, entry.tag)))?.is_some() {
                self.present.insert(entry.id);
            }
        }
        // What belongs to something that is there is there too, or is its owner's affair.
        let of_present = |entry: &&Entry| entry.dependencies.iter().any(|id| self.present.contains(id));
        let kinds = ["ACL", "COMMENT", "SEQUENCE SET", "SEQUENCE OWNED BY", "SECURITY LABEL"];
        let more: Vec<i32> =
            archive.entries.iter().filter(|entry| kinds.contains(&entry.desc.as_str())).filter(of_present).map(|entry| entry.id).collect();
        if !self.data_only {
            self.present.extend(more);
        }
        Ok(())
    }

    /// What is left out, for people.
    pub fn left_out(&self) -> &[String] {
        self.selection.as_ref().map_or(&[], |selection| &selection.left_out)
    }

    /// Everything.
    pub fn is_all(&self) -> bool {
        !self.schema_only && !self.data_only && self.selection.is_none()
    }

    /// Whether an entry belongs to it.
    pub fn wants(&self, entry: &Entry) -> bool {
        let chosen = |selection: &Selection| selection.own.contains(&entry.id) || selection.needed.contains(&entry.id);
        self.selection.as_ref().is_none_or(chosen) && !self.present.contains(&entry.id)
    }

    /// Leaves what belongs to it.
    pub fn narrow(&self, tally: &mut Tally) {
        if let Some(selection) = &self.selection {
            tally.tables.retain(|table, _| selection.tables.contains(table));
        }
        if self.schema_only {
            tally.tables.values_mut().for_each(|rows| *rows = 0);
        }
        if !self.has_objects() {
            tally.large_objects = 0;
        }
    }

    /// Whether it has the large objects.
    pub fn has_objects(&self) -> bool {
        !self.schema_only && self.selection.is_none()
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
    pub fn told(&self) -> String {
        let what = match self {
            Part { schema_only: true, .. } => "all but the rows",
            Part { data_only: true, .. } => "the rows",
            _ => "all",
        };
        let of = self.selection.as_ref().map(|selection| selection.tables.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        of.map_or_else(|| what.to_owned(), |of| format!("{what} of {of}"))
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
