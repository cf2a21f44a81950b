//! Which terms are there already: a hash table of term numbers with open addressing. Bytes are compared on every match; nothing here is
//! probable only.

use super::packed::Terms;

/// A table of numbers of terms that live in a [`Terms`], each once.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// 0: free; else the upper half of the hash above the term's number plus one.
    slots: Vec<u64>,
    len: usize,
}

/// Slots of the smallest table; a power of two, as all sizes are.
const SMALLEST: usize = 1 << 10;

impl Table {
    /// The number of the term with these bytes.
    pub fn find(&self, hash: u64, bytes: &[u8], terms: &Terms) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            let id = slot as u32 - 1;
            if slot >> 32 == hash >> 32 && terms.get(id) == bytes {
                return Some(id);
            }
            at = (at + 1) & mask;
        }
    }

    /// Enters term `id`, which has this hash, is in `terms` and not yet here. `id` is below `u32::MAX`.
    pub fn insert(&mut self, hash: u64, id: u32, terms: &Terms) {
        if self.slots.len() < SMALLEST || self.len * 5 >= self.slots.len() * 3 {
            self.grow(terms);
        }
        self.place(hash, id);
        self.len += 1;
    }

    fn place(&mut self, hash: u64, id: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = hash >> 32 << 32 | (u64::from(id) + 1);
    }

    fn grow(&mut self, terms: &Terms) {
        let larger = vec![0; (self.slots.len() * 2).max(SMALLEST)];
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot != 0 {
                let id = slot as u32 - 1;
                self.place(hash(terms.get(id)), id);
            }
        }
    }

    /// Forgets everything, and enters the first `len` terms.
    pub fn reset(&mut self, len: usize, terms: &Terms) {
        self.slots.fill(0);
        self.len = 0;
        for id in 0..len as u32 {
            self.insert(hash(terms.get(id)), id, terms);
        }
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }
}

/// A hash of bytes, the same everywhere: eight at a time, each multiplied into 128 bits that are folded into 64.
pub fn hash(bytes: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let mut h = K ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        h = fold(h ^ u64::from_le_bytes(word), K);
    }
    let mut word = [0; 8];
    word[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    h = fold(h ^ u64::from_le_bytes(word), K);
    fold(h, 0xd6e8_feb8_6659_fd93)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_entered_also_after_growing() {
        let mut terms = Terms::default();
        let mut table = Table::default();
        let bytes = |n: u32| [&n.to_le_bytes()[..], &[7; 6]].concat();
        for n in 0..5000 {
            assert_eq!(table.find(hash(&bytes(n)), &bytes(n), &terms), None);
            terms.push(&bytes(n));
            table.insert(hash(&bytes(n)), n, &terms);
        }
        assert!((0..5000).all(|n| table.find(hash(&bytes(n)), &bytes(n), &terms) == Some(n)));
        terms.truncate(10);
        table.reset(10, &terms);
        assert_eq!(table.find(hash(&bytes(9)), &bytes(9), &terms), Some(9));
        assert_eq!(table.find(hash(&bytes(10)), &bytes(10), &terms), None);
    }

    #[test]
    fn equal_hashes_are_not_equal_terms() {
        let mut terms = Terms::default();
        let mut table = Table::default();
        for n in 0..3u8 {
            terms.push(&[n]);
            table.insert(77, u32::from(n), &terms);
        }
        assert_eq!(table.find(77, &[1], &terms), Some(1));
        assert_eq!(table.find(77, &[3], &terms), None);
    }
}
