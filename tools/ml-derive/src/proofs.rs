//! D-proofs as text, and what the checker says of them.

use crate::engine::rank::Step;
use ml_logic::checker::{self, Rules, Verdict};
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
    verdict(checker::check(&system.rules(), proof, formula, limits))
}

/// Asks the independent checker whether a step proves exactly that formula from its premises, which it was asked about before: what
/// rests on checked steps alone is checked. The reason when it does not.
pub fn refused_step(
    system: &System,
    step: Step,
    premise: impl Fn(u32) -> Option<Formula>,
    formula: &Formula,
    limits: &Limits,
) -> Option<String> {
    let (axioms, necessitation, proof) = match step {
        Step::Axiom(number) => return refused(system, &String::from_iter(axiom_letter(usize::from(number))), formula, limits),
        // The premises as axioms of a proof in one step.
        Step::Detach { major, minor } => ([premise(major), premise(minor)].into_iter().collect::<Option<Vec<_>>>(), false, "D12"),
        Step::Necessitate(id) => (premise(id).map(|premise| vec![premise]), system.necessitation, "N1"),
    };
    let Some(axioms) = axioms else { return Some("a premise is larger than formulas may be".into()) };
    verdict(checker::check(&Rules { axioms: &axioms, necessitation }, proof, formula, limits))
}

fn verdict(verdict: ml_logic::Result<Verdict>) -> Option<String> {
    match verdict {
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

    #[test]
    fn a_step_is_checked_from_its_premises() {
        let frege = System::named("frege").unwrap();
        let formula = |text: &str| text.parse::<Formula>().unwrap();
        let premise = |id: u32| Some(formula(["p->q->p", "(p->q->r)->(p->q)->p->r"][id as usize]));
        let refused = |step, text: &str| refused_step(&frege, step, premise, &formula(text), &Limits::default());
        let step = Step::Detach { major: 1, minor: 0 };
        assert_eq!((refused(Step::Axiom(1), "p->q->p"), refused(step, "(p->q)->p->p")), (None, None));
        assert!(refused(Step::Axiom(2), "p->q->p").is_some() && refused(Step::Axiom(4), "p").is_some());
        assert!(refused(step, "(p->p)->p->p").is_some_and(|reason| reason.contains("proves more")));
        assert!(refused(step, "(q->p)->p->q").is_some() && refused(Step::Detach { major: 0, minor: 0 }, "p->p").is_some());
        assert!(refused(Step::Necessitate(0), "[](p->q->p)").is_some(), "necessitation is no rule of it");
    }
}
