//! D-proofs as text, and what the checker says of them.

use crate::engine::rank::Step;
use ml_logic::checker::{self, Verdict};
use ml_logic::dproof::axiom_letter;
use ml_logic::{Formula, Limits, System};

/// The proof of that number, written out from its steps.
pub fn text(id: u32, step: impl Fn(u32) -> Step) -> String {
    let mut text = String::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        match step(id) {
            Step::Axiom(number) => text.extend(axiom_letter(usize::from(number))),
            Step::Detach { major, minor } => {
                text.push('D');
                open.extend([minor, major]);
            }
            Step::Necessitate(premise) => {
                text.push('N');
                open.push(premise);
            }
        }
    }
    text
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
    fn proofs_are_written_out_from_their_steps() {
        let steps = [
            Step::Axiom(1),
            Step::Axiom(12),
            Step::Detach { major: 1, minor: 0 },
            Step::Detach { major: 2, minor: 0 },
            Step::Necessitate(3),
        ];
        let text = |id| text(id, |id| steps[id as usize]);
        assert_eq!((text(1), text(3), text(4)), ("c".into(), "DDc11".into(), "NDDc11".into()));
        assert_eq!((rule("1"), rule("D11"), rule("N1")), ("axiom", "mp", "nec"));
        assert_eq!((height("1"), height("NDD211"), height("D1DD2D131"), height("DD2D131D11")), (0, 3, 4, 3));
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
