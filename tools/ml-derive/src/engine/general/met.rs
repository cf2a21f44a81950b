//! What a search has met of the term: how it goes on, and what the general term's variables stand for.

use super::VARIABLES;
use crate::engine::nodes::{AND, BOX, NOT, Node, OR, TAGS, View};
use crate::engine::spine::{AND_BYTE, BOX_BYTE, IMP_BYTE, NOT_BYTE, OR_BYTE, WIDE, variable, width};

/// How far a search has come in the term.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// The node that is met next.
    pub(super) next: u32,
    /// The first antecedent in the queue that was not met, and the queue's end.
    pub(super) at: u32,
    pub(super) tail: u32,
    /// How many variables are bound.
    pub(super) bound: u32,
}

/// The byte of a node's connective; 0 for a variable.
#[inline]
pub(super) fn connective(node: Node) -> u8 {
    const OF_TAG: [u8; 16] = {
        let mut bytes = [0; 16];
        bytes[(NOT - TAGS) as usize] = NOT_BYTE;
        bytes[(BOX - TAGS) as usize] = BOX_BYTE;
        bytes[(AND - TAGS) as usize] = AND_BYTE;
        bytes[(OR - TAGS) as usize] = OR_BYTE;
        bytes
    };
    if node.left < TAGS { IMP_BYTE } else { OF_TAG[(node.left - TAGS) as usize & 15] }
}

/// What a search has met of the term on its way to where it is.
#[derive(Clone, Debug)]
pub(super) struct Met {
    /// Antecedents to be matched; those of a place in the tree are a beginning of those of all places below.
    pub(super) queue: Vec<u32>,
    /// The node that each variable of the general term stands for.
    pub(super) bound: Vec<u32>,
    /// By the last bits of a node: which variables may stand for it, as bits. Some no longer do.
    variables: [u32; 64],
}

impl Default for Met {
    fn default() -> Self {
        Met { queue: Vec::new(), bound: Vec::new(), variables: [0; 64] }
    }
}

impl Met {
    /// For terms with so many parts at most.
    pub(super) fn begin(&mut self, longest: usize) {
        if self.queue.len() < longest {
            self.queue.resize(longest, 0);
            self.bound.resize(longest, 0);
        }
        self.variables = [0; 64];
    }

    /// Variables that may stand for this node, and perhaps others.
    #[inline]
    pub(super) fn variables_of(&self, id: u32) -> u32 {
        self.variables[id as usize % 64]
    }

    /// Lets the next variable stand for what is next.
    #[inline]
    pub(super) fn bind(&mut self, state: &mut State) {
        self.bound[state.bound as usize] = state.next;
        if state.bound < VARIABLES {
            self.variables[state.next as usize % 64] |= 1 << state.bound;
        }
        state.bound += 1;
    }

    /// Matches a label; whether it fits.
    #[inline]
    pub(super) fn follow(&mut self, mut label: &[u8], graph: View, state: &mut State) -> bool {
        while let [byte, rest @ ..] = label {
            let byte = *byte;
            let symbol = label;
            label = rest;
            if byte > WIDE {
                let node = graph.get(state.next);
                if connective(node) != byte {
                    return false;
                }
                self.descend(byte, node, graph, state);
                continue;
            }
            let mut number = u32::from(byte);
            if byte == WIDE {
                number = variable(symbol);
                label = symbol.get(width(WIDE)..).unwrap_or_default();
            }
            if number >= state.bound {
                self.bind(state);
            } else if self.bound[number as usize] != state.next {
                return false;
            }
            self.pass(state);
        }
        true
    }

    /// Goes past a whole part of the term.
    #[inline]
    pub(super) fn pass(&self, state: &mut State) {
        // At the end of the term whatever is there is not looked at.
        state.next = self.queue[state.at as usize];
        state.at += 1;
    }

    /// Goes on to the consequent and puts the antecedent into the queue.
    #[inline]
    pub(super) fn descend(&mut self, connective: u8, node: Node, graph: View, state: &mut State) {
        state.next = node.right;
        let mut antecedent = node.left;
        match connective {
            NOT_BYTE | BOX_BYTE => return,
            IMP_BYTE => {}
            _ => {
                let parts = graph.get(node.right);
                (antecedent, state.next) = (parts.left, parts.right);
            }
        }
        self.queue[state.tail as usize] = antecedent;
        state.tail += 1;
    }
}
