//! What the database holds and what the role may do, as far as the plan needs to know it. Nothing is changed here.

use crate::migrations::{MIGRATIONS, PREFIX};
use ml_common::{Failure, Result, pg};
use ml_ledger::{Generation, Shape, theories};
use postgres::GenericClient;
use std::collections::BTreeMap;

/// The database as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// `server_version_num`: 150004.
    pub server: i32,
    /// Name of the role.
    pub role: String,
    /// Which ledger the tables make.
    pub generation: Generation,
    /// Where new tables would go: the first schema of the search path; `None` when there is none.
    pub schema: Option<String>,
    /// What its generation of the ledger has and this one has not.
    pub missing: Vec<String>,
    /// Some tables and views of anybody, in any schema, when there are.
    pub relations: Vec<String>,
    /// Our entries in `schema_migrations`, without their prefix, and when they were applied.
    pub applied: BTreeMap<String, String>,
    /// Whether the base theory is there; false without tables.
    pub base_theory: bool,
    /// The role may create tables in `schema`.
    pub may_create: bool,
    /// Extensions that a migration needs, and whether they are there.
    pub extensions: BTreeMap<&'static str, Extension>,
}

/// What can be said of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Created in this database.
    Created,
    /// The role may create it.
    Creatable,
    /// It is on the server, but the role may not create it.
    Forbidden,
    /// The server does not have it.
    Absent,
}

const SERVER: &str = "SELECT pg_catalog.current_setting('server_version_num')::int, current_user::text, pg_catalog.current_schema()::text,
    coalesce(pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE'), false)";

/// Relations that no extension brought along.
const RELATIONS: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1 LIMIT 5";

/// Trusted extensions (PostgreSQL 13) need the right to create in the database, the others a superuser.
const EXTENSION: &str = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_extension WHERE extname = $1),
    EXISTS (SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = $1),
    EXISTS (SELECT 1 FROM pg_catalog.pg_available_extension_versions v, pg_catalog.pg_roles r WHERE v.name = $1 AND r.rolname = current_user
        AND (r.rolsuper OR NOT v.superuser OR v.trusted)
        AND (r.rolsuper OR pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')))";

/// Looks at the database.
///
/// # Errors
/// Class Database when the catalog or `schema_migrations` cannot be read.
pub fn observe(client: &mut impl GenericClient) -> Result<Observed> {
    let looking = |error| pg::failure(&error, "looking at the database");
    let shape = Shape::discover(client)?;
    let row = client.query_one(SERVER, &[]).map_err(looking)?;
    let (server, role) = (row.try_get(0).map_err(looking)?, row.try_get(1).map_err(looking)?);
    let (schema, may_create) = (row.try_get(2).map_err(looking)?, row.try_get(3).map_err(looking)?);
    let relations = client.query(RELATIONS, &[]).map_err(looking)?;
    let relations = relations.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>().map_err(looking)?;
    let mut extensions = BTreeMap::new();
    for name in MIGRATIONS.iter().flat_map(|migration| migration.extensions) {
        extensions.insert(*name, extension(client, name)?);
    }
    let base_theory = shape.is_ledger() && theories::base(client, &shape)?.is_some();
    let applied = applied(client, &shape)?;
    Ok(Observed {
        server,
        role,
        generation: shape.generation,
        schema,
        missing: shape.missing(),
        relations,
        applied,
        base_theory,
        may_create,
        extensions,
    })
}

fn extension(client: &mut impl GenericClient, name: &str) -> Result<Extension> {
    let failure = |error| -> Failure { pg::failure(&error, format_args!("looking for the extension {name}")) };
    let row = client.query_one(EXTENSION, &[&name]).map_err(failure)?;
    let flag = |at| row.try_get::<_, bool>(at).map_err(failure);
    Ok(match (flag(0)?, flag(1)?, flag(2)?) {
        (true, ..) => Extension::Created,
        (_, false, _) => Extension::Absent,
        (.., true) => Extension::Creatable,
        _ => Extension::Forbidden,
    })
}

/// MathLedger's own entries are left out.
fn applied(client: &mut impl GenericClient, shape: &Shape) -> Result<BTreeMap<String, String>> {
    let failure = |error| -> Failure { pg::failure(&error, "reading schema_migrations") };
    if !shape.has_column("schema_migrations", "version") {
        return Ok(BTreeMap::new());
    }
    let at = shape.or_null("schema_migrations", "applied_at", "m", "timestamptz");
    let sql = format!(
        "SELECT m.version::text, coalesce(pg_catalog.to_char({at} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'a time not recorded')
        FROM {} m WHERE pg_catalog.starts_with(m.version::text, $1)",
        shape.sql("schema_migrations")
    );
    let mut entries = BTreeMap::new();
    for row in client.query(&sql, &[&PREFIX]).map_err(failure)? {
        let version: String = row.try_get(0).map_err(failure)?;
        entries.insert(version.trim_start_matches(PREFIX).to_owned(), row.try_get(1).map_err(failure)?);
    }
    Ok(entries)
}
