//! Which conclusions are there already, and the first proof of each new one.
//!
//! An open table of hash and number; what has the same hash is compared. Several threads look up and enter at once: a slot is taken by
//! compare-and-swap, and of two proofs of a new conclusion the smaller key wins whoever comes first, so the content does not depend on
//! the threads' timing. The numbers of new conclusions do, and have gaps.

use super::conclusion::Conclusion;
use super::nodes::{Batch, Full, NONE, Nodes};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Slots to ten conclusions.
const SLOTS_TO_TEN: usize = 15;

/// Conclusions by number: first the old ones, then the new ones with their keys.
#[derive(Debug, Default)]
pub struct Known {
    /// 0: free; else the upper half of the hash above the number plus one.
    slots: Vec<AtomicU64>,
    /// The node of each; [`NONE`] in gaps.
    roots: Vec<AtomicU32>,
    old: usize,
    /// The smallest key of each new one.
    keys: Vec<AtomicU64>,
    /// The lower half of the hash of each new one.
    lows: Vec<AtomicU32>,
    given: AtomicU32,
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was there.
    Known,
    /// It is there now.
    New,
}

fn slot_of(hash: u64, slots: usize) -> usize {
    (((hash & u64::from(u32::MAX)) * slots as u64) >> 32) as usize
}

impl Known {
    /// Those conclusions, with their hashes, and room for so many more.
    pub fn new(old: &[u32], hash: impl Fn(u32) -> u64, room: usize) -> Known {
        let mut known = Known { old: old.len(), given: AtomicU32::new(old.len() as u32), ..Known::default() };
        known.roots = old.iter().map(|&root| AtomicU32::new(root)).collect();
        known.make_room(room);
        for (&root, number) in old.iter().zip(0..) {
            known.enter(hash(root), number);
        }
        known
    }

    fn enter(&mut self, hash: u64, number: u32) {
        let mut at = slot_of(hash, self.slots.len());
        while *self.slots[at].get_mut() != 0 {
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
        *self.slots[at].get_mut() = hash >> 32 << 32 | (u64::from(number) + 1);
    }

    /// Room for so many more; `hash` is of an old conclusion's root.
    pub fn reserve(&mut self, more: usize, hash: impl Fn(u32) -> u64) {
        let slots = std::mem::take(&mut self.slots);
        self.make_room(more);
        for slot in slots.into_iter().map(AtomicU64::into_inner).filter(|&slot| slot != 0) {
            let number = slot as u32 - 1;
            let hash = match (number as usize).checked_sub(self.old) {
                Some(new) => slot >> 32 << 32 | u64::from(*self.lows[new].get_mut()),
                None => hash(*self.roots[number as usize].get_mut()),
            };
            self.enter(hash, number);
        }
    }

    fn make_room(&mut self, more: usize) {
        let room = (*self.given.get_mut() as usize + more).div_ceil(1 << 10) * (1 << 10) + (1 << 10);
        let room = room.max(self.roots.len());
        self.roots.reserve_exact(room - self.roots.len());
        self.roots.resize_with(room, AtomicU32::default);
        let new = room - self.old;
        self.keys.reserve_exact(new - self.keys.len());
        self.keys.resize_with(new, AtomicU64::default);
        self.lows.reserve_exact(new - self.lows.len());
        self.lows.resize_with(new, AtomicU32::default);
        let slots = room / 10 * SLOTS_TO_TEN + 16;
        self.slots = Vec::new();
        self.slots.reserve_exact(slots);
        self.slots.resize_with(slots, AtomicU64::default);
    }

    /// Memory of that many conclusions, of which so many are new, in bytes.
    pub fn memory_for(all: usize, new: usize) -> usize {
        all / 10 * SLOTS_TO_TEN * size_of::<u64>() + all * size_of::<u32>() + new * (size_of::<u64>() + size_of::<u32>())
    }

    /// Looks a conclusion up; when it is new it is entered with its key, and when it was new before it gets the smaller key.
    ///
    /// # Errors
    /// [`Full`]; the same call may then be repeated when there is room.
    pub fn take(
        &self,
        conclusion: &mut Conclusion,
        key: u64,
        graph: &Nodes,
        nodes: &mut Batch,
        numbers: &mut Batch,
    ) -> Result<Found, Full> {
        let hash = conclusion.hash();
        let mut at = slot_of(hash, self.slots.len());
        let mut root = NONE;
        loop {
            let slot = self.slots[at].load(Ordering::Acquire);
            if slot == 0 {
                if root == NONE {
                    root = conclusion.store(graph, nodes)?;
                }
                let number = numbers.next(&self.given, self.roots.len())?;
                let new = number as usize - self.old;
                self.keys[new].store(key, Ordering::Relaxed);
                self.lows[new].store(hash as u32, Ordering::Relaxed);
                self.roots[number as usize].store(root, Ordering::Relaxed);
                let entry = hash >> 32 << 32 | (u64::from(number) + 1);
                if self.slots[at].compare_exchange(0, entry, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                    numbers.used();
                    return Ok(Found::New);
                }
                // Somebody took the slot, perhaps for the same conclusion: look again. The number is free for the next one.
                self.roots[number as usize].store(NONE, Ordering::Relaxed);
                continue;
            }
            if slot >> 32 == hash >> 32 {
                let number = slot as u32 as usize - 1;
                let other = self.roots[number].load(Ordering::Relaxed);
                if if root == NONE { conclusion.is(other, graph) } else { other == root } {
                    if let Some(new) = number.checked_sub(self.old)
                        && key < self.keys[new].load(Ordering::Relaxed)
                    {
                        self.keys[new].fetch_min(key, Ordering::Relaxed);
                    }
                    return Ok(Found::Known);
                }
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }

    /// One more than the highest number in use.
    pub fn len(&self) -> usize {
        self.given.load(Ordering::Relaxed) as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The new conclusions, root and smallest key, in no order.
    pub fn new_ones(&self) -> impl Iterator<Item = (u32, u64)> {
        let new = self.roots[self.old..].iter().zip(&self.keys);
        new.map(|(root, key)| (root.load(Ordering::Relaxed), key.load(Ordering::Relaxed))).filter(|&(root, _)| root != NONE)
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> usize {
        let wide = self.slots.capacity() + self.keys.capacity();
        wide * size_of::<u64>() + (self.roots.capacity() + self.lows.capacity()) * size_of::<u32>()
    }
}
