//! What a length needs that is shared among several processes.

use super::{Bits, Exhaustive, Known, Part, Stop, order};

impl Exhaustive {
    /// Whether instances are looked for among the conclusions of the next length.
    pub fn filters_next(&self) -> bool {
        self.options.unfiltered_from.is_none_or(|from| self.lengths.len() + 1 < from)
    }

    /// The memory that generating a part of the next length's candidates is likely to need in all, in bytes.
    pub fn forecast_part(&self, part: Part) -> usize {
        let new = (self.candidates() / part.of as u64 * self.rates.0 / 1000) as usize + 1024;
        let nodes = new * self.rates.1 as usize / 100;
        let lists = self.steps.len() * 12 + self.ranks.memory() + self.len() * 8;
        lists + self.nodes.memory_with(nodes) + Known::memory_for(self.len() + new, new) + self.solid * size_of::<u64>()
    }

    /// As [`Exhaustive::queries`], for a caller that has all answers already: there is no index then, and nothing can be looked for.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn order(&mut self) -> Result<usize, Stop> {
        let filters = self.filters_next();
        let Some(fresh) = self.fresh.as_mut().filter(|_| filters) else { return Ok(0) };
        let new: Vec<u32> = fresh.new.iter().map(|&(_, root)| root).collect();
        if new.is_empty() {
            return Ok(0);
        }
        // Without the old ones it is the same order: no two terms are equal.
        fresh.queries = self.pool.install(|| order::sorted(&new, &self.nodes));
        fresh.dropped = Bits::new(self.nodes.len());
        Ok(fresh.queries.len())
    }
}
