//! The tables whose rows a dump holds, found by the rules that pg_dump follows itself.
//!
//! Ordinary tables (also partitions, which is where the rows of a partitioned table are), none of the system's, none that belong to an
//! extension unless it registered the table as configuration. Foreign tables, views and materialized views have no rows in a dump.

use crate::contents::Tally;
use crate::{failed, quoted};
use ml_common::Result;
use postgres::GenericClient;

/// A table, by its unquoted names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Which of its rows are dumped: a `WHERE` clause, for the configuration tables of extensions.
    pub condition: Option<String>,
}

impl Table {
    /// As SQL takes it.
    pub fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// As people and manifests write it: quoted only where it must be.
    pub fn shown(&self) -> String {
        shown(&self.schema, &self.name)
    }
}

/// `public.statements`, `public."Odd name"`: the one spelling of a table, for manifests and comparisons.
pub fn shown(schema: &str, name: &str) -> String {
    let plain = |name: &str| {
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
        first && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let part = |name: &str| if plain(name) { name.to_owned() } else { quoted(name) };
    format!("{}.{}", part(schema), part(name))
}

const TABLES: &str = "SELECT n.nspname, c.relname, config.condition
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
    LEFT JOIN LATERAL (SELECT e.extcondition[i] AS condition
        FROM pg_catalog.pg_extension e, pg_catalog.generate_subscripts(e.extconfig, 1) i
        WHERE e.oid = d.refobjid AND e.extconfig[i] = c.oid) config ON true
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND (d.objid IS NULL OR config.condition IS NOT NULL)
        AND (c.relpersistence <> 'u' OR NOT pg_catalog.pg_is_in_recovery())
    ORDER BY 1, 2";

/// The tables whose rows a dump of the connected database holds.
///
/// # Errors
/// Class Database.
pub fn list(client: &mut impl GenericClient) -> Result<Vec<Table>> {
    let rows = client.query(TABLES, &[]).map_err(failed("listing the tables"))?;
    let table = |row: &postgres::Row| -> Result<Table, postgres::Error> {
        let condition: Option<String> = row.try_get(2)?;
        Ok(Table { schema: row.try_get(0)?, name: row.try_get(1)?, condition: condition.filter(|sql| !sql.is_empty()) })
    };
    rows.iter().map(table).collect::<Result<_, _>>().map_err(failed("listing the tables"))
}

/// Counts the rows of these tables, and the large objects of the database. Call it in a transaction of one snapshot where they have to
/// fit each other.
///
/// # Errors
/// Class Database, naming the table.
pub fn count(client: &mut impl GenericClient, tables: &[Table]) -> Result<Tally> {
    let mut tally = Tally::default();
    for table in tables {
        let sql = format!("SELECT count(*) FROM ONLY {} {}", table.sql(), table.condition.as_deref().unwrap_or_default());
        let doing = || format!("counting the rows of {}", table.shown());
        let count: i64 = client.query_one(&sql, &[]).and_then(|row| row.try_get(0)).map_err(failed(doing()))?;
        tally.tables.insert(table.shown(), count.unsigned_abs());
    }
    let objects = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata";
    let count: i64 = client.query_one(objects, &[]).and_then(|row| row.try_get(0)).map_err(failed("counting the large objects"))?;
    tally.large_objects = count.unsigned_abs();
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_only_where_they_must_be() {
        assert_eq!(shown("public", "statements"), "public.statements");
        assert_eq!(shown("Public", "a b"), "\"Public\".\"a b\"");
        assert_eq!(shown("s", "1st"), "s.\"1st\"");
        assert_eq!(shown("s", "a\"b"), "s.\"a\"\"b\"");
        assert_eq!(shown("s", "größe"), "s.\"größe\"");
        assert_eq!(shown("s", ""), "s.\"\"");
    }
}
