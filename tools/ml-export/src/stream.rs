//! Tables to standard output: statements as records, or the naked rows of any table.

use crate::act::Source;
use crate::encode;
use crate::table;
use ml_common::files::storage;
use ml_common::people::counted;
use ml_common::record::{MAX_PROOF_BYTES, Statement};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result, Status};
use ml_ledger::proof_term;
use ml_ledger::statements::{self, Stored};
use ml_logic::{print, theorems};
use postgres::Transaction;
use std::io;
use std::path::Path;

/// What `statement` records are made of.
pub const TABLES: [&str; 5] = ["dependencies", "proof_parents", "proofs", "statements", "theories"];

/// Rows are handed to standard output in pieces of this size.
const PIECE: usize = 1 << 16;

/// Writes the rows of one table, and nothing else.
///
/// # Errors
/// Class Database, Storage when the disk behind standard output is full, or Interrupted.
pub fn raw(source: &Source<'_>, tx: &mut Transaction<'_>, tables: &[&str]) -> Result<Done> {
    let mut rows = 0;
    for name in tables {
        let table = table::describe(tx, source.shape, name)?;
        let mut piece = encode::header(&table, source.plan.format);
        let copied = encode::rows(
            source,
            tx,
            &table,
            |_| (),
            |line| {
                piece.extend_from_slice(line);
                if piece.len() >= PIECE {
                    put(source.stage, &piece)?;
                    piece.clear();
                }
                Ok(())
            },
        );
        match copied.and_then(|count| put(source.stage, &piece).map(|()| count)) {
            Ok(count) => rows += count,
            Err(failure) => return closed(source.stage).ok_or(failure),
        }
    }
    source.stage.out().flush();
    match full(source.stage) {
        Some(failure) => Err(failure),
        None => Ok(Done::ok(counted(rows, "row")).metric("rows", rows)),
    }
}

fn put(stage: &Stage, bytes: &[u8]) -> Result<()> {
    stage.out().raw(bytes).map_err(|error| storage(&error, Path::new("standard output"), "cannot write to"))
}

/// The reader has had enough: no failure of ours, and nothing more is read.
fn closed(stage: &Stage) -> Option<Done> {
    let reason = Some("standard output was closed".to_owned());
    (stage.out().error() == Some(io::ErrorKind::BrokenPipe)).then(|| Done { reason, ..Done::ok("") })
}

/// Writing failed for another reason than a reader that went away.
fn full(stage: &Stage) -> Option<Failure> {
    let kind = stage.out().error().filter(|kind| *kind != io::ErrorKind::BrokenPipe)?;
    Some(storage(&io::Error::from(kind), Path::new("standard output"), "cannot write to"))
}

/// Writes a `statement` record for every statement of the ledger.
///
/// # Errors
/// As [`raw`].
pub fn records(source: &Source<'_>, tx: &mut Transaction<'_>) -> Result<Done> {
    let stage = source.stage;
    let mut count = 0u64;
    let read = statements::for_each(tx, source.shape, statements::Sample::All, |stored| {
        stage.cancel.check()?;
        stage.statement(Status::Ok, record(stored));
        count += 1;
        match stage.out().error() {
            None => Ok(()),
            Some(kind) => Err(full(stage).unwrap_or_else(|| Failure::new(Class::General, format!("standard output: {kind}")))),
        }
    });
    match (read, closed(stage)) {
        (Err(_), Some(done)) => Ok(done),
        (Err(failure), None) => Err(failure),
        (Ok(()), _) => Ok(Done::ok(counted(count, "statement")).metric("rows", count)),
    }
}

/// A statement of the ledger as a record. Its proof is there when the ledger holds it in our notation; an axiom is its own proof. One that
/// was ours and cannot be read any more goes out as it is, so that a checker sees it instead of nothing.
fn record(stored: Stored) -> Statement {
    let term = stored.proof_term.as_deref().and_then(proof_term::decode);
    let broken = stored.proof_term.as_deref().filter(|text| term.is_none() && text.contains(proof_term::MARK));
    let (proof, axioms) = match (&term, broken) {
        (Some(term), _) => (Some(term.proof.as_str().to_owned()), term.axioms.iter().map(print::ascii).collect()),
        (None, Some(broken)) => (Some(broken.to_owned()), Vec::new()),
        (None, None) if stored.is_axiom => (Some("1".to_owned()), vec![stored.canonical.clone()]),
        (None, None) => (None, Vec::new()),
    };
    // A proof that nobody compared with others: nothing but an axiom is said to have no shorter one.
    let length = term.as_ref().map(|term| term.proof.as_str().len()).or(stored.is_axiom.then_some(1));
    let label = length.map(theorems::length_label);
    let name = stored.canonical.parse().ok().and_then(|formula| theorems::name(&formula)).map(str::to_owned);
    Statement {
        hash: stored.hash,
        statement: stored.canonical,
        axioms,
        rule: if stored.is_axiom { Some("axiom".into()) } else { stored.rule },
        parents: stored.parents,
        depth: stored.depth.and_then(|depth| u64::try_from(depth).ok()),
        proof_length: proof.as_ref().map(|proof| proof.len() as u64),
        proof: proof.filter(|proof| proof.len() <= MAX_PROOF_BYTES),
        label,
        name,
        theory: stored.theory,
        truth: stored.status,
        created_at: stored.created_at,
    }
}
