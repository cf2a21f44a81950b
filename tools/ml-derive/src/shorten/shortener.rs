//! Shorter proofs from known ones, without IO.
//!
//! All proofs, those to be shortened and those that are known, are lines of one library. Of each conclusion in it the shortest proof counts (of
//! equally short ones the one that came first). A round goes through the lines that the proofs rest on, each after its premises, and takes the
//! shorter of two: the line's own step from what its premises have become, and the shortest known proof of what the line proves or of something
//! that this is an instance of. A premise that proves more only makes what follows from it more general (the most general unifier with a more
//! general formula exists and is more general), so a line never comes to prove less. What a round has made is known to the next one; it ends
//! when no proof has become shorter. Lengths only fall, so it does end, and nothing depends on anything but the order of the proofs.

use super::general::Index;
use ml_logic::dag::Step;
use ml_logic::{DProof, Error, Formula, Library, Limits, Result, System};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Proofs and what is known.
#[derive(Debug)]
pub struct Shortener {
    proofs: Library,
    index: Index,
    /// The lines of the index by rank: of each conclusion one, the shortest first.
    ranked: Vec<u32>,
}

impl Shortener {
    /// Knows the axioms.
    pub fn new(system: System, limits: Limits) -> Shortener {
        Shortener { proofs: Library::new(system, limits), index: Index::default(), ranked: Vec::new() }
    }

    /// Adds a proof, with all its parts, to what is known; its number. Fails when it proves nothing.
    pub fn learn(&mut self, proof: &DProof) -> Result<u32> {
        self.proofs.add_proof(proof)
    }

    /// All lines.
    pub fn proofs(&self) -> &Library {
        &self.proofs
    }

    /// Puts the numbers of the shortest proofs found in place of these ones; what each proves then is at least as general. `go_on` is asked
    /// now and then, and its failure ends the work.
    ///
    /// # Errors
    /// Those of `go_on`.
    pub fn shorten<E: From<Error>>(
        &mut self,
        proofs: &mut [u32],
        go_on: &mut dyn FnMut() -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        loop {
            go_on()?;
            self.reindex();
            let mut becomes: HashMap<u32, u32> = HashMap::new();
            for (count, line) in self.proofs.below(proofs).into_iter().enumerate() {
                if count % 256 == 0 {
                    go_on()?;
                }
                let better = self.better(line, &becomes)?;
                becomes.insert(line, better);
            }
            let mut changed = false;
            for proof in proofs.iter_mut() {
                let better = becomes[proof];
                changed |= better != *proof;
                *proof = better;
            }
            if !changed {
                return Ok(());
            }
        }
    }

    /// Ranks the shortest proof of each conclusion.
    fn reindex(&mut self) {
        let mut shortest: HashMap<&Formula, u32> = HashMap::new();
        for (number, line) in (0..).zip(self.proofs.lines()) {
            match shortest.entry(&line.formula) {
                Entry::Vacant(entry) => drop(entry.insert(number)),
                Entry::Occupied(mut entry) if self.proofs.line(*entry.get()).length > line.length => drop(entry.insert(number)),
                Entry::Occupied(_) => {}
            }
        }
        self.ranked = shortest.into_values().collect();
        self.ranked.sort_unstable_by_key(|&line| (self.proofs.line(line).length, line));
        self.index = Index::new(self.ranked.iter().map(|&line| &self.proofs.line(line).formula));
    }

    /// The shortest known line that proves at least as much, given what earlier lines have become.
    fn better(&mut self, line: u32, becomes: &HashMap<u32, u32>) -> Result<u32> {
        let became = |premise: u32| becomes.get(&premise).copied().unwrap_or(premise);
        let step = match self.proofs.line(line).step {
            Step::Axiom(number) => Step::Axiom(number),
            Step::Detach { major, minor } => Step::Detach { major: became(major), minor: became(minor) },
            Step::Necessitate(premise) => Step::Necessitate(became(premise)),
        };
        let own = match self.proofs.add(step) {
            Ok(own) => own,
            // More general formulas can be larger than the limits allow: then the line stays as it is.
            Err(Error::Limit { .. }) => line,
            Err(error) => return Err(error),
        };
        let length = self.proofs.line(own).length;
        let limit = self.ranked.partition_point(|&known| self.proofs.line(known).length < length);
        let known = self.index.best_general(&self.proofs.line(line).formula, limit as u32);
        Ok(known.map_or(own, |rank| self.ranked[rank as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_logic::is_instance;

    fn shorten(known: &[&str], proofs: &[&str]) -> Vec<String> {
        let mut shortener = Shortener::new(System::named("frege").unwrap(), Limits::default());
        for text in known {
            shortener.learn(&text.parse().unwrap()).unwrap();
        }
        let given: Vec<u32> = proofs.iter().map(|text| shortener.learn(&text.parse().unwrap()).unwrap()).collect();
        let mut lines = given.clone();
        shortener.shorten::<Error>(&mut lines, &mut || Ok(())).unwrap();
        for (before, after) in given.iter().zip(&lines) {
            let (before, after) = (shortener.proofs().line(*before), shortener.proofs().line(*after));
            assert!(after.length <= before.length && is_instance(&after.formula, &before.formula));
        }
        lines.iter().map(|&line| shortener.proofs().proof(line, 1 << 20).unwrap().to_string()).collect()
    }

    #[test]
    fn a_part_is_replaced_by_a_shorter_proof_of_the_same() {
        // Identity in front of an axiom, and in front of that again.
        assert_eq!(shorten(&[], &["DDD2111"]), ["1"]);
        assert_eq!(shorten(&[], &["D1DDD211DDD2111"]), ["D11"]);
        assert_eq!(shorten(&[], &["DD21D11", "DD211"]), ["DD211", "DD211"], "one given proof helps another");
        assert_eq!(shorten(&["DD211"], &["D1DD21D11"]), ["D1DD211"]);
    }

    #[test]
    fn a_part_is_replaced_by_a_proof_of_more() {
        // DD212 proves (p->q->r)->p->q->r, which p->p says and more.
        assert_eq!(shorten(&["DD211"], &["DDD211DD212"]), ["DD211"]);
        assert_eq!(shorten(&["DD211"], &["D1DDD21D11DD212"]), ["D1DD211"]);
    }

    #[test]
    fn what_is_shortest_stays() {
        let proofs = ["DD2D121", "DD2DD2D13DD2D1311", "1", "DD211"];
        assert_eq!(shorten(&[], &proofs), proofs);
    }
}
