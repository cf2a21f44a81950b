//! Which terms are instances of others: perfect discrimination trees over terms that are written spine by spine.
//!
//! A search follows, for each symbol, the same symbol or a variable that stands for a whole part; as variables are numbered by first
//! occurrence, a variable is either the next one or bound already, and as equal parts have one node, whether it is bound to the same
//! is a comparison of two numbers. (McCune, Experiments with discrimination-tree indexing and path indexing for term retrieval, Journal
//! of Automated Reasoning 9, 1992; the order by spines and the graph are ours.)
//!
//! A tree is written from sorted terms in one pass, parts before wholes. A node is: the set of the first symbols of its children's
//! labels as bits, the number of children whose first symbol has no bit (those with many variables), the length of its label, the
//! label, the place of each child. A label is whole symbols that all terms below share; the first one is not with the child when the
//! parent has a bit for it, and so which children can match is seen without a look at them. A leaf is the length of its label, the
//! label and the term's root; of its label only a beginning is kept, and what passes it is compared with the graph.

mod build;
mod instance;
mod met;

use super::nodes::{Nodes, TAGS, View};
use super::spine::WIDE;
use instance::Pairs;
use met::{Met, State, connective};

/// In a place: what is there is a leaf.
const LEAF: u32 = 1 << 31;
/// Bytes of a place and of a root.
const NUMBER: usize = 4;

/// A read-only index of terms of one graph.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    bytes: Vec<u8>,
    /// Place of the node without a label that all others are below.
    root: u32,
    /// Parts that a search may have to remember, at most.
    longest: usize,
}

/// Why a tree cannot be built: its places have 31 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Variables below this have a bit.
const VARIABLES: u32 = 25;
/// In place of a variable: the label is whole.
const NO_BIT: u32 = u32::MAX;
/// Bytes of a node before its label: bits, children with a bit, others, the label's length.
const HEAD: usize = 8;

/// The place of the bit of a symbol that begins with `byte`; `None` for the variables that have none.
fn bit(byte: u8) -> Option<u32> {
    match byte {
        byte if u32::from(byte) < VARIABLES => Some(u32::from(byte)),
        byte if byte > WIDE => Some(u32::from(byte - WIDE) + 26),
        _ => None,
    }
}

impl Tree {
    /// Whether the term at `root` is an instance of an indexed term other than itself.
    pub fn has_more_general(&self, root: u32, graph: &Nodes, search: &mut Search) -> bool {
        let graph = graph.view();
        let Search { met, later, pairs } = search;
        met.begin(self.longest);
        let mut waiting = 0;
        let mut child = self.root;
        let mut state = State { next: root, at: 0, tail: 0, bound: 0 };
        loop {
            // Down, as long as there is a child whose label begins with the term's own connective.
            while child & LEAF == 0 {
                // A node's label, then its children, which all meet the same part of the term.
                let Some((&head, rest)) = self.bytes.get(child as usize..).and_then(|bytes| bytes.split_first_chunk::<HEAD>()) else {
                    return false;
                };
                let head = u64::from_le_bytes(head);
                let (label, places) = rest.split_at((head >> 56) as usize);
                if !label.is_empty() && !met.follow(label, graph, &mut state) {
                    break;
                }
                let bits = head as u32;
                let with_bit = usize::from((head >> 32) as u8);
                let others = usize::from((head >> 40) as u16);
                let places = places.as_chunks::<NUMBER>().0;
                if later.len() < waiting + with_bit + others {
                    later.resize(2 * (waiting + with_bit + others), Default::default());
                }
                if others > 0 {
                    for &place in places.iter().skip(with_bit).take(others) {
                        later[waiting] = (u32::from_le_bytes(place), NO_BIT, state);
                        waiting += 1;
                    }
                }
                let id = state.next;
                // A variable that is bound has to be bound to the same; the next one is free. They are the first children.
                let free = 1 << state.bound.min(VARIABLES);
                let mut variables = bits & (free | met.variables_of(id) & (free - 1));
                while variables != 0 {
                    let variable = variables.trailing_zeros();
                    let before = (variables & variables.wrapping_neg()) - 1;
                    variables &= variables - 1;
                    if variable == state.bound || met.bound[variable as usize] == id {
                        let place = places[(bits & before).count_ones() as usize];
                        later[waiting] = (u32::from_le_bytes(place), variable, state);
                        waiting += 1;
                    }
                }
                // Connectives are the last children with a bit; the implication is the very last.
                let node = graph.get(id);
                let last = if node.left < TAGS {
                    if bits >> 31 == 0 {
                        break;
                    }
                    met.queue[state.tail as usize] = node.left;
                    state.tail += 1;
                    state.next = node.right;
                    1
                } else {
                    let connective = connective(node);
                    let above = if connective == 0 { 0 } else { bits >> (connective - WIDE + 26) };
                    if above & 1 == 0 {
                        break;
                    }
                    met.descend(connective, node, graph, &mut state);
                    above.count_ones() as usize
                };
                child = u32::from_le_bytes(places[with_bit - last]);
            }
            if child & LEAF != 0 && self.leaf((child & !LEAF) as usize, root, graph, (met, pairs), state) {
                return true;
            }
            // Back to the next child that may match.
            if waiting == 0 {
                return false;
            }
            waiting -= 1;
            let variable;
            (child, variable, state) = later[waiting];
            if variable != NO_BIT {
                if variable == state.bound {
                    met.bind(&mut state);
                }
                met.pass(&mut state);
            }
        }
    }

    /// Whether the leaf there is of another term that `root` is an instance of.
    #[inline]
    fn leaf(&self, place: usize, root: u32, graph: View, (met, pairs): (&mut Met, &mut Pairs), mut state: State) -> bool {
        let end = place + 1 + usize::from(self.bytes[place]);
        if !met.follow(&self.bytes[place + 1..end], graph, &mut state) {
            return false;
        }
        let general = self.bytes[end..].first_chunk().map_or(root, |&bytes| u32::from_le_bytes(bytes));
        general != root && pairs.is_instance(general, root, graph)
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

/// What a search needs, kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Search {
    met: Met,
    /// Children to look at later: the place, the variable that their labels begin with or [`NO_BIT`], how far the search was.
    later: Vec<(u32, u32, State)>,
    pairs: Pairs,
}
