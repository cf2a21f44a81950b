//! One length: all candidates, of equal ones the first proof.

use super::Stop;
use super::block::{Blocks, Side};
use super::conclusion::Conclusion;
use super::known::Known;
use super::nodes::{Batch, Full, Nodes};
use super::rank::{Ranks, detachment_key, necessitation_key};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Premises that are loaded at a time: two blocks should fit the processor's nearest cache.
const BLOCK: u32 = 128;
/// Pairs of one piece of work, about.
const PAIRS: u64 = 1 << 15;

/// A piece of work, done by one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All pairs of two ranges of premises; the first as major ones and, if `both`, also as minor ones.
    Pairs {
        /// Numbers of premises.
        first: Range<u32>,
        /// Numbers of premises.
        second: Range<u32>,
        /// Whether the second are major premises too.
        both: bool,
    },
    /// Necessitations.
    Necessitations(Vec<u32>),
}

/// What can be read while a length is generated.
#[derive(Clone, Copy)]
pub struct Ground<'e> {
    /// The graph of all terms.
    pub nodes: &'e Nodes,
    /// The conclusions.
    pub known: &'e Known,
    /// The root of each old conclusion.
    pub roots: &'e [u32],
    /// Their proofs' places.
    pub ranks: &'e Ranks,
    /// What may not be kept.
    pub bounds: Bounds,
}

/// Bounds on conclusions, in symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A larger conclusion ends the run: the result would not be exact.
    pub most: u32,
    /// A larger conclusion is left out, knowingly.
    pub conclusion: u32,
    /// As is one with a larger consequent.
    pub consequent: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { most: 1 << 20, conclusion: u32::MAX, consequent: u32::MAX }
    }
}

/// How many candidates there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pairs of premises, and necessitations.
    pub candidates: u64,
    /// Of those, pairs without a conclusion.
    pub invalid: u64,
    /// Of those, conclusions left out for their size.
    pub bounded: u64,
}

impl Counts {
    /// Both together.
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            candidates: self.candidates + other.candidates,
            invalid: self.invalid + other.invalid,
            bounded: self.bounded + other.bounded,
        }
    }
}

/// Cuts all pairs of lengths that add up to `length` into pieces. `lengths` are the kept conclusions of each length from 1 on.
pub fn pieces(lengths: &[Range<u32>], length: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for first in 1..length.saturating_sub(1) {
        let second = length - 1 - first;
        if first < second {
            continue;
        }
        let (first_ids, second_ids) = (&lengths[first - 1], &lengths[second - 1]);
        if first_ids.is_empty() || second_ids.is_empty() {
            continue;
        }
        let partners = second_ids.len() as u64;
        let whole_blocks = (PAIRS / partners / u64::from(BLOCK)).max(1) as u32 * BLOCK;
        let mut start = first_ids.start;
        while start < first_ids.end {
            let end = start.saturating_add(whole_blocks).min(first_ids.end);
            pieces.push(Piece::Pairs { first: start..end, second: second_ids.clone(), both: first != second });
            start = end;
        }
    }
    pieces
}

/// One thread's workspace.
#[derive(Debug, Default)]
pub struct Worker {
    blocks: Blocks,
    conclusion: Conclusion,
    nodes: Batch,
    numbers: Batch,
    first: Vec<u32>,
    second: Vec<u32>,
}

/// Why a piece was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfinished {
    Full,
    Stop(Stop),
}

impl From<Full> for Unfinished {
    fn from(_: Full) -> Self {
        Unfinished::Full
    }
}

impl Worker {
    fn take(&mut self, ground: &Ground, key: u64, counts: &mut Counts) -> Result<(), Unfinished> {
        let (size, consequent) = self.conclusion.size();
        if size > ground.bounds.most {
            return Err(Unfinished::Stop(Stop::TooLarge(ground.bounds.most as usize)));
        }
        if size > ground.bounds.conclusion || consequent.is_some_and(|size| size > ground.bounds.consequent) {
            counts.bounded += 1;
            return Ok(());
        }
        ground.known.take(&mut self.conclusion, key, ground.nodes, &mut self.nodes, &mut self.numbers)?;
        Ok(())
    }

    fn piece(&mut self, piece: &Piece, ground: &Ground, stop: &dyn Fn() -> bool) -> Result<Counts, Unfinished> {
        let mut counts = Counts::default();
        let root = |id: u32| ground.roots[id as usize];
        match piece {
            Piece::Necessitations(ids) => {
                for chunk in ids.chunks(BLOCK as usize) {
                    self.blocks.load(Side::First, chunk.iter().map(|&id| root(id)), ground.nodes);
                    for (place, &id) in chunk.iter().enumerate() {
                        self.blocks.necessitate(place, &mut self.conclusion);
                        counts.candidates += 1;
                        self.take(ground, necessitation_key(ground.ranks.rank(id)), &mut counts)?;
                    }
                }
            }
            Piece::Pairs { first, second, both } => {
                for inner in blocks(second) {
                    self.blocks.load(Side::First, inner.clone().map(root), ground.nodes);
                    self.first.clear();
                    self.first.extend(inner.map(|id| ground.ranks.rank(id)));
                    for outer in blocks(first) {
                        if stop() {
                            return Err(Unfinished::Stop(Stop::Cancelled));
                        }
                        self.blocks.load(Side::Second, outer.clone().map(root), ground.nodes);
                        self.second.clear();
                        self.second.extend(outer.map(|id| ground.ranks.rank(id)));
                        self.all(*both, ground, &mut counts)?;
                    }
                }
            }
        }
        Ok(counts)
    }

    /// All pairs of the loaded blocks.
    fn all(&mut self, both: bool, ground: &Ground, counts: &mut Counts) -> Result<(), Unfinished> {
        for major in 0..self.second.len() {
            for minor in 0..self.first.len() {
                let key = detachment_key(self.second[major], self.first[minor]);
                self.pair((Side::Second, major), minor, key, ground, counts)?;
            }
        }
        for major in (0..self.first.len()).filter(|_| both) {
            for minor in 0..self.second.len() {
                let key = detachment_key(self.first[major], self.second[minor]);
                self.pair((Side::First, major), minor, key, ground, counts)?;
            }
        }
        Ok(())
    }

    fn pair(&mut self, major: (Side, usize), minor: usize, key: u64, ground: &Ground, counts: &mut Counts) -> Result<(), Unfinished> {
        counts.candidates += 1;
        if self.blocks.detach(major, minor, &mut self.conclusion) {
            return self.take(ground, key, counts);
        }
        counts.invalid += 1;
        Ok(())
    }

    /// Enters a conclusion that is an axiom.
    pub fn axiom(&mut self, root: u32, key: u64, ground: &Ground) -> Result<(), Full> {
        self.blocks.load(Side::First, [root], ground.nodes);
        self.blocks.repeat(0, &mut self.conclusion);
        ground.known.take(&mut self.conclusion, key, ground.nodes, &mut self.nodes, &mut self.numbers).map(|_| ())
    }

    /// Stores the conclusion of a proof of which is known that it has one; its root.
    pub fn again(&mut self, major: u32, minor: Option<u32>, nodes: &Nodes) -> Result<Option<u32>, Full> {
        self.blocks.load(Side::First, [major], nodes);
        match minor {
            None => self.blocks.necessitate(0, &mut self.conclusion),
            Some(minor) => {
                self.blocks.load(Side::Second, [minor], nodes);
                if !self.blocks.detach((Side::First, 0), 0, &mut self.conclusion) {
                    return Ok(None);
                }
            }
        }
        self.conclusion.store(nodes, &mut self.nodes).map(Some)
    }
}

fn blocks(ids: &Range<u32>) -> impl Iterator<Item = Range<u32>> + use<> {
    let end = ids.end;
    (ids.start..end).step_by(BLOCK as usize).map(move |start| start..start.saturating_add(BLOCK).min(end))
}

/// Does pieces of work with all threads of the pool until all are done or there is no room for more; those that are left.
///
/// # Errors
/// [`Stop`].
pub fn work(
    pieces: Vec<Piece>,
    ground: Ground,
    pool: &rayon::ThreadPool,
    stop: &(dyn Fn() -> bool + Sync),
    done: &Mutex<Counts>,
    progress: &AtomicU64,
) -> Result<Vec<Piece>, Stop> {
    let pieces = Mutex::new(pieces);
    let (full, stopped) = (AtomicBool::new(false), Mutex::new(None));
    pool.broadcast(|_| {
        let mut worker = Worker::default();
        while !full.load(Ordering::Relaxed) && locked(&stopped).is_none() {
            let Some(piece) = locked(&pieces).pop() else { break };
            match worker.piece(&piece, &ground, &stop) {
                Ok(counts) => {
                    let mut all = locked(done);
                    *all = all.plus(counts);
                    progress.store(all.candidates, Ordering::Relaxed);
                }
                Err(Unfinished::Full) => {
                    full.store(true, Ordering::Relaxed);
                    locked(&pieces).push(piece);
                }
                Err(Unfinished::Stop(stop)) => {
                    locked(&stopped).get_or_insert(stop);
                }
            }
        }
    });
    match locked(&stopped).take() {
        Some(stop) => Err(stop),
        None => Ok(std::mem::take(&mut *locked(&pieces))),
    }
}

/// A panic in another thread ends the pool's work anyway.
pub fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
