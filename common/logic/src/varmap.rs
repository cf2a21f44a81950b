//! A map from variables to numbers that is an array for the usual small variables and a hash table for the rest, so
//! that a formula whose only variable is number four billion costs no gigabytes.

use std::collections::HashMap;

/// Variables below this one live in the array.
const DENSE: u32 = 1 << 16;
/// Marks a free place of the array.
const NONE: u32 = u32::MAX;

/// A map from `u32` variables to `u32` values below `u32::MAX`; cleared in constant time.
#[derive(Default)]
pub(crate) struct VarMap {
    dense: Vec<u32>,
    sparse: HashMap<u32, u32>,
}

impl VarMap {
    /// Forgets all entries.
    pub(crate) fn clear(&mut self) {
        self.dense.clear();
        self.sparse.clear();
    }

    /// The value of `var`, after setting it to `fresh` if there was none.
    pub(crate) fn get_or_insert(&mut self, var: u32, fresh: u32) -> u32 {
        if var >= DENSE {
            return *self.sparse.entry(var).or_insert(fresh);
        }
        let at = var as usize;
        if at >= self.dense.len() {
            self.dense.resize(at + 1, NONE);
        }
        if self.dense[at] == NONE {
            self.dense[at] = fresh;
        }
        self.dense[at]
    }

    /// The value of `var`.
    pub(crate) fn get(&self, var: u32) -> Option<u32> {
        if var >= DENSE {
            return self.sparse.get(&var).copied();
        }
        self.dense.get(var as usize).copied().filter(|&v| v != NONE)
    }
}
