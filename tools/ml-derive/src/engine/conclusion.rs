//! One conclusion, before anybody knows whether it is new: its distinct parts, its hash, its size.
//!
//! Most conclusions are known already, so nothing is put into the graph to find that out: the hash finds what may be equal, and the
//! comparison walks the parts beside the graph, each once. The hash depends on the term alone, so that every machine has the same.

use super::nodes::{AND, Batch, Full, Node, Nodes, SMALL_VARIABLES, TAGS, VARIABLE};

/// Distinct parts, smaller ones first; the last is the whole.
#[derive(Clone, Debug, Default)]
pub struct Conclusion {
    parts: Vec<Part>,
    variables: u32,
    /// Of each part, a node of the graph.
    nodes: Vec<u32>,
}

/// As [`Node`], with places in the list for numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    left: u32,
    right: u32,
    hash: u64,
    /// Symbols, no more than `u32::MAX`.
    size: u32,
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The hash of a node from its left and right hashes; a tag and a variable's number are their own.
pub fn mix(left: u64, right: u64) -> u64 {
    fold(left ^ 0x9e37_79b9_7f4a_7c15, right.rotate_left(23) ^ 0xd6e8_feb8_6659_fd93)
}

/// The hash of a variable.
pub fn variable_hash(number: u32) -> u64 {
    mix(u64::from(VARIABLE), u64::from(number).wrapping_mul(0xff51_afd7_ed55_8ccd))
}

impl Conclusion {
    /// Makes it empty.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.variables = 0;
    }

    /// Adds the next new variable; its place.
    pub fn variable(&mut self) -> u32 {
        let number = self.variables;
        self.variables += 1;
        self.parts.push(Part { left: VARIABLE, right: number, hash: variable_hash(number), size: 1 });
        self.root()
    }

    /// Adds an implication of two parts, or a tag before one; its place.
    #[inline]
    pub fn push(&mut self, left: u32, right: u32) -> u32 {
        let Part { hash, size, .. } = self.parts[right as usize];
        let (left_hash, left_size) = if left < TAGS {
            let part = &self.parts[left as usize];
            (part.hash, part.size.saturating_add(1))
        } else {
            // The implication below a conjunction or disjunction is a part of the tag's symbol; see `Nodes`.
            (u64::from(left), u32::from(left < AND))
        };
        self.parts.push(Part { left, right, hash: mix(left_hash, hash), size: left_size.saturating_add(size) });
        self.root()
    }

    /// The place of the last part: the whole.
    pub fn root(&self) -> u32 {
        self.parts.len() as u32 - 1
    }

    /// The part at a place, with places for numbers.
    pub fn part(&self, place: u32) -> Node {
        let Part { left, right, .. } = self.parts[place as usize];
        Node { left, right }
    }

    /// The hash of the whole; 0 when there is nothing.
    pub fn hash(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.hash)
    }

    /// Symbols of the whole and, when it is an implication, of its consequent; no more than `u32::MAX`.
    pub fn size(&self) -> (u32, Option<u32>) {
        let Some(whole) = self.parts.last() else { return (0, None) };
        (whole.size, (whole.left < TAGS).then(|| self.parts[whole.right as usize].size))
    }

    /// Whether it is the term at `root`.
    pub fn is(&mut self, root: u32, graph: &Nodes) -> bool {
        self.nodes.clear();
        self.nodes.resize(self.parts.len(), 0);
        let Some(last) = self.nodes.last_mut() else { return false };
        *last = root;
        // Wholes before their parts: each part's node was set by the first whole that it is in.
        for place in (0..self.parts.len()).rev() {
            let (Part { left, right, .. }, id) = (self.parts[place], self.nodes[place]);
            if left == VARIABLE && right < SMALL_VARIABLES {
                if id != right + 1 {
                    return false;
                }
                continue;
            }
            let node = graph.get(id);
            if left >= TAGS {
                if node.left != left {
                    return false;
                }
                if left == VARIABLE {
                    if node.right != right {
                        return false;
                    }
                    continue;
                }
            } else {
                if node.left >= TAGS {
                    return false;
                }
                let known = &mut self.nodes[left as usize];
                if *known == 0 {
                    *known = node.left;
                } else if *known != node.left {
                    return false;
                }
            }
            let known = &mut self.nodes[right as usize];
            if *known == 0 {
                *known = node.right;
            } else if *known != node.right {
                return false;
            }
        }
        true
    }

    /// Puts it into the graph; its node.
    ///
    /// # Errors
    /// [`Full`]; what was added until then stays.
    pub fn store(&mut self, graph: &Nodes, batch: &mut Batch) -> Result<u32, Full> {
        self.nodes.clear();
        let mut id = super::nodes::NONE;
        for &Part { left, right, .. } in &self.parts {
            id = match left {
                VARIABLE => graph.variable(right, batch)?,
                left => {
                    let left = if left < TAGS { self.nodes[left as usize] } else { left };
                    graph.node(Node { left, right: self.nodes[right as usize] }, batch)?
                }
            };
            self.nodes.push(id);
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CaNb`, with `a` and `b` distinct variables or the same.
    fn example(conclusion: &mut Conclusion, same: bool) {
        conclusion.clear();
        let a = conclusion.variable();
        let b = if same { a } else { conclusion.variable() };
        let negation = conclusion.push(super::super::nodes::NOT, b);
        conclusion.push(a, negation);
    }

    #[test]
    fn is_itself_and_nothing_else() {
        let mut graph = Nodes::new();
        graph.reserve(100);
        let (mut batch, mut conclusion) = (Batch::default(), Conclusion::default());
        example(&mut conclusion, false);
        let (root, hash) = (conclusion.store(&graph, &mut batch).unwrap(), conclusion.hash());
        assert!(conclusion.is(root, &graph) && conclusion.size() == (4, Some(2)));
        assert!(!conclusion.is(1, &graph));
        example(&mut conclusion, true);
        assert!(!conclusion.is(root, &graph) && conclusion.hash() != hash);
        let other = conclusion.store(&graph, &mut batch).unwrap();
        assert!(other != root && conclusion.is(other, &graph));
        example(&mut conclusion, false);
        assert_eq!((conclusion.store(&graph, &mut batch), conclusion.hash()), (Ok(root), hash));
    }

    #[test]
    fn a_conjunction_is_one_symbol() {
        let mut conclusion = Conclusion::default();
        let (a, b) = (conclusion.variable(), conclusion.variable());
        let pair = conclusion.push(a, b);
        conclusion.push(super::super::nodes::AND, pair);
        assert_eq!(conclusion.size(), (3, None));
    }
}
