//! What a length needs that is shared among several processes.

use super::{Exhaustive, Node, TAGS, VARIABLE, mix, packed, variable_hash};

impl Exhaustive {
    /// Whether instances are looked for among the conclusions of the next length.
    pub fn filters_next(&self) -> bool {
        self.options.unfiltered_from.is_none_or(|from| self.lengths.len() + 1 < from)
    }

    /// What keys stand for, each [`packed`]; `None` where one is the key of nothing.
    ///
    /// [`packed`]: super::packed
    pub fn steps_of(&mut self, keys: impl Iterator<Item = u64>) -> Option<Vec<u64>> {
        self.rank();
        keys.map(|key| self.ranks.checked_step(key, self.axioms.len()).map(packed)).collect()
    }

    /// A number for each conclusion of the length in progress, in the order of the keys: the same for the same conclusion, in whichever
    /// process, and seldom the same for two. Whoever writes it down writes [`PRINTS`] down too.
    pub fn prints(&self) -> Vec<u64> {
        let mut prints = vec![0; self.nodes.len()];
        let mut open: Vec<u32> = Vec::new();
        let new = self.fresh.as_ref().map_or(&[][..], |fresh| &fresh.new);
        new.iter().map(|&(_, root)| self.print(root, &mut prints, &mut open)).collect()
    }

    fn print(&self, root: u32, prints: &mut [u64], open: &mut Vec<u32>) -> u64 {
        open.push(root);
        while let Some(&id) = open.last() {
            let Node { left, right } = self.nodes.get(id);
            let leaf = left == VARIABLE;
            let missing = |part: u32| prints[part as usize] == 0;
            let parts = [(left < TAGS).then_some(left), (!leaf).then_some(right)];
            let before = open.len();
            open.extend(parts.into_iter().flatten().filter(|&part| missing(part)));
            if open.len() == before {
                let of = |part: u32| if part < TAGS { prints[part as usize] } else { u64::from(part) };
                let print = if leaf { variable_hash(right) } else { mix(of(left), of(right)) };
                // 0 is none.
                prints[id as usize] = print.max(1);
                open.pop();
            }
        }
        prints[root as usize]
    }
}

/// Which numbers [`Exhaustive::prints`] gives; it changes with them.
pub const PRINTS: u32 = 2;
