//! Formulas that are looked for among conclusions: which of them are instances of one.
//!
//! They have a graph of their own, so that they stay where they are while the engine numbers its nodes anew; a conclusion is compared as
//! it was drawn, before it has any node.

use super::conclusion::Conclusion;
use super::nodes::{NONE, Nodes, TAGS, VARIABLE};
use super::terms;
use ml_logic::Formula;

/// The formulas.
#[derive(Debug)]
pub struct Goals {
    graph: Nodes,
    roots: Vec<u32>,
}

/// What a comparison needs, kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Matching {
    pairs: Vec<(u32, u32)>,
    /// What each variable of the conclusion stands for, and which of them stand for something.
    images: Vec<u32>,
    imaged: Vec<u32>,
}

/// How a formula follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is the conclusion.
    Exact,
    /// It is a proper instance of it.
    Instance,
}

impl Goals {
    /// Takes formulas in.
    pub fn new(formulas: &[Formula]) -> Goals {
        let mut graph = Nodes::new();
        let roots = formulas.iter().map(|formula| terms::store(&formula.canonical(), &mut graph)).collect();
        graph.freeze();
        Goals { graph, roots }
    }

    /// Whether the formula of that number is the conclusion, or an instance of it.
    pub fn fit(&self, number: usize, conclusion: &mut Conclusion, matching: &mut Matching) -> Option<Fit> {
        let root = self.roots[number];
        if !matching.is_instance(conclusion, root, &self.graph) {
            return None;
        }
        Some(if conclusion.is(root, &self.graph) { Fit::Exact } else { Fit::Instance })
    }
}

impl Matching {
    /// One-sided matching; a walk ends with the smaller of the two.
    fn is_instance(&mut self, conclusion: &Conclusion, special: u32, graph: &Nodes) -> bool {
        self.pairs.clear();
        self.pairs.push((conclusion.root(), special));
        let mut matches = true;
        while let Some((place, special)) = self.pairs.pop() {
            let part = conclusion.part(place);
            if part.left == VARIABLE {
                let number = part.right as usize;
                if self.images.len() <= number {
                    self.images.resize(number + 1, NONE);
                }
                if self.images[number] == NONE {
                    self.images[number] = special;
                    self.imaged.push(part.right);
                } else if self.images[number] != special {
                    matches = false;
                    break;
                }
                continue;
            }
            let other = graph.get(special);
            if part.left < TAGS && other.left < TAGS {
                // The consequent first: it tells more formulas apart.
                self.pairs.extend([(part.left, other.left), (part.right, other.right)]);
            } else if part.left == other.left {
                self.pairs.push((part.right, other.right));
            } else {
                matches = false;
                break;
            }
        }
        for number in self.imaged.drain(..) {
            self.images[number as usize] = NONE;
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::block::{Blocks, Side};

    /// As the formulas fit a conclusion that says `general`.
    fn fits(general: &str, formulas: &[&str]) -> Vec<Option<Fit>> {
        let mut graph = Nodes::new();
        let root = terms::store(&general.parse::<Formula>().unwrap(), &mut graph);
        let (mut blocks, mut conclusion) = (Blocks::default(), Conclusion::default());
        blocks.load(Side::First, [root], &graph);
        blocks.repeat(0, &mut conclusion);
        let formulas: Vec<Formula> = formulas.iter().map(|text| text.parse().unwrap()).collect();
        let (goals, mut matching) = (Goals::new(&formulas), Matching::default());
        (0..formulas.len()).map(|number| goals.fit(number, &mut conclusion, &mut matching)).collect()
    }

    #[test]
    fn instances_are_found() {
        let (exact, instance) = (Some(Fit::Exact), Some(Fit::Instance));
        assert_eq!(
            fits("p->q->p", &["q->p->q", "p->p->p", "p->q->r", "p", "~p->q->~p", "p->q->p->q"]),
            [exact, instance, None, None, instance, None]
        );
        assert_eq!(fits("p", &["p", "q->p", "[]p/\\q"]), [exact, instance, instance]);
        assert_eq!(
            fits("p/\\q->[]p\\/~q", &["p/\\q->[]p\\/~q", "p/\\p->[]p\\/~p", "p\\/q->[]p\\/~q", "p/\\q->[]q\\/~p"]),
            [exact, instance, None, None]
        );
        let wide: String = (0..300).map(|n| format!("p{n}->")).collect();
        assert_eq!(fits(&format!("{wide}p299"), &[&format!("{wide}p299"), &format!("{wide}p298"), "p->p"]), [exact, None, None]);
    }
}
