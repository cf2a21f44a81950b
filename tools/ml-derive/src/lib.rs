//! ml-derive: derives theorems by condensed detachment.
//!
//! Two modes. **Nightly** (the default) continues the ledger within budgets that are counts, so that a night can be repeated exactly:
//! statements, proofs, what they use and one sealed block in one transaction, then jobs on the queue. **Exhaustive** (`--no-ledger`)
//! generates everything with a proof of at most so many symbols, exactly, without a database.
//!
//! Records, nightly:
//! - step `stock`: what the derivation begins with; metrics facts, open, inert (theorems without a proof from these axioms, or too large),
//!   unreadable (theorems that are no formulas);
//! - step `level-N`: step N of the run; metrics candidates, invalid, left_out (too large, or with too long a proof), duplicates, instances,
//!   new, kept, cut (new statements that wait for a further step), depth, named; label named: what logicians call what was kept;
//! - check `checker` (only when bad): derived statements that the checker refused, which are not written;
//! - step `block`: the sealed block; metrics block, statements; label merkle_root; skipped when there is nothing new;
//! - step `queue`: jobs pushed; metrics enqueued, waiting; skipped without REDIS_URL, warn when Redis cannot be reached;
//! - end: reason says why the derivation stopped; metrics steps, new_statements, max_depth, enqueued, cut, left_out, named.
//!
//! Nightly theorems are not said to have shortest proofs: in exports they are labelled `proof of length L known`.
//!
//! Records, exhaustive:
//! - step `length-N`: metrics length, kept, removed, candidates, duplicates, invalid, bounded (left out for their size), memory_bytes (in
//!   use after the length), memory_expected_bytes (said to be needed before it); with `--dproofs` path, bytes, sha256;
//! - `statement`: each kept conclusion, unless `--counts`;
//! - end: metrics lengths, kept, removed.
//!
//! Records of `--emit`, in both modes and of the command `emit`:
//! - step `emit-metamath`: the database; rows theorems, with path, bytes, sha256;
//! - step `emit-lean`: lakefile.toml, which is written last, rows theorems; `emit-lean.basic`, `emit-lean.part-N`, `emit-lean.root`,
//!   `emit-lean.toolchain`: the other files of the project; each with path, bytes, sha256;
//! - step `emit-tptp`: SHA256SUMS beside the problems, which is written last; rows problems; with path, bytes, sha256;
//! - each skipped when a night found nothing new.
//!
//! Records of the commands:
//! - emit: check `checker` (only when bad): proofs that are not written out; end: metrics proofs, theorems, without_proof, refused;
//! - explain: step `line-N`: a line of the proof; labels statement, hash, major_substitution, minor_substitution; metrics major, minor or
//!   premise: the lines that it is from; end: metrics lines, proof_length, depth;
//! - find: check `formula-N`: what is known of the Nth formula; value the length of its proof; labels statement, hash, schema (what the proof
//!   proves), answer (proved, proved-more-general, refuted, not-derivable within the length, not-found where bounds left conclusions out,
//!   no-formula); `statement`: each schema that is proved; end: metrics formulas, found, refuted, not_derivable, not_found, no_formula,
//!   lengths; not to find something is no failure;
//! - shard: step `candidates-N-I-of-K`: part I of K of length N; rows new conclusions, path, bytes, metrics candidates, invalid, bounded,
//!   memory_bytes; step `instances-N-I-of-K`; rows conclusions looked at, metrics queries, memory_bytes;
//! - merge: step `candidates-N`, the same of all parts; step `length-N` as of an exhaustive run, with path;
//! - shard and merge: status skipped where there is nothing to do, with the reason, as `length-N` when the store has that length;
//! - work: these steps, as far as this worker did them; end: metrics steps, lengths (those it has finished);
//! - shorten: `statement`: what each proof has become; check `checker` (only when bad): proofs that are passed over; end: metrics proofs,
//!   shortened, symbols_before, symbols_after, without_proof, refused.
//!
//! [`engine`] does no IO and knows nothing of records, settings and databases.

mod axioms;
mod cli;
mod emit;
pub mod engine;
mod exhaustive;
mod explain;
mod find;
mod given;
mod nightly;
mod proofs;
mod refused;
mod shard;
mod shorten;

pub use cli::Cli;
