//! Theories: what statements belong to. A ledger without its base theory is not a ledger, whatever its tables say.

use crate::failed;
use crate::shape::Shape;
use ml_common::{Class, Failure, Result};
use postgres::{GenericClient, Row};

/// The base theory's name.
pub const BASE_NAME: &str = "Propositional";

/// The base theory's slug, in the second generation.
pub const BASE_SLUG: &str = "pl";

/// A row of `theories`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theory {
    /// Its key as text: what the other calls take as `system_id`.
    pub id: String,
    /// `Propositional`.
    pub name: String,
    /// `pl`; the first generation has none.
    pub slug: Option<String>,
    /// `classical`.
    pub logic: Option<String>,
}

/// The theory with this name or slug; where a ledger has one of each, the name wins.
///
/// # Errors
/// Class Database.
pub fn find(client: &mut impl GenericClient, shape: &Shape, name_or_slug: &str) -> Result<Option<Theory>> {
    lookup(client, shape, name_or_slug, name_or_slug)
}

/// The row `Propositional` / `pl`.
///
/// # Errors
/// Class Database.
pub fn base(client: &mut impl GenericClient, shape: &Shape) -> Result<Option<Theory>> {
    lookup(client, shape, BASE_NAME, BASE_SLUG)
}

/// The base theory of a ledger that has to have one.
///
/// # Errors
/// Class Database, also when it is not there.
pub fn require_base(client: &mut impl GenericClient, shape: &Shape) -> Result<Theory> {
    base(client, shape)?.ok_or_else(|| {
        Failure::new(Class::Database, format!("the ledger has no base theory {BASE_NAME} in its table theories"))
            .hint("the database is empty or half restored: restore it again, or create the ledger with ml-migrate up")
    })
}

fn lookup(client: &mut impl GenericClient, shape: &Shape, name: &str, slug: &str) -> Result<Option<Theory>> {
    let doing = format!("looking up the theory {name}");
    shape.require("theories", &["id", "name"])?;
    let (slug_sql, logic) = (shape.or_null("theories", "slug", "t", "text"), shape.or_null("theories", "logic", "t", "text"));
    let table = shape.sql("theories");
    let sql = format!(
        "SELECT t.id::text, t.name::text, {slug_sql}, {logic} FROM {table} t WHERE t.name = $1::text OR {slug_sql} = $2::text
        ORDER BY (t.name = $1::text) DESC LIMIT 1"
    );
    let row = client.query_opt(&sql, &[&name, &slug]).map_err(failed(&doing))?;
    row.map(|row| theory(&row)).transpose().map_err(failed(&doing))
}

fn theory(row: &Row) -> std::result::Result<Theory, postgres::Error> {
    let name: Option<String> = row.try_get(1)?;
    Ok(Theory { id: row.try_get(0)?, name: name.unwrap_or_default(), slug: row.try_get(2)?, logic: row.try_get(3)? })
}
