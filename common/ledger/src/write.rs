//! Writing theorems: statements, proofs, dependencies and proof_parents, in the caller's transaction. Only ledgers of the second generation.

use crate::failed;
use crate::shape::{Shape, quote};
use ml_common::{Class, Failure, Result};
use postgres::Transaction;
use std::collections::HashSet;

/// What `proofs.prover` says of our proofs.
pub const PROVER: &str = "ml-derive";

/// What `proofs.method` says of them.
pub const METHOD: &str = "condensed-detachment";

/// Theorems that one statement of SQL takes.
const BATCH: usize = 1000;

/// A theorem to be recorded; the caller has had it checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTheorem {
    /// Statement hash, lower-case hex.
    pub hash: String,
    /// Canonical text.
    pub canonical: String,
    /// `axiom`, `mp`, `nec`.
    pub rule: String,
    /// Height of the proof DAG.
    pub depth: u32,
    /// Hashes of the premises, major first. They are in the ledger already or in the same call.
    pub parents: Vec<String>,
    /// See [`crate::proof_term`]; `None` for axioms, and for proofs that are too large to be written down.
    pub proof_term: Option<String>,
    /// Axioms without a proof term get no row in `proofs`.
    pub is_axiom: bool,
}

/// Records the theorems and gives the hashes of those that are new to the ledger as theorems, in the given order: what it did not hold at
/// all, and what it held as open or unknown, which is proven from now on. What it holds as proven is left as it is, but for the mark of an axiom.
///
/// # Errors
/// Class Database: a ledger of the first generation, a premise that is not there, or one that the ledger says is disproven.
pub fn insert_theorems(tx: &mut Transaction<'_>, shape: &Shape, system_id: &str, theorems: &[NewTheorem]) -> Result<Vec<String>> {
    shape.require_writable()?;
    let writer = Writer { shape, system_id };
    let mut new: HashSet<String> = HashSet::new();
    for batch in theorems.chunks(BATCH) {
        writer.refuse_disproven(tx, batch)?;
        new.extend(writer.statements(tx, batch)?);
        new.extend(writer.prove_open(tx, batch)?);
        writer.mark_axioms(tx, batch)?;
    }
    let added: Vec<&NewTheorem> = theorems.iter().filter(|theorem| new.remove(&theorem.hash)).collect();
    for batch in added.chunks(BATCH) {
        writer.proofs(tx, batch)?;
        writer.parents(tx, batch)?;
    }
    Ok(added.into_iter().map(|theorem| theorem.hash.clone()).collect())
}

struct Writer<'a> {
    shape: &'a Shape,
    system_id: &'a str,
}

impl Writer<'_> {
    /// The column names among these pairs of column and SQL that the table has, and their values.
    fn present<'s>(&self, table: &str, pairs: &[(&'s str, &'s str)]) -> (String, String) {
        let there = pairs.iter().filter(|(column, _)| self.shape.has_column(table, column));
        let (columns, values): (Vec<String>, Vec<&str>) = there.map(|(column, value)| (quote(column), *value)).unzip();
        (columns.join(", "), values.join(", "))
    }

    fn refuse_disproven(&self, tx: &mut Transaction<'_>, batch: &[NewTheorem]) -> Result<()> {
        let doing = "looking for contradictions";
        let hashes: Vec<&str> = batch.iter().map(|theorem| theorem.hash.as_str()).collect();
        let sql = format!(
            "SELECT content_norm::text FROM {} WHERE hash = ANY($1::text[]) AND status::text = 'disproven' LIMIT 1",
            self.shape.sql("statements")
        );
        let Some(row) = tx.query_opt(&sql, &[&hashes]).map_err(failed(doing))? else { return Ok(()) };
        let text: Option<String> = row.try_get(0).map_err(failed(doing))?;
        let text: String = text.unwrap_or_default().chars().take(200).collect();
        Err(Failure::new(Class::Database, format!("the ledger holds as disproven what was just proven: {text}"))
            .hint("check the axioms of the derivation, and who marked that statement as disproven"))
    }

    fn statements(&self, tx: &mut Transaction<'_>, batch: &[NewTheorem]) -> Result<Vec<String>> {
        let column = |get: fn(&NewTheorem) -> &str| batch.iter().map(get).collect::<Vec<&str>>();
        let (hashes, texts, rules) = (column(|t| &t.hash), column(|t| &t.canonical), column(|t| &t.rule));
        let depths: Vec<i32> = batch.iter().map(|theorem| i32::try_from(theorem.depth).unwrap_or(i32::MAX)).collect();
        let axioms: Vec<bool> = batch.iter().map(|theorem| theorem.is_axiom).collect();
        let system = self.shape.cast("statements", "system_id", "$1");
        let logic = if self.shape.has_column("theories", "logic") {
            format!("(SELECT t.logic FROM {} t WHERE t.id = {system})", self.shape.sql("theories"))
        } else {
            "NULL".to_owned()
        };
        let (columns, values) = self.present(
            "statements",
            &[
                ("system_id", &system),
                ("theory_id", &system),
                ("hash", "n.hash"),
                ("content_norm", "n.text"),
                ("content", "n.text"),
                ("normalized_text", "n.text"),
                ("status", "'proven'"),
                ("truth_domain", &logic),
                ("derivation_rule", "n.rule"),
                ("derivation_depth", "n.depth"),
                ("is_axiom", "n.axiom"),
            ],
        );
        let sql = format!(
            "INSERT INTO {} ({columns}) SELECT {values}
            FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::bool[]) AS n (hash, text, rule, depth, axiom)
            ON CONFLICT (hash) DO NOTHING RETURNING hash::text",
            self.shape.sql("statements"),
        );
        let rows = tx.query(&sql, &[&self.system_id, &hashes, &texts, &rules, &depths, &axioms]).map_err(failed("inserting statements"))?;
        rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>().map_err(failed("inserting statements"))
    }

    /// What the ledger held as a question is answered now.
    fn prove_open(&self, tx: &mut Transaction<'_>, batch: &[NewTheorem]) -> Result<Vec<String>> {
        let hashes: Vec<&str> = batch.iter().map(|theorem| theorem.hash.as_str()).collect();
        let rules: Vec<&str> = batch.iter().map(|theorem| theorem.rule.as_str()).collect();
        let depths: Vec<i32> = batch.iter().map(|theorem| i32::try_from(theorem.depth).unwrap_or(i32::MAX)).collect();
        let sql = format!(
            "UPDATE {} s SET status = 'proven', derivation_rule = n.rule, derivation_depth = n.depth
            FROM unnest($1::text[], $2::text[], $3::int[]) AS n (hash, rule, depth)
            WHERE s.hash = n.hash AND s.status::text IN ('open', 'unknown') RETURNING s.hash::text",
            self.shape.sql("statements"),
        );
        let doing = "marking open statements as proven";
        let rows = tx.query(&sql, &[&hashes, &rules, &depths]).map_err(failed(doing))?;
        rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>().map_err(failed(doing))
    }

    /// What was a theorem of other axioms may be an axiom now; proofs that rest on it are checked against this mark.
    fn mark_axioms(&self, tx: &mut Transaction<'_>, batch: &[NewTheorem]) -> Result<()> {
        let axioms: Vec<&str> = batch.iter().filter(|theorem| theorem.is_axiom).map(|theorem| theorem.hash.as_str()).collect();
        if axioms.is_empty() {
            return Ok(());
        }
        let sql =
            format!("UPDATE {} SET is_axiom = true WHERE hash = ANY($1::text[]) AND is_axiom IS NOT TRUE", self.shape.sql("statements"));
        tx.execute(&sql, &[&axioms]).map_err(failed("marking axioms")).map(drop)
    }

    fn proofs(&self, tx: &mut Transaction<'_>, batch: &[&NewTheorem]) -> Result<()> {
        let proven: Vec<&&NewTheorem> = batch.iter().filter(|theorem| !theorem.is_axiom || theorem.proof_term.is_some()).collect();
        let hashes: Vec<&str> = proven.iter().map(|theorem| theorem.hash.as_str()).collect();
        let terms: Vec<Option<&str>> = proven.iter().map(|theorem| theorem.proof_term.as_deref()).collect();
        let rules: Vec<&str> = proven.iter().map(|theorem| theorem.rule.as_str()).collect();
        let steps: Vec<Option<i32>> = terms.iter().map(|term| term.map(steps)).collect();
        let mut uses: Vec<(&str, &str)> =
            proven.iter().flat_map(|t| t.parents.iter().map(|parent| (t.hash.as_str(), parent.as_str()))).collect();
        uses.sort_unstable();
        uses.dedup();
        let (children, parents): (Vec<&str>, Vec<&str>) = uses.iter().copied().unzip();

        let system = self.shape.cast("statements", "system_id", "$1");
        let digest = "pg_catalog.sha256(pg_catalog.convert_to(n.term, 'UTF8'))";
        let digest =
            if self.shape.is_bytes("proofs", "proof_hash") { digest.to_owned() } else { format!("pg_catalog.encode({digest}, 'hex')") };
        let (prover, method, kernel) = (format!("'{PROVER}'"), format!("'{METHOD}'"), format!("'ml-logic {}'", env!("CARGO_PKG_VERSION")));
        let (columns, values) = self.present(
            "proofs",
            &[
                ("statement_id", "s.id"),
                ("system_id", &system),
                ("prover", &prover),
                ("method", &method),
                ("proof_term", "n.term"),
                ("steps", "n.steps"),
                ("success", "true"),
                ("status", "'success'"),
                ("derivation_rule", "n.rule"),
                ("proof_hash", &digest),
                ("kernel_version", &kernel),
            ],
        );
        let kind = self.shape.has_column("dependencies", "dependency_type");
        let (kind_column, kind_value) = if kind { (", dependency_type", ", 'derivation'") } else { ("", "") };
        let (statements, proofs, dependencies) = (self.shape.sql("statements"), self.shape.sql("proofs"), self.shape.sql("dependencies"));
        let sql = format!(
            "WITH made AS (INSERT INTO {proofs} ({columns}) SELECT {values}
                FROM unnest($2::text[], $3::text[], $4::text[], $5::int[]) AS n (hash, term, rule, steps) JOIN {statements} s ON s.hash = n.hash RETURNING id, statement_id)
            INSERT INTO {dependencies} (proof_id, used_statement_id{kind_column}) SELECT made.id, u.id{kind_value}
                FROM unnest($6::text[], $7::text[]) AS d (child, parent) JOIN {statements} c ON c.hash = d.child JOIN made ON made.statement_id = c.id
                JOIN {statements} u ON u.hash = d.parent",
        );
        let doing = "inserting proofs and what they use";
        let inserted = tx.execute(&sql, &[&self.system_id, &hashes, &terms, &rules, &steps, &children, &parents]).map_err(failed(doing))?;
        if inserted == uses.len() as u64 {
            return Ok(());
        }
        Err(Failure::new(Class::Database, format!("{} of {} premises are not in the ledger", uses.len() as u64 - inserted, uses.len()))
            .hint("statements were deleted while the derivation ran: run it again"))
    }

    fn parents(&self, tx: &mut Transaction<'_>, batch: &[&NewTheorem]) -> Result<()> {
        let uses = batch.iter().flat_map(|theorem| theorem.parents.iter().map(|parent| (theorem.hash.as_str(), parent.as_str())));
        let (children, parents): (Vec<&str>, Vec<&str>) = uses.unzip();
        let shape = self.shape;
        let sql = format!(
            "INSERT INTO {} (child_hash, parent_hash) SELECT {}, {}
            FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS d (child, parent, place) ORDER BY d.place",
            shape.sql("proof_parents"),
            shape.unhex("proof_parents", "child_hash", "d.child"),
            shape.unhex("proof_parents", "parent_hash", "d.parent"),
        );
        tx.execute(&sql, &[&children, &parents]).map_err(failed("inserting the parents of theorems")).map(drop)
    }
}

/// The detachments and necessitations of a proof term of ours.
fn steps(term: &str) -> i32 {
    let proof = term.split(' ').next().unwrap_or_default();
    i32::try_from(proof.bytes().filter(|letter| matches!(letter, b'D' | b'N')).count()).unwrap_or(i32::MAX)
}
