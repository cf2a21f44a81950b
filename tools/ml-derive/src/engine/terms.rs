//! Formulas into the graph and out of it.

use super::nodes::{AND, BOX, Batch, Full, NOT, Node, Nodes, OR, TAGS, VARIABLE};
use ml_logic::{Formula, Limits, Sym};

/// Stores a formula; its root. Makes room where there is none.
pub fn store(formula: &Formula, graph: &mut Nodes) -> u32 {
    let mut batch = Batch::default();
    let mut node = |graph: &mut Nodes, left, right| loop {
        match graph.node(Node { left, right }, &mut batch) {
            Ok(id) => return id,
            Err(Full) => graph.reserve(1 << 12),
        }
    };
    let mut done: Vec<u32> = Vec::new();
    for &sym in formula.symbols().iter().rev() {
        let mut part = || done.pop().unwrap_or_default();
        let id = match sym {
            Sym::IMP | Sym::AND | Sym::OR => {
                let (left, right) = (part(), part());
                let implication = node(graph, left, right);
                match sym {
                    Sym::AND => node(graph, AND, implication),
                    Sym::OR => node(graph, OR, implication),
                    _ => implication,
                }
            }
            Sym::NOT => node(graph, NOT, done.pop().unwrap_or_default()),
            Sym::BOX => node(graph, BOX, done.pop().unwrap_or_default()),
            variable if variable.raw() < super::nodes::SMALL_VARIABLES => variable.raw() + 1,
            variable => node(graph, VARIABLE, variable.raw()),
        };
        done.push(id);
    }
    done.pop().unwrap_or_default()
}

/// The formula at `root`; `None` when it has more symbols than formulas may have.
pub fn formula(root: u32, graph: &Nodes) -> Option<Formula> {
    let limits = Limits::default();
    let mut symbols = Vec::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if symbols.len() == limits.max_symbols {
            return None;
        }
        let Node { left, right } = graph.get(id);
        match left {
            VARIABLE => symbols.push(Sym::var(right)?),
            NOT | BOX => {
                symbols.push(if left == NOT { Sym::NOT } else { Sym::BOX });
                open.push(right);
            }
            AND | OR => {
                symbols.push(if left == AND { Sym::AND } else { Sym::OR });
                let parts = graph.get(right);
                open.extend([parts.right, parts.left]);
            }
            left => {
                debug_assert!(left < TAGS);
                symbols.push(Sym::IMP);
                open.extend([right, left]);
            }
        }
    }
    Formula::from_symbols(symbols, &limits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_comes_what_went_in() {
        let mut graph = Nodes::new();
        for text in ["p", "p->q->p", "(p/\\~q)->([]p\\/q)->~~p", "((p->q)->p)->p"] {
            let parsed: Formula = text.parse().unwrap();
            let root = store(&parsed, &mut graph);
            assert_eq!(formula(root, &graph), Some(parsed.clone()));
            assert_eq!(store(&parsed, &mut graph), root);
        }
    }
}
