//! Reading statements as a stream, whatever the ledger's columns are. Memory stays with a batch, not with the table.

use crate::failed;
use crate::proof_term;
use crate::shape::Shape;
use ml_common::Result;
use postgres::{GenericClient, Row, Transaction};

/// Rows that are fetched at a time; a row can hold a proof of some megabytes.
const BATCH: i32 = 200;

/// Which statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Every one, axioms first, by depth and hash.
    All,
    /// The first so many in that order.
    First(u64),
    /// So many taken at random, others each time.
    Random(u64),
}

/// A statement as the ledger holds it. Nothing in it is to be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The row's key, as text.
    pub id: String,
    /// The stored hash in hex; empty when it is NULL.
    pub hash: String,
    /// The canonical text; empty when it is NULL.
    pub canonical: String,
    /// `derivation_depth`.
    pub depth: Option<i64>,
    /// False when NULL.
    pub is_axiom: bool,
    /// `derivation_rule`.
    pub rule: Option<String>,
    /// `proven`, `open`, ...
    pub status: Option<String>,
    /// RFC 3339 in UTC with microseconds.
    pub created_at: Option<String>,
    /// Name of its theory.
    pub theory: Option<String>,
    /// The prover of its proof.
    pub prover: Option<String>,
    /// What that proof says: of the successful ones the first of ours, else the first.
    pub proof_term: Option<String>,
    /// Hashes of the premises in hex. From `proof_parents` the major premise comes first; without rows there, from `dependencies`, which
    /// know no order and no repetition.
    pub parents: Vec<String>,
    /// Whether `parents` is in the order of the proof.
    pub parents_ordered: bool,
}

impl Stored {
    /// Whether the ledger claims it as a theorem or axiom; open, disproven and unknown statements are not.
    pub fn is_claimed(&self) -> bool {
        self.is_axiom || self.status.as_deref() == Some("proven")
    }
}

/// Calls `each` with the statements, in a transaction of its own (a savepoint within one).
///
/// # Errors
/// Class Database, or what `each` fails with.
pub fn for_each(client: &mut impl GenericClient, shape: &Shape, sample: Sample, mut each: impl FnMut(Stored) -> Result<()>) -> Result<()> {
    for_each_batch(client, shape, sample, |_, batch| batch.into_iter().try_for_each(&mut each))
}

/// Calls `each` with batches of statements and the transaction that reads them, for further lookups.
///
/// # Errors
/// Class Database, or what `each` fails with.
pub fn for_each_batch(
    client: &mut impl GenericClient,
    shape: &Shape,
    sample: Sample,
    mut each: impl FnMut(&mut Transaction<'_>, Vec<Stored>) -> Result<()>,
) -> Result<()> {
    const DOING: &str = "reading the statements";
    let sql = select_sample(shape, sample)?;
    let mut tx = client.transaction().map_err(failed(DOING))?;
    let portal = tx.bind(&sql, &[]).map_err(failed(DOING))?;
    loop {
        let rows = tx.query_portal(&portal, BATCH).map_err(failed(DOING))?;
        if rows.is_empty() {
            break;
        }
        let batch = rows.iter().map(stored).collect::<std::result::Result<_, _>>().map_err(failed(DOING))?;
        each(&mut tx, batch)?;
    }
    tx.commit().map_err(failed(DOING))
}

/// The statements whose hash begins with these lower-case hex digits, in the order of their hashes, at most `limit`.
///
/// # Errors
/// Class Database.
pub fn beginning_with(client: &mut impl GenericClient, shape: &Shape, digits: &str, limit: u32) -> Result<Vec<Stored>> {
    const DOING: &str = "looking up the statement";
    shape.require_ledger()?;
    let statements = shape.sql("statements");
    let hash = shape.hex("statements", "hash", "s");
    let chosen = format!("(SELECT * FROM {statements} s WHERE pg_catalog.starts_with({hash}, $1::text) ORDER BY s.hash LIMIT {limit})");
    let rows = client.query(&select(shape, &chosen, "ORDER BY s.hash"), &[&digits]).map_err(failed(DOING))?;
    rows.iter().map(stored).collect::<std::result::Result<_, _>>().map_err(failed(DOING))
}

fn select_sample(shape: &Shape, sample: Sample) -> Result<String> {
    shape.require_ledger()?;
    let depth = shape.or_null("statements", "derivation_depth", "s", "bigint");
    let order = format!("ORDER BY {depth} NULLS FIRST, s.hash");
    let statements = shape.sql("statements");
    // Chosen and sorted before anything is looked up for them.
    let chosen = match sample {
        Sample::All => format!("(SELECT * FROM {statements} s {order})"),
        Sample::First(n) => format!("(SELECT * FROM {statements} s {order} LIMIT {n})"),
        Sample::Random(n) => format!("(SELECT * FROM {statements} s ORDER BY random() LIMIT {n})"),
    };
    Ok(select(shape, &chosen, &order))
}

/// What is read of the chosen rows.
fn select(shape: &Shape, chosen: &str, order: &str) -> String {
    let column = |name, type_name| shape.or_null("statements", name, "s", type_name);
    let hash = shape.hex("statements", "hash", "s");
    let (depth, created) = (column("derivation_depth", "bigint"), column("created_at", "timestamptz"));
    let theory = match shape.theory_column() {
        Some(key) => format!("(SELECT t.name::text FROM {} t WHERE t.id = s.{key})", shape.sql("theories")),
        None => "NULL::text".to_owned(),
    };
    let proof = |name| shape.or_null("proofs", name, "p", "text");
    let mark = format!("pg_catalog.strpos({}, '{}') > 0", proof("proof_term"), proof_term::MARK);
    let first = if shape.has_column("proofs", "created_at") { "p.created_at, p.id" } else { "p.id" };
    format!(
        "SELECT s.id::text, {hash}, s.content_norm::text, {depth}, {}, {}, {},
            pg_catalog.to_char({created} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), {theory},
            proof.prover, proof.term, {}, {}
        FROM {chosen} s LEFT JOIN LATERAL (SELECT p.id, {} AS prover, {} AS term FROM {} p
            WHERE p.statement_id = s.id AND {} = 'success' ORDER BY ({mark}) DESC NULLS LAST, {first} LIMIT 1) proof ON true {order}",
        column("is_axiom", "boolean"),
        column("derivation_rule", "text"),
        column("status", "text"),
        ordered_parents(shape),
        used_statements(shape),
        proof("prover"),
        proof("proof_term"),
        shape.sql("proofs"),
        shape.outcome("p"),
    )
}

fn ordered_parents(shape: &Shape) -> String {
    if shape.require("proof_parents", &["id", "child_hash", "parent_hash"]).is_err() {
        return "ARRAY[]::text[]".to_owned();
    }
    let parent = shape.hex("proof_parents", "parent_hash", "pp");
    let child = shape.hex("proof_parents", "child_hash", "pp");
    // Compared as they are stored where that is possible: so an index serves.
    let same_kind = shape.is_bytes("proof_parents", "child_hash") == shape.is_bytes("statements", "hash");
    let is_child =
        if same_kind { "pp.child_hash = s.hash".to_owned() } else { format!("{child} = {}", shape.hex("statements", "hash", "s")) };
    let table = shape.sql("proof_parents");
    format!("ARRAY(SELECT {parent} FROM {table} pp WHERE {is_child} AND pp.parent_hash IS NOT NULL ORDER BY pp.id)")
}

fn used_statements(shape: &Shape) -> String {
    if shape.require("dependencies", &["proof_id", "used_statement_id"]).is_err() {
        return "ARRAY[]::text[]".to_owned();
    }
    format!(
        "ARRAY(SELECT {hash} FROM {} d JOIN {} u ON u.id = d.used_statement_id WHERE d.proof_id = proof.id AND u.hash IS NOT NULL ORDER BY 1)",
        shape.sql("dependencies"),
        shape.sql("statements"),
        hash = shape.hex("statements", "hash", "u"),
    )
}

fn stored(row: &Row) -> std::result::Result<Stored, postgres::Error> {
    let text = |at| row.try_get::<_, Option<String>>(at);
    let (ordered, used): (Vec<String>, Vec<String>) = (row.try_get(11)?, row.try_get(12)?);
    let parents_ordered = !ordered.is_empty();
    Ok(Stored {
        id: text(0)?.unwrap_or_default(),
        hash: text(1)?.unwrap_or_default(),
        canonical: text(2)?.unwrap_or_default(),
        depth: row.try_get(3)?,
        is_axiom: row.try_get::<_, Option<bool>>(4)?.unwrap_or_default(),
        rule: text(5)?,
        status: text(6)?,
        created_at: text(7)?,
        theory: text(8)?,
        prover: text(9)?,
        proof_term: text(10)?,
        parents: if parents_ordered { ordered } else { used },
        parents_ordered,
    })
}
