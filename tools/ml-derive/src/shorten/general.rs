//! Of ranked formulas, the best one that a given formula is an instance of.
//!
//! A perfect discrimination tree over formulas in preorder whose variables are numbered by first occurrence: a variable of the tree takes a
//! whole subterm, which is either the next one to be bound or equal to what is bound. Each node knows the best rank below it, so that a search
//! leaves out what could not be better than what it has. (McCune, Journal of Automated Reasoning 9, 1992; branch and bound.)

use ml_logic::{Formula, Sym};

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    sym: Sym,
    /// The best rank here or below.
    best: u32,
    child: u32,
    sibling: u32,
}

/// An index of formulas by rank; the lowest rank is the best.
#[derive(Clone, Debug, Default)]
pub struct Index {
    nodes: Vec<Node>,
    /// The first node of the top level; meaningless without nodes.
    top: u32,
    /// Scratch memory of a search: where the subterm ends that begins at each place, the places that variables stand for, and what is to be
    /// looked at later: node, place, bound variables.
    ends: Vec<u32>,
    bound: Vec<u32>,
    later: Vec<(u32, u32, u32)>,
}

impl Index {
    /// Indexes canonical formulas, the best first.
    pub fn new<'f>(formulas: impl Iterator<Item = &'f Formula>) -> Index {
        let mut index = Index { top: NONE, ..Index::default() };
        for (rank, formula) in (0..).zip(formulas) {
            index.insert(rank, formula);
        }
        index
    }

    fn insert(&mut self, rank: u32, formula: &Formula) {
        let mut parent = NONE;
        for &sym in formula.symbols() {
            let first = if parent == NONE { self.top } else { self.nodes[parent as usize].child };
            let mut at = first;
            while at != NONE && self.nodes[at as usize].sym != sym {
                at = self.nodes[at as usize].sibling;
            }
            if at == NONE {
                at = self.nodes.len() as u32;
                self.nodes.push(Node { sym, best: rank, child: NONE, sibling: first });
                match self.nodes.get_mut(parent as usize) {
                    Some(parent) => parent.child = at,
                    None => self.top = at,
                }
            }
            // Ranks come in ascending order: what is there already is better.
            parent = at;
        }
    }

    /// The lowest rank below `limit` of a formula that this one is an instance of, or the same as.
    pub fn best_general(&mut self, formula: &Formula, limit: u32) -> Option<u32> {
        let symbols = formula.symbols();
        self.measure(symbols);
        self.later.clear();
        if self.top != NONE {
            self.later.push((self.top, 0, 0));
        }
        let mut best = limit;
        while let Some((mut at, place, bound)) = self.later.pop() {
            while at != NONE {
                let node = self.nodes[at as usize];
                if node.best < best
                    && let Some((after, bound)) = self.follow(node.sym, symbols, place, bound)
                {
                    // No formula is the beginning of another: where this one ends, so does the indexed one.
                    if after as usize == symbols.len() {
                        best = node.best;
                    } else {
                        // The siblings wait; what this node bound is bound again when they come.
                        self.later.push((node.sibling, place, bound.1));
                        self.later.push((node.child, after, bound.0));
                        break;
                    }
                }
                at = node.sibling;
            }
        }
        (best < limit).then_some(best)
    }

    /// Whether a symbol of the tree fits at a place: the place after it, and how many variables are bound then and before.
    fn follow(&mut self, sym: Sym, symbols: &[Sym], place: u32, bound: u32) -> Option<(u32, (u32, u32))> {
        let at = place as usize;
        let Some(variable) = sym.variable() else {
            return (symbols[at] == sym).then_some((place + 1, (bound, bound)));
        };
        let end = self.ends[at];
        if variable == bound {
            self.bound.resize(self.bound.len().max(variable as usize + 1), 0);
            self.bound[variable as usize] = place;
            return Some((end, (bound + 1, bound)));
        }
        let first = self.bound[variable as usize] as usize;
        let same = symbols[first..self.ends[first] as usize] == symbols[at..end as usize];
        same.then_some((end, (bound, bound)))
    }

    /// Finds where each subterm ends.
    fn measure(&mut self, symbols: &[Sym]) {
        self.ends.clear();
        self.ends.resize(symbols.len(), 0);
        for (at, sym) in symbols.iter().enumerate().rev() {
            self.ends[at] = match sym.arity() {
                0 => at as u32 + 1,
                1 => self.ends[at + 1],
                _ => self.ends[self.ends[at + 1] as usize],
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_logic::is_instance;

    /// All formulas of up to four symbols over two variables and two connectives against every third of them.
    #[test]
    fn agrees_with_the_definition() {
        let mut texts: Vec<String> = vec!["p".into(), "q".into()];
        for _ in 0..2 {
            let known = texts.clone();
            texts.extend(known.iter().map(|a| format!("N{a}")));
            texts.extend(known.iter().flat_map(|a| known.iter().map(move |b| format!("C{a}{b}"))));
        }
        let formulas: Vec<Formula> = texts.iter().map(|text| text.parse().unwrap()).collect();
        // Without the lone variable, which everything is an instance of.
        let mut ranked: Vec<Formula> = formulas.iter().filter(|formula| formula.size() > 1).step_by(3).cloned().collect();
        ranked.reverse();
        let mut index = Index::new(ranked.iter());
        let mut found = 0;
        for formula in &formulas {
            let expected = ranked.iter().position(|general| is_instance(general, formula)).map(|rank| rank as u32);
            assert_eq!(index.best_general(formula, NONE), expected, "{formula}");
            if let Some(rank) = expected {
                assert_eq!(index.best_general(formula, rank), None, "{formula}");
                found += 1;
            }
        }
        assert!(found > 40, "{found}");
    }

    #[test]
    fn of_several_the_best() {
        let formulas: Vec<Formula> = ["CCpqCpp", "CpCqp", "Cpq", "CpCqp"].iter().map(|text| text.parse().unwrap()).collect();
        let mut index = Index::new(formulas.iter());
        let mut best = |text: &str| index.best_general(&text.parse().unwrap(), NONE);
        assert_eq!((best("CCpqCpp"), best("CpCpp"), best("CNpp"), best("Np")), (Some(0), Some(1), Some(2), None));
        assert_eq!(Index::new([].iter()).best_general(&"p".parse().unwrap(), NONE), None);
    }
}
