//! Which tables and columns the ledger at hand has.
//!
//! Read from pg_attribute: information_schema hides what the role may not read, so that a missing grant would look like a missing table.

pub mod expected;

use crate::failed;
use expected::{CORE, Expected, FIRST, SECOND};
use ml_common::{Class, Failure, Result};
use postgres::GenericClient;
use std::collections::BTreeMap;

/// The generations of the ledger's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Hashes as bytes, statements belong to `theory_id`, blocks know only their root.
    First,
    /// Hashes as text, statements belong to `system_id`, blocks list their statements and are chained.
    Second,
    /// The tables that make a ledger are not there.
    NotALedger,
}

impl Generation {
    /// `first`, `second` or `none`.
    pub fn name(self) -> &'static str {
        match self {
            Generation::First => "first",
            Generation::Second => "second",
            Generation::NotALedger => "none",
        }
    }
}

/// A column as the catalog describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Unquoted.
    pub name: String,
    /// As `format_type` writes it, which SQL understands: `text`, `timestamp with time zone`.
    pub type_name: String,
    /// Whether NULL is excluded.
    pub not_null: bool,
}

/// A table as the catalog describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// In the table's own order.
    pub columns: Vec<Column>,
    /// Names of the primary key's columns in its order; empty without one.
    pub primary_key: Vec<String>,
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// The tables of the schema that holds the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The first schema of the search path with a table `statements`; without one, the first schema; empty when there is none.
    pub schema: String,
    /// All its ordinary and partitioned tables, the ledger's and others.
    pub tables: BTreeMap<String, Table>,
    /// Which ledger it is.
    pub generation: Generation,
}

/// Schemas of the search path in its order, with whether they hold `statements`.
const SCHEMAS: &str =
    "SELECT path.name::text, EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = path.name AND c.relname = 'statements' AND c.relkind IN ('r', 'p'))
    FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path (name, place) ORDER BY path.place";

const COLUMNS: &str = "SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
        pg_catalog.array_position(i.indkey::int2[], a.attnum)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
    WHERE n.nspname = $1::text AND c.relkind IN ('r', 'p') ORDER BY c.relname, a.attnum";

impl Shape {
    /// Looks the tables up.
    ///
    /// # Errors
    /// Class Database when the catalog cannot be read.
    pub fn discover(client: &mut impl GenericClient) -> Result<Shape> {
        let doing = "looking up the tables of the ledger";
        let path = client.query(SCHEMAS, &[]).map_err(failed(doing))?;
        let (mut first, mut found) = (None, None);
        for row in &path {
            let (name, holds): (String, bool) = (row.try_get(0).map_err(failed(doing))?, row.try_get(1).map_err(failed(doing))?);
            if holds {
                found.get_or_insert(name.clone());
            }
            first.get_or_insert(name);
        }
        let schema = found.or(first).unwrap_or_default();
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        let mut keys: BTreeMap<String, Vec<(i32, String)>> = BTreeMap::new();
        for row in client.query(COLUMNS, &[&schema]).map_err(failed(doing))? {
            let table: String = row.try_get(0).map_err(failed(doing))?;
            let columns = &mut tables.entry(table.clone()).or_default().columns;
            let Some(name) = row.try_get::<_, Option<String>>(1).map_err(failed(doing))? else { continue };
            if let Some(place) = row.try_get::<_, Option<i32>>(4).map_err(failed(doing))? {
                keys.entry(table).or_default().push((place, name.clone()));
            }
            let (type_name, not_null) = (row.try_get(2).map_err(failed(doing))?, row.try_get(3).map_err(failed(doing))?);
            columns.push(Column { name, type_name, not_null });
        }
        for (table, mut key) in keys {
            key.sort_unstable();
            tables.entry(table).or_default().primary_key = key.into_iter().map(|(_, name)| name).collect();
        }
        Ok(Shape::of(schema, tables))
    }

    /// The shape of these tables.
    pub fn of(schema: String, tables: BTreeMap<String, Table>) -> Shape {
        let mut shape = Shape { schema, tables, generation: Generation::NotALedger };
        if shape.lacks(CORE).is_empty() {
            // Columns of the second generation get added to ledgers of the first: what statements are keyed by decides.
            let second = shape.has_column("statements", "system_id") && !shape.is_bytes("statements", "hash");
            shape.generation = if second { Generation::Second } else { Generation::First };
        }
        shape
    }

    /// Whether there is such a table.
    pub fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Whether there is such a column.
    pub fn has_column(&self, table: &str, column: &str) -> bool {
        self.column(table, column).is_some()
    }

    /// The column, if there is one.
    pub fn column(&self, table: &str, column: &str) -> Option<&Column> {
        self.tables.get(table).and_then(|table| table.column(column))
    }

    /// Whether this is a ledger of either generation.
    pub fn is_ledger(&self) -> bool {
        self.generation != Generation::NotALedger
    }

    /// The tables and columns that its generation has and this database has not: `proof_parents`, `proofs.status`. For a database that is no
    /// ledger, what it lacks to be one.
    pub fn missing(&self) -> Vec<String> {
        self.lacks(match self.generation {
            Generation::First => FIRST,
            Generation::Second => SECOND,
            Generation::NotALedger => CORE,
        })
    }

    fn lacks(&self, expected: &[Expected]) -> Vec<String> {
        let mut missing = Vec::new();
        for (table, columns) in expected {
            match self.tables.get(*table) {
                None => missing.push((*table).to_owned()),
                Some(found) => {
                    let absent = columns.iter().filter(|column| found.column(column).is_none());
                    missing.extend(absent.map(|column| format!("{table}.{column}")));
                }
            }
        }
        missing
    }

    /// Makes sure that a table has these columns, before SQL that needs them.
    ///
    /// # Errors
    /// Class Database, naming what is missing.
    pub fn require(&self, table: &str, columns: &[&str]) -> Result<()> {
        let place = if self.schema.is_empty() { "the search path".to_owned() } else { format!("schema {}", self.schema) };
        let message = if !self.has(table) {
            format!("there is no table {table} in {place}")
        } else {
            let absent: Vec<&str> = columns.iter().copied().filter(|column| !self.has_column(table, column)).collect();
            match absent.as_slice() {
                [] => return Ok(()),
                [one] => format!("table {table} in {place} has no column {one}"),
                many => format!("table {table} in {place} has no columns {}", many.join(", ")),
            }
        };
        Err(Failure::new(Class::Database, message)
            .hint("check that the database is the ledger and its search_path; ml-migrate status says what differs"))
    }

    /// Makes sure that this is a ledger.
    ///
    /// # Errors
    /// Class Database, naming what is missing.
    pub fn require_ledger(&self) -> Result<()> {
        if self.is_ledger() {
            return Ok(());
        }
        let message = if self.tables.is_empty() {
            "the database has no tables that this role can find".to_owned()
        } else {
            format!("the database is not a ledger: it lacks {}", self.missing().join(", "))
        };
        Err(Failure::new(Class::Database, message)
            .hint("correct DATABASE_URL, or create the ledger in an empty database with ml-migrate up"))
    }

    /// Makes sure that it may be written: a ledger of the second generation with all that a derivation records.
    ///
    /// # Errors
    /// Class Database with the reason.
    pub fn require_writable(&self) -> Result<()> {
        self.require_ledger()?;
        if self.generation == Generation::First {
            let why = "the ledger is of the first generation: its blocks hold no numbers and no statements, so that nothing can be sealed into it";
            return Err(Failure::new(Class::Database, why).hint(
                "bring it to the second generation with MathLedger's own migrations, or derive into a new ledger made by ml-migrate up",
            ));
        }
        self.require("statements", &["system_id", "hash", "content_norm", "status", "is_axiom", "derivation_rule", "derivation_depth"])?;
        self.require("proofs", &["statement_id", "proof_term"])?;
        self.require("dependencies", &["proof_id", "used_statement_id"])?;
        self.require("proof_parents", &["id", "child_hash", "parent_hash"])?;
        self.require("runs", &["id", "name", "status", "metadata", "system_id", "completed_at"])?;
        self.require("blocks", &["run_id", "system_id", "block_number", "prev_hash", "merkle_root", "header", "statements"])
    }

    /// The table's name for SQL, quoted and with its schema: `"public"."statements"`.
    pub fn sql(&self, table: &str) -> String {
        format!("{}.{}", quote(&self.schema), quote(table))
    }

    /// Whether a column holds bytes.
    pub fn is_bytes(&self, table: &str, column: &str) -> bool {
        self.column(table, column).is_some_and(|column| column.type_name == "bytea")
    }

    /// SQL for a hash column as text in hex, whether it is bytes or text: `encode(s."hash", 'hex')`.
    pub fn hex(&self, table: &str, column: &str, alias: &str) -> String {
        let name = format!("{alias}.{}", quote(column));
        if self.is_bytes(table, column) { format!("pg_catalog.encode({name}, 'hex')") } else { format!("{name}::text") }
    }

    /// SQL that turns `expression`, a text in hex, into what the hash column holds.
    pub fn unhex(&self, table: &str, column: &str, expression: &str) -> String {
        if self.is_bytes(table, column) { format!("pg_catalog.decode({expression}, 'hex')") } else { format!("({expression})::text") }
    }

    /// SQL that turns `expression`, a text, into the type of a column: `($1::text)::uuid`.
    pub fn cast(&self, table: &str, column: &str, expression: &str) -> String {
        let type_name = self.column(table, column).map_or("text", |column| column.type_name.as_str());
        format!("({expression}::text)::{type_name}")
    }

    /// SQL for a column if it is there, else for NULL of this type.
    pub fn or_null(&self, table: &str, column: &str, alias: &str, type_name: &str) -> String {
        if self.has_column(table, column) { format!("{alias}.{}::{type_name}", quote(column)) } else { format!("NULL::{type_name}") }
    }

    /// The column by which statements belong to their theory.
    pub fn theory_column(&self) -> Option<&'static str> {
        ["system_id", "theory_id"].into_iter().find(|column| self.has_column("statements", column))
    }

    /// SQL for how a proof came out: `success`, `failure`, `timeout` or `unknown`, from whichever of `status` and `success` there is. Where
    /// they contradict each other the answer is `unknown`, but a `success` column that was left at its default false contradicts nothing.
    pub fn outcome(&self, alias: &str) -> String {
        match (self.has_column("proofs", "status"), self.has_column("proofs", "success")) {
            (true, true) => format!(
                "CASE WHEN {alias}.status::text = 'success' THEN 'success'
                WHEN {alias}.status::text IN ('failure', 'timeout') THEN CASE WHEN {alias}.success THEN 'unknown' ELSE {alias}.status::text END
                WHEN {alias}.success THEN 'success' ELSE 'unknown' END"
            ),
            (true, false) => format!("CASE WHEN {alias}.status::text IN ('success', 'failure', 'timeout') THEN {alias}.status::text ELSE 'unknown' END"),
            (false, true) => format!("CASE WHEN {alias}.success THEN 'success' WHEN NOT {alias}.success THEN 'failure' ELSE 'unknown' END"),
            (false, false) => "'unknown'".to_owned(),
        }
    }
}

/// An identifier for SQL, always quoted.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
