//! A table as it is exported: the query, and the form of each column.

use crate::form::Form;
use ml_common::{Class, Failure, Result, pg};
use ml_ledger::Shape;
use ml_ledger::shape::quote;
use postgres::Transaction;
use postgres::types::Type;

/// A column of the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// As the database calls its type.
    pub type_name: String,
    /// How its values are written.
    pub form: Form,
}

/// A table and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Unquoted, without its schema.
    pub name: String,
    /// In the table's order, a joined text last.
    pub columns: Vec<Column>,
    /// Rows in the order of the primary key.
    pub query: String,
}

/// The tables that exporting `table` reads besides itself.
pub fn joined(shape: &Shape, table: &str) -> Option<&'static str> {
    let fits = table == "lemma_cache"
        && shape.has_column(table, "statement_id")
        && !shape.has_column(table, "statement")
        && shape.has_column("statements", "id")
        && shape.has_column("statements", "content_norm");
    fits.then_some("statements")
}

/// The columns of one table, with the types below their domains.
const COLUMNS: &str = "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1::text AND c.relname = $2::text AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// Describes a table within the snapshot.
///
/// # Errors
/// Class Database.
pub fn describe(tx: &mut Transaction<'_>, shape: &Shape, table: &str) -> Result<Table> {
    let failed = |error| pg::failure(&error, format_args!("looking up the columns of {table}"));
    let mut columns = Vec::new();
    for row in tx.query(COLUMNS, &[&shape.schema, &table]).map_err(failed)? {
        let oid: u32 = row.try_get(2).map_err(failed)?;
        let form = form(tx, oid, 0)?;
        columns.push(Column { name: row.try_get(0).map_err(failed)?, type_name: row.try_get(1).map_err(failed)?, form });
    }
    let mut selected: Vec<String> = columns.iter().map(|column| format!("t.{}", quote(&column.name))).collect();
    let mut from = format!("{} t", shape.sql(table));
    if let Some(other) = joined(shape, table) {
        selected.push("s.content_norm".into());
        columns.push(Column { name: "statement".into(), type_name: "text".into(), form: Form::Text });
        from.push_str(&format!(" LEFT JOIN {} s ON s.id = t.statement_id", shape.sql(other)));
    }
    let query = format!("SELECT {} FROM {from} ORDER BY {}", selected.join(", "), order(shape, table));
    Ok(Table { name: table.to_owned(), columns, query })
}

/// The primary key; without one, the whole row as text, which any table has.
fn order(shape: &Shape, table: &str) -> String {
    let key = shape.tables.get(table).map(|table| table.primary_key.as_slice()).unwrap_or_default();
    if key.is_empty() {
        return "t::text COLLATE \"C\"".into();
    }
    let columns: Vec<String> = key.iter().map(|column| format!("t.{}", quote(column))).collect();
    columns.join(", ")
}

const TYPE: &str = "SELECT typtype::text, typbasetype, typelem, typdelim::text, typoutput = 'pg_catalog.array_out'::pg_catalog.regproc
    FROM pg_catalog.pg_type WHERE oid = $1";

/// The form of a type: what it is itself, or below its domains and in its arrays.
fn form(tx: &mut Transaction<'_>, oid: u32, depth: u8) -> Result<Form> {
    if let Some(known) = known(oid) {
        return Ok(known);
    }
    // A domain over a domain over an array ...: types cannot refer to themselves, but the catalog is not ours.
    if depth > 32 {
        return Err(Failure::new(Class::Database, format!("type {oid} is nested too deeply")));
    }
    let failed = |error| pg::failure(&error, format_args!("looking up the type {oid}"));
    let row = tx.query_one(TYPE, &[&oid]).map_err(failed)?;
    let (kind, delimiter): (String, String) = (row.try_get(0).map_err(failed)?, row.try_get(3).map_err(failed)?);
    let (base, element, array): (u32, u32, bool) =
        (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?, row.try_get(4).map_err(failed)?);
    Ok(match (kind.as_str(), array) {
        ("d", _) => form(tx, base, depth + 1)?,
        (_, true) => Form::Array { delimiter: delimiter.bytes().next().unwrap_or(b','), of: Box::new(form(tx, element, depth + 1)?) },
        _ => Form::Text,
    })
}

fn known(oid: u32) -> Option<Form> {
    Some(match Type::from_oid(oid)? {
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => Form::Number,
        Type::BOOL => Form::Bool,
        Type::JSON | Type::JSONB => Form::Json,
        Type::TIMESTAMPTZ => Form::Moment,
        Type::TIMESTAMP => Form::LocalMoment,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::UUID | Type::BYTEA | Type::DATE => Form::Text,
        _ => return None,
    })
}
