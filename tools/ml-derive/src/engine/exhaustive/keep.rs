//! The end of a length: what stays of the graph.

use super::Exhaustive;
use crate::engine::nodes::{NONE, Node, TAGS, VARIABLE};
use std::ops::Range;

impl Exhaustive {
    /// Makes steps with these roots the next length. Nodes are numbered anew in a fixed order, and those that nobody needs go.
    pub(super) fn keep(&mut self, kept: &[(u64, u32)]) -> Range<u32> {
        let first = self.roots.len() as u32;
        let mut renumbered: Vec<u32> = vec![NONE; self.nodes.len() - self.solid];
        let mut nodes: Vec<Node> = Vec::with_capacity(kept.len() * 3);
        let solid = self.solid;
        let mut open: Vec<u32> = Vec::new();
        self.roots.reserve_exact(kept.len());
        self.steps.reserve_exact(kept.len());
        for &(step, root) in kept {
            open.push(root);
            while let Some(&id) = open.last() {
                let Some(at) = (id as usize).checked_sub(solid).filter(|&at| renumbered[at] == NONE) else {
                    open.pop();
                    continue;
                };
                let Node { left, right } = self.nodes.get(id);
                let is_open = |part: u32| (part as usize).checked_sub(solid).is_some_and(|at| renumbered[at] == NONE);
                let parts = (left < TAGS && is_open(left), left != VARIABLE && is_open(right));
                if parts.0 || parts.1 {
                    open.extend(parts.1.then_some(right));
                    open.extend(parts.0.then_some(left));
                    continue;
                }
                let new = |part: u32| (part as usize).checked_sub(solid).map_or(part, |at| renumbered[at]);
                let left = if left < TAGS { new(left) } else { left };
                let right = if left == VARIABLE { right } else { new(right) };
                renumbered[at] = (solid + nodes.len()) as u32;
                nodes.push(Node { left, right });
                open.pop();
            }
            let root = (root as usize).checked_sub(solid).map_or(root, |at| renumbered[at]);
            self.roots.push(root);
            self.steps.push(step);
        }
        drop(renumbered);
        self.nodes.replace_from(solid, &nodes);
        self.grown = nodes.len();
        self.solid = self.nodes.len();
        let kept = first..self.roots.len() as u32;
        self.lengths.push(kept.clone());
        kept
    }
}
