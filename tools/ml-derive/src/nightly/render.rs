//! The D-proofs of a night's theorems, written out when they are needed: those of the axioms, those of the ledger that something was built
//! on, and from these the new ones. A proof can be twice as long as those it is built from, so nobody carries them all along.

use super::Ledger;
use super::stock::Stock;
use crate::engine::rank::Step;
use ml_common::files::hex;
use ml_common::{Class, Failure, Result};
use ml_ledger::premises;
use ml_logic::System;
use ml_logic::dproof::axiom_letter;
use std::collections::HashMap;

/// D-proofs by the numbers of facts.
#[derive(Debug, Default)]
pub struct Rendered {
    texts: HashMap<u32, String>,
}

/// Writes out the proofs of the axioms and of all facts that were derived.
///
/// # Errors
/// Class Database when a proof is no longer there.
pub fn render(ledger: &mut Ledger, stock: &Stock, system: &System) -> Result<Rendered> {
    let mut rendered = Rendered::default();
    for (number, &id) in (1..).zip(&stock.axioms) {
        // Of an axiom that is written twice the first digit counts.
        rendered.texts.entry(id).or_insert_with(|| axiom_letter(number).map(String::from).unwrap_or_default());
    }
    rendered.fetch(ledger, stock, system)?;
    for id in stock.saturation.new_facts() {
        let text = match stock.saturation.facts()[id as usize].step {
            Some(Step::Detach { major, minor }) => format!("D{}{}", rendered.text(major), rendered.text(minor)),
            Some(Step::Necessitate(premise)) => format!("N{}", rendered.text(premise)),
            Some(Step::Axiom(_)) | None => continue,
        };
        rendered.texts.insert(id, text);
    }
    Ok(rendered)
}

impl Rendered {
    /// The proof of that number; empty for facts that nothing was built on.
    pub fn text(&self, id: u32) -> &str {
        self.texts.get(&id).map(String::as_str).unwrap_or_default()
    }

    /// Asks the ledger for the proofs of its statements that something was built on.
    fn fetch(&mut self, ledger: &mut Ledger, stock: &Stock, system: &System) -> Result<()> {
        let Ledger { client, shape, theory } = ledger;
        let new = stock.saturation.new_facts();
        let mut used: HashMap<String, u32> = HashMap::new();
        for id in new.clone() {
            let premises = match stock.saturation.facts()[id as usize].step {
                Some(Step::Detach { major, minor }) => vec![major, minor],
                Some(Step::Necessitate(premise)) => vec![premise],
                Some(Step::Axiom(_)) | None => Vec::new(),
            };
            let given = premises.into_iter().filter(|&id| id < new.start && !self.texts.contains_key(&id));
            used.extend(given.filter_map(|id| Some((hex(&stock.hash(id)?), id))));
        }
        if used.is_empty() {
            return Ok(());
        }
        let hashes: Vec<String> = used.keys().cloned().collect();
        let proofs = premises::proofs(*client, shape, &theory.id, &system.axioms, &hashes)?;
        if proofs.len() < used.len() {
            let gone = used.len() - proofs.len();
            return Err(Failure::new(Class::Database, format!("{gone} proofs that the derivation builds on are gone"))
                .hint("statements or proofs were deleted while it ran: run it again"));
        }
        self.texts.extend(proofs.into_iter().filter_map(|(hash, proof)| Some((*used.get(&hash)?, proof))));
        Ok(())
    }
}
