//! ml-check: proves theorems once more, from the text of their proofs and their axioms alone, with the small checker of `ml_logic` and
//! without the engine that derived them.
//!
//! It reads the `statement` records of its input, each being judged as it is forwarded; or D-proofs, one a line, from files or from
//! standard input (which is looked at: records begin with a brace). A line is `PROOF`, `PROOF FORMULA` or `PROOF axioms=FORMULAS`; `;`,
//! `:` or `,` may stand in place of the blank, and lines that begin with `#` or `%` are comments.
//!
//! The axioms of a proof are those that stand with it, else those of `--axioms`, else of DERIVE_AXIOMS. When `--axioms` is given, a proof
//! may use no others. Rule, parents and depth of a record are not looked at.
//!
//! Records:
//! - check `HASH` for a record, `line-N` or `FILE:N` for a line: a gate; its label `verdict` is one of
//!   - `exact` (ok): the proof proves the statement; of a line without one, what it proves stands in the summary;
//!   - `more-general` (ok): it proves a formula of which the statement is an instance;
//!   - `wrong` (crit): it does not prove the statement, and the summary says why;
//!   - `wrong-hash`, `not-a-formula` (crit): the hash is not that of the text, the text is no formula;
//!   - `no-proof` (skipped): the record has none;
//!   - `too-large` (unknown): a limit was reached, and the question is open;
//! - end: metrics checked, ok, more_general (among ok), wrong, without_proof, undecided; label axioms: what the accepted proofs rest on.
//!
//! Exit 5 when a statement is refused, 1 when one is undecided.

mod act;
mod cli;
mod judge;
mod lines;
mod tally;

pub use cli::Cli;
