//! Proving the ledger's theorems again, from the ledger alone and with the small checker alone.
//!
//! What a row claims is believed in nothing: the hash is computed from the text, the D-proof must prove the text from axioms of the ledger,
//! and one detachment of the recorded parents must give the text, from parents that are claimed themselves and less deep.

use crate::failed;
use crate::proof_term::{self, ProofTerm};
use crate::shape::Shape;
use crate::statements::{Sample, Stored, for_each_batch};
use crate::write::PROVER;
use ml_common::Result;
use ml_common::signal::Cancel;
use ml_logic::checker::{self, Rules, Verdict};
use ml_logic::{Error, Formula, Limits, hash, parse_any};
use postgres::{GenericClient, Transaction};
use std::collections::{BTreeSet, HashMap};

/// Failures that are told one by one.
pub const TOLD: usize = 1000;

/// What became of the statements that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Statements looked at: claimed ones (axioms and proven), not open or disproven ones.
    pub checked: u64,
    /// Axioms among them, whose text and hash are all there is to check.
    pub axioms: u64,
    /// Theorems proven again.
    pub proven: u64,
    /// Theorems without a proof that this checker knows; only their hashes were checked.
    pub foreign: u64,
    /// Theorems whose proofs are too large for the checker's limits.
    pub undecided: u64,
    /// Hash and reason of what is wrong, the first [`TOLD`].
    pub failed: Vec<(String, String)>,
    /// How many are wrong.
    pub failures: u64,
}

/// How one statement came out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Axiom,
    Proven,
    Foreign,
    Undecided,
    Wrong(String),
}

/// A premise as the ledger holds it.
struct Premise {
    canonical: String,
    depth: Option<i64>,
    claimed: bool,
    is_axiom: bool,
}

/// Proves the statements of the sample again.
///
/// # Errors
/// Class Database when the ledger cannot be read, or that of `cancel`. A proof that proves nothing is in the report.
pub fn reprove(client: &mut impl GenericClient, shape: &Shape, sample: Sample, cancel: &Cancel) -> Result<Report> {
    let mut report = Report::default();
    let limits = Limits::default();
    for_each_batch(client, shape, sample, |tx, batch| {
        let batch: Vec<Stored> = batch.into_iter().filter(Stored::is_claimed).collect();
        let terms: Vec<Option<ProofTerm>> = batch.iter().map(|stored| proof_term::decode(stored.proof_term.as_deref()?)).collect();
        let mut wanted: BTreeSet<String> = batch.iter().flat_map(|stored| stored.parents.iter().cloned()).collect();
        wanted.extend(terms.iter().flatten().flat_map(|term| term.axioms.iter().map(hash::statement)));
        let known = premises(tx, shape, &wanted.into_iter().collect::<Vec<_>>())?;
        for (stored, term) in batch.iter().zip(&terms) {
            cancel.check()?;
            report.add(stored, judge(stored, term.as_ref(), &known, &limits));
        }
        Ok(())
    })?;
    Ok(report)
}

impl Report {
    fn add(&mut self, stored: &Stored, outcome: Outcome) {
        self.checked += 1;
        match outcome {
            Outcome::Axiom => self.axioms += 1,
            Outcome::Proven => self.proven += 1,
            Outcome::Foreign => self.foreign += 1,
            Outcome::Undecided => self.undecided += 1,
            Outcome::Wrong(reason) => {
                self.failures += 1;
                if self.failed.len() < TOLD {
                    self.failed.push((stored.hash.clone(), reason));
                }
            }
        }
    }
}

fn premises(tx: &mut Transaction<'_>, shape: &Shape, hashes: &[String]) -> Result<HashMap<String, Premise>> {
    let doing = "looking up premises";
    let well_formed: Vec<&String> =
        hashes.iter().filter(|hash| hash.len() % 2 == 0 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).collect();
    let column = |name, type_name| shape.or_null("statements", name, "s", type_name);
    let sql = format!(
        "SELECT n.hash, s.content_norm::text, {}, {}, {} FROM unnest($1::text[]) AS n (hash) JOIN {} s ON s.hash = {}",
        column("derivation_depth", "bigint"),
        column("status", "text"),
        column("is_axiom", "boolean"),
        shape.sql("statements"),
        shape.unhex("statements", "hash", "n.hash"),
    );
    let mut found = HashMap::new();
    for row in tx.query(&sql, &[&well_formed]).map_err(failed(doing))? {
        let text: Option<String> = row.try_get(1).map_err(failed(doing))?;
        let status: Option<String> = row.try_get(3).map_err(failed(doing))?;
        let is_axiom = row.try_get::<_, Option<bool>>(4).map_err(failed(doing))?.unwrap_or_default();
        let depth = row.try_get(2).map_err(failed(doing))?;
        let premise =
            Premise { canonical: text.unwrap_or_default(), depth, claimed: is_axiom || status.as_deref() == Some("proven"), is_axiom };
        found.insert(row.try_get(0).map_err(failed(doing))?, premise);
    }
    Ok(found)
}

fn judge(stored: &Stored, term: Option<&ProofTerm>, known: &HashMap<String, Premise>, limits: &Limits) -> Outcome {
    if hash::statement_text(&stored.canonical) != stored.hash.to_ascii_lowercase() {
        return Outcome::Wrong("the hash is not that of the text".to_owned());
    }
    if term.is_none() && stored.proof_term.is_some() && stored.prover.as_deref() == Some(PROVER) {
        return Outcome::Wrong("its proof term is not one that we write".to_owned());
    }
    if stored.is_axiom && term.is_none() {
        return Outcome::Axiom;
    }
    let claimed = match parse_any(&stored.canonical, limits) {
        Ok(named) => named.formula,
        Err(Error::Limit { .. }) => return Outcome::Undecided,
        Err(_) if term.is_none() => return Outcome::Foreign,
        Err(error) => return Outcome::Wrong(format!("the text is no formula: {error}")),
    };
    let by_term = term.map(|term| by_term(term, &claimed, known, limits));
    if let Some(wrong @ Outcome::Wrong(_)) = by_term {
        return wrong;
    }
    if stored.is_axiom {
        return Outcome::Axiom;
    }
    let ours = term.is_some() || stored.prover.as_deref() == Some(PROVER);
    match (by_parents(stored, &claimed, known, limits), by_term) {
        // A foreign proof need not be a detachment of what it uses.
        (Outcome::Wrong(_), None) if !ours => Outcome::Foreign,
        (wrong @ Outcome::Wrong(_), _) => wrong,
        (Outcome::Proven, _) | (_, Some(Outcome::Proven)) => Outcome::Proven,
        (outcome, _) => outcome,
    }
}

/// The D-proof proves the text, from axioms of the ledger.
fn by_term(term: &ProofTerm, claimed: &Formula, known: &HashMap<String, Premise>, limits: &Limits) -> Outcome {
    for (number, axiom) in term.axioms.iter().enumerate() {
        if !known.get(&hash::statement(axiom)).is_some_and(|premise| premise.is_axiom) {
            return Outcome::Wrong(format!("axiom {} of its proof is no axiom of the ledger", number + 1));
        }
    }
    let rules = Rules { axioms: &term.axioms, necessitation: term.proof.uses_necessitation() };
    verdict(checker::check(&rules, term.proof.as_str(), claimed, limits))
}

fn verdict(verdict: ml_logic::Result<Verdict>) -> Outcome {
    match verdict {
        Ok(Verdict::Exact | Verdict::MoreGeneral(_)) => Outcome::Proven,
        Ok(Verdict::DoesNotProve(reason)) => Outcome::Wrong(reason),
        Err(_) => Outcome::Undecided,
    }
}

/// One step from the recorded parents gives the text. `Foreign` without parents.
fn by_parents(stored: &Stored, claimed: &Formula, known: &HashMap<String, Premise>, limits: &Limits) -> Outcome {
    if stored.parents.is_empty() {
        return Outcome::Foreign;
    }
    let mut formulas: Vec<Formula> = Vec::new();
    for hash in &stored.parents {
        let Some(premise) = known.get(hash) else { return Outcome::Wrong(format!("its parent {hash} is not in the ledger")) };
        if !premise.claimed {
            return Outcome::Wrong(format!("its parent {hash} is not proven"));
        }
        if let (Some(parent), Some(own)) = (premise.depth, stored.depth)
            && parent >= own
            && !premise.is_axiom
        {
            return Outcome::Wrong(format!("its depth is {own} and that of its parent {hash} is {parent}"));
        }
        match parse_any(&premise.canonical, limits) {
            Ok(named) => formulas.push(named.formula),
            Err(Error::Limit { .. }) => return Outcome::Undecided,
            Err(error) => return Outcome::Wrong(format!("its parent {hash} is no formula: {error}")),
        }
    }
    let step = |axioms: &[Formula], proof: &str| verdict(checker::check(&Rules { axioms, necessitation: true }, proof, claimed, limits));
    let mut outcome = Outcome::Foreign;
    for axioms in formulas.chunks(2) {
        // Recorded without their order, or more than once: any pair that does it will do.
        let proofs: &[&str] = match (axioms.len(), stored.rule.as_deref()) {
            (1, Some("nec")) => &["N1"],
            (1, _) => &["D11"],
            _ if stored.parents_ordered => &["D12"],
            _ => &["D12", "D21", "D11", "D22"],
        };
        for proof in proofs {
            outcome = match step(axioms, proof) {
                Outcome::Wrong(reason) => Outcome::Wrong(format!("by its parents: {reason}")),
                other => return other,
            };
        }
    }
    outcome
}
