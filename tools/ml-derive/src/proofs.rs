//! The D-proofs of numbered conclusions, each written out once from those of its premises.

use crate::engine::packed::Terms;
use crate::engine::rank::Step;
use ml_logic::checker::{self, Verdict};
use ml_logic::dproof::axiom_letter;
use ml_logic::{Formula, Limits, System};

/// D-proofs by number.
#[derive(Debug, Default)]
pub struct Proofs {
    texts: Terms,
    heights: Vec<u32>,
}

impl Proofs {
    /// The proof of that number.
    pub fn text(&self, id: u32) -> &str {
        // Only text was pushed.
        std::str::from_utf8(self.texts.get(id)).unwrap_or_default()
    }

    /// Its height: 0 for an axiom.
    pub fn height(&self, id: u32) -> u32 {
        self.heights[id as usize]
    }

    /// Adds the next proof, from the numbers of its premises.
    pub fn push(&mut self, step: Step) {
        let (text, height) = match step {
            Step::Axiom(number) => (axiom_letter(usize::from(number)).map(String::from).unwrap_or_default(), 0),
            Step::Detach { major, minor } => {
                (format!("D{}{}", self.text(major), self.text(minor)), 1 + self.height(major).max(self.height(minor)))
            }
            Step::Necessitate(premise) => (format!("N{}", self.text(premise)), 1 + self.height(premise)),
        };
        self.texts.push(text.as_bytes());
        self.heights.push(height);
    }
}

/// The ledger's word for how a conclusion was got.
pub fn rule(proof: &str) -> &'static str {
    match proof.as_bytes().first() {
        Some(b'D') => "mp",
        Some(b'N') => "nec",
        _ => "axiom",
    }
}

/// `1 proof`, `2 proofs`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The height of a well-formed D-proof: that of its tree, and so of its graph.
pub fn height(proof: &str) -> u32 {
    let mut heights: Vec<u32> = Vec::new();
    for letter in proof.bytes().rev() {
        let height = match letter {
            b'D' => 1 + heights.pop().max(heights.pop()).unwrap_or_default(),
            b'N' => 1 + heights.pop().unwrap_or_default(),
            _ => 0,
        };
        heights.push(height);
    }
    heights.pop().unwrap_or_default()
}

/// Asks the independent checker whether the proof proves exactly that formula. The reason when it does not.
pub fn refused(system: &System, proof: &str, formula: &Formula, limits: &Limits) -> Option<String> {
    match checker::check(&system.rules(), proof, formula, limits) {
        Ok(Verdict::Exact) => None,
        Ok(Verdict::MoreGeneral(general)) => Some(format!("the proof proves more: {general}")),
        Ok(Verdict::DoesNotProve(reason)) => Some(reason),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_written_out_from_their_premises() {
        let mut proofs = Proofs::default();
        proofs.push(Step::Axiom(1));
        proofs.push(Step::Axiom(2));
        proofs.push(Step::Detach { major: 1, minor: 0 });
        proofs.push(Step::Detach { major: 2, minor: 0 });
        proofs.push(Step::Necessitate(3));
        assert_eq!((proofs.text(3), proofs.height(3)), ("DD211", 2));
        assert_eq!((proofs.text(4), proofs.height(4), rule(proofs.text(4))), ("NDD211", 3, "nec"));
        assert_eq!((rule("1"), rule("D11")), ("axiom", "mp"));
        assert_eq!((height("1"), height("NDD211"), height("D1DD2D131")), (0, 3, 4));
        assert_eq!(height("DD2D131D11"), 3);
    }

    #[test]
    fn the_checker_has_the_last_word() {
        let frege = System::named("frege").unwrap();
        let refused = |proof: &str, text: &str| refused(&frege, proof, &text.parse().unwrap(), &Limits::default());
        assert_eq!(refused("DD211", "p->p"), None);
        assert_eq!(refused("DD211", "~p->~p"), Some("the proof proves more: p->p".into()));
        assert!(refused("DD211", "p->q").is_some() && refused("DD21", "p->p").is_some());
    }
}
