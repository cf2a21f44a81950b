//! Which new conclusions are proper instances of others, of the same length or before.

use super::{Exhaustive, Fresh, PATIENCE};
use crate::engine::bits::Bits;
use crate::engine::general::{Search, TooLarge, Tree};
use crate::engine::{Stop, order};
use rayon::prelude::*;
use std::ops::Range;

/// Terms of an index at most: with some more than usual bytes each they are as many as it can place.
const TERMS_OF_A_TREE: usize = 1 << 26;

impl Exhaustive {
    /// Prepares the search for instances; how many conclusions are to be looked at, in the order of their keys.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn queries(&mut self) -> Result<usize, Stop> {
        self.queries_among(0..self.len())
    }

    /// The same, where only these of the old conclusions are looked among, and all new ones.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn queries_among(&mut self, old: Range<usize>) -> Result<usize, Stop> {
        let filters = self.filters_next();
        let Some(fresh) = &mut self.fresh else { return Ok(0) };
        if !filters || fresh.new.is_empty() {
            return Ok(0);
        }
        let (nodes, old) = (&self.nodes, self.roots.get(old).unwrap_or_default());
        let all = || old.iter().copied().chain(fresh.new.iter().map(|&(_, root)| root)).collect::<Vec<u32>>();
        let terms = old.len() + fresh.new.len();
        let mut parts = self.pool.current_num_threads().max(terms.div_ceil(TERMS_OF_A_TREE));
        fresh.index = self.pool.install(|| {
            loop {
                let mut descending = order::descending(&all(), nodes);
                let size = terms.div_ceil(parts);
                let mut of_trees = Vec::new();
                while descending.len() > size {
                    of_trees.push(descending.split_off(descending.len() - size));
                    descending.shrink_to_fit();
                }
                of_trees.push(descending);
                let trees: Result<Vec<Tree>, TooLarge> = of_trees.into_par_iter().map(|terms| Tree::build(terms, nodes)).collect();
                match trees {
                    Ok(trees) => return trees,
                    Err(TooLarge) => parts *= 2,
                }
            }
        });
        fresh.dropped = Bits::new(nodes.len());
        Ok(fresh.new.len())
    }

    /// Looks which conclusions of a range of the queries are proper instances; the answers are kept, and returned.
    ///
    /// # Errors
    /// [`Stop::Cancelled`].
    pub fn filter(&self, range: Range<usize>, stop: &(dyn Fn() -> bool + Sync)) -> Result<Vec<bool>, Stop> {
        let Some(fresh) = self.fresh.as_ref().filter(|fresh| !fresh.index.is_empty()) else { return Ok(Vec::new()) };
        let Some(queries) = fresh.new.get(range) else { return Ok(Vec::new()) };
        let answers: Result<Vec<Vec<bool>>, Stop> = self.pool.install(|| {
            let chunks = queries.par_chunks(PATIENCE);
            let answer = |search: &mut Search, chunk: &[(u64, u32)]| {
                if stop() {
                    return Err(Stop::Cancelled);
                }
                let dropped = |&(_, root): &(u64, u32)| fresh.index.iter().any(|tree| tree.has_more_general(root, &self.nodes, search));
                Ok(chunk.iter().map(dropped).collect())
            };
            chunks.map_init(Search::default, answer).collect()
        });
        let answers: Vec<bool> = answers?.into_iter().flatten().collect();
        answer(fresh, queries, &answers);
        Ok(answers)
    }

    /// Takes answers that [`Exhaustive::filter`] gave before, for queries from `start` on.
    pub fn answered(&self, start: usize, answers: &[bool]) {
        let Some(fresh) = self.fresh.as_ref().filter(|fresh| !fresh.index.is_empty()) else { return };
        answer(fresh, fresh.new.get(start..start + answers.len()).unwrap_or_default(), answers);
    }
}

fn answer(fresh: &Fresh, queries: &[(u64, u32)], answers: &[bool]) {
    queries.iter().zip(answers).filter(|(_, dropped)| **dropped).for_each(|(&(_, root), _)| fresh.dropped.add(root as usize));
}
