//! What a derivation begins with: every theorem, and whether it can build on it, as its proof from the axioms at hand is on record.

use crate::failed;
use crate::proof_term;
use crate::shape::Shape;
use ml_common::Result;
use ml_logic::Formula;
use postgres::{GenericClient, Row};
use std::collections::HashMap;

/// Rows that are fetched at a time.
const BATCH: i32 = 2000;

/// A theorem as the ledger holds it. Nothing in it is to be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Premise {
    /// The stored hash in hex.
    pub hash: String,
    /// The canonical text.
    pub canonical: String,
    /// `derivation_depth`.
    pub depth: Option<i64>,
    /// Its D-proof from the axioms that were asked for, if there is one.
    pub proof: Option<String>,
    /// When that proof was recorded, in microseconds since 1970; 0 without one.
    pub since: i64,
    /// Whether it is marked as an axiom of the theory that was asked for.
    pub is_axiom: bool,
}

/// Calls `each` with the axioms and proven statements of all theories (a hash is in the ledger only once), ordered by hash. Those of the
/// theory `system_id` come with their proof, where there is one of ours ([`proof_term`]) from exactly these axioms. Memory stays with a
/// batch.
///
/// # Errors
/// Class Database, or what `each` fails with.
pub fn for_each(
    client: &mut impl GenericClient,
    shape: &Shape,
    system_id: &str,
    axioms: &[Formula],
    mut each: impl FnMut(Premise) -> Result<()>,
) -> Result<()> {
    const DOING: &str = "reading what the derivation begins with";
    shape.require("statements", &["system_id", "hash", "content_norm", "status", "is_axiom", "derivation_depth"])?;
    shape.require("proofs", &["id", "statement_id", "proof_term", "created_at"])?;
    // What stands behind the D-proof names the axioms.
    let suffix = proof_term::encode("", axioms);
    let sql = format!(
        "SELECT DISTINCT ON (s.hash) {}, s.content_norm::text, s.derivation_depth::bigint, p.proof_term::text,
            (extract(epoch FROM p.created_at) * 1000000)::bigint, s.is_axiom AND s.system_id = {system}
        FROM {} s LEFT JOIN {} p
            ON p.statement_id = s.id AND s.system_id = {system} AND {} = 'success' AND pg_catalog.right(p.proof_term, $2::int) = $3::text
        WHERE s.is_axiom OR s.status::text = 'proven'
        ORDER BY s.hash, p.created_at, p.id",
        shape.hex("statements", "hash", "s"),
        shape.sql("statements"),
        shape.sql("proofs"),
        shape.outcome("p"),
        system = shape.cast("statements", "system_id", "$1"),
    );
    let length = i32::try_from(suffix.len()).unwrap_or(i32::MAX);
    let mut tx = client.transaction().map_err(failed(DOING))?;
    let portal = tx.bind(&sql, &[&system_id, &length, &suffix]).map_err(failed(DOING))?;
    loop {
        let rows = tx.query_portal(&portal, BATCH).map_err(failed(DOING))?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            each(premise(row, &suffix).map_err(failed(DOING))?)?;
        }
    }
    tx.commit().map_err(failed(DOING))
}

fn premise(row: &Row, suffix: &str) -> std::result::Result<Premise, postgres::Error> {
    let text = |at| row.try_get::<_, Option<String>>(at).map(Option::unwrap_or_default);
    let proof = row.try_get::<_, Option<String>>(3)?.and_then(|term| term.strip_suffix(suffix).map(str::to_owned));
    let since: Option<i64> = row.try_get(4)?;
    let is_axiom: Option<bool> = row.try_get(5)?;
    Ok(Premise {
        hash: text(0)?,
        canonical: text(1)?,
        depth: row.try_get(2)?,
        proof,
        since: since.unwrap_or_default(),
        is_axiom: is_axiom.unwrap_or_default(),
    })
}

/// The D-proofs of some statements, by their hashes: of each the same proof that [`for_each`] gave. Those of others are left out.
///
/// # Errors
/// Class Database.
pub fn proofs(
    client: &mut impl GenericClient,
    shape: &Shape,
    system_id: &str,
    axioms: &[Formula],
    hashes: &[String],
) -> Result<HashMap<String, String>> {
    const DOING: &str = "reading the proofs that the derivation builds on";
    let suffix = proof_term::encode("", axioms);
    let sql = format!(
        "SELECT DISTINCT ON (s.hash) {}, p.proof_term::text
        FROM (SELECT s.id, s.hash FROM {} s WHERE s.hash = ANY({}) AND s.system_id = {}) s JOIN {} p
            ON p.statement_id = s.id AND {} = 'success' AND pg_catalog.right(p.proof_term, $2::int) = $3::text
        ORDER BY s.hash, p.created_at, p.id",
        shape.hex("statements", "hash", "s"),
        shape.sql("statements"),
        if shape.is_bytes("statements", "hash") {
            "SELECT pg_catalog.decode(h, 'hex') FROM pg_catalog.unnest($4::text[]) h"
        } else {
            "$4::text[]"
        },
        shape.cast("statements", "system_id", "$1"),
        shape.sql("proofs"),
        shape.outcome("p"),
    );
    let length = i32::try_from(suffix.len()).unwrap_or(i32::MAX);
    let rows = client.query(&sql, &[&system_id, &length, &suffix, &hashes]).map_err(failed(DOING))?;
    let proof = |row: &Row| {
        let (hash, term): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        Ok(term.strip_suffix(&suffix).map(|proof| (hash, proof.to_owned())))
    };
    rows.iter().filter_map(|row| proof(row).transpose()).collect::<std::result::Result<_, _>>().map_err(failed(DOING))
}
