//! Between the sessions that copy, the threads that compress and the one that writes: what is to be done next, and how much may be in
//! memory.
//!
//! Parts are copied side by side and written one after another. What is copied before its turn has to wait in memory, so there is a limit
//! to it; the part whose turn it is has a reserve of its own, so that it always goes on.

use super::parts::Job;
use ml_common::signal::{Cancel, POLL};
use ml_common::{Failure, Result};
use ml_dump::compression::Sum;
use ml_dump::fingerprint::Fingerprint;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A segment has about so much text.
pub const SEGMENT: usize = 4 << 20;

/// Room for a segment and the row that goes beyond it: doubled again and again, a buffer would have twice that.
const BUFFER: usize = SEGMENT + SEGMENT / 8;

/// Bytes that may wait, besides the reserve.
const LIMIT: usize = 48 << 20;

/// Where a piece belongs: the number of its part among all parts, and its own within the part.
pub type Place = (u64, u32);

/// A part that a session is to copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its number among all parts.
    pub number: u64,
    /// Which job it is of.
    pub job: usize,
    /// Its number among the job's parts.
    pub part: u64,
}

/// Rows of one part.
#[derive(Debug)]
pub struct Raw {
    /// Where they belong.
    pub place: Place,
    /// Whole rows of COPY text.
    pub text: Vec<u8>,
}

/// A piece that is ready to be written.
#[derive(Debug, Default)]
pub struct Packed {
    /// As it stands in the archive.
    pub bytes: Vec<u8>,
    /// Its rows.
    pub print: Fingerprint,
    /// Their size and checksum as text.
    pub sum: Sum,
    /// Lower-case hex SHA-256 of the bytes.
    pub sha256: String,
}

/// What is written next of a part.
#[derive(Debug)]
pub enum Next {
    /// This.
    Piece(Packed),
    /// Nothing more.
    End,
}

/// The state that all threads share.
pub struct Flow<'a> {
    jobs: &'a [Job],
    cancel: &'a Cancel,
    /// Reserve of the part whose turn it is, in segments.
    reserve: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The next part to be copied; its job is the number of jobs when there is none.
    next: Part,
    /// Sessions at work.
    copying: usize,
    /// The part that is being written.
    head: u64,
    /// Bytes in memory.
    used: usize,
    /// Pieces of each part that are in memory.
    pieces: BTreeMap<u64, usize>,
    raw: VecDeque<Raw>,
    packed: BTreeMap<Place, Packed>,
    /// Pieces of each part that was copied to its end.
    ends: BTreeMap<u64, u32>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
    failure: Option<Failure>,
    stopped: bool,
}

impl<'a> Flow<'a> {
    /// For these jobs, `sessions` that copy and as many threads that compress.
    pub fn new(jobs: &'a [Job], sessions: usize, cancel: &'a Cancel) -> Flow<'a> {
        let state = State { copying: sessions, ..State::default() };
        Flow { jobs, cancel, reserve: sessions.clamp(2, 8), state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready` has an answer; None once all has stopped.
    fn wait<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let mut state = self.state();
        loop {
            if state.stopped || self.cancel.is_set() {
                return None;
            }
            if let Some(answer) = ready(&mut state) {
                return Some(answer);
            }
            // Awake now and then, for a signal.
            (state, _) = self.changed.wait_timeout(state, 4 * POLL).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// The next part to copy; None when there is none left.
    pub fn part(&self) -> Option<Part> {
        let mut state = self.state();
        let (part, job) = (state.next, self.jobs.get(state.next.job)?);
        if state.stopped {
            return None;
        }
        state.next = if part.part + 1 < job.parts {
            Part { number: part.number + 1, part: part.part + 1, ..part }
        } else {
            Part { number: part.number + 1, job: part.job + 1, part: 0 }
        };
        Some(part)
    }

    /// Waits until another segment of this part may be copied, and gives an empty buffer for it; None once all has stopped.
    pub fn admit(&self, part: u64) -> Option<Vec<u8>> {
        let buffer = self.wait(|state| {
            let own = state.pieces.get(&part).copied().unwrap_or_default();
            let admitted = state.used + SEGMENT <= LIMIT || (part == state.head && own < self.reserve);
            admitted.then(|| {
                state.used += SEGMENT;
                *state.pieces.entry(part).or_default() += 1;
                state.spare.pop()
            })
        })?;
        Some(buffer.unwrap_or_else(|| Vec::with_capacity(BUFFER)))
    }

    /// Hands rows over to be compressed.
    pub fn copied(&self, raw: Raw) {
        self.change(|state| {
            state.used = state.used + raw.text.len() - SEGMENT;
            state.raw.push_back(raw);
        });
    }

    /// An admitted segment turned out to be empty.
    pub fn nothing(&self, part: u64, buffer: Vec<u8>) {
        self.change(|state| {
            state.used -= SEGMENT;
            state.forget(part);
            state.spare.push(buffer);
        });
    }

    /// Hands over, in place of an admitted segment, what needs no compressing.
    pub fn ready(&self, place: Place, packed: Packed) {
        self.change(|state| {
            state.used = state.used + packed.bytes.len() - SEGMENT;
            state.packed.insert(place, packed);
        });
    }

    /// A part was copied to its end.
    pub fn ended(&self, part: u64, pieces: u32) {
        self.change(|state| {
            state.ends.insert(part, pieces);
        });
    }

    /// A session has no more to do.
    pub fn left(&self) {
        self.change(|state| state.copying -= 1);
    }

    /// A session could not be opened; the others do without, if there are any.
    pub fn without(&self, failure: Failure) {
        let last = {
            let mut state = self.state();
            state.copying -= 1;
            let left = state.next.job < self.jobs.len();
            state.copying == 0 && left
        };
        if last {
            return self.stop(failure);
        }
        log::info!("one session fewer: {failure}");
        self.changed.notify_all();
    }

    /// Rows to compress; None when there will be no more.
    pub fn raw(&self) -> Option<Raw> {
        self.wait(|state| match state.raw.pop_front() {
            Some(raw) => Some(Some(raw)),
            None if state.copying == 0 => Some(None),
            None => None,
        })?
    }

    /// Rows were compressed; the buffer that they were in is used again.
    pub fn compressed(&self, raw: Raw, packed: Packed) {
        self.change(|state| {
            state.used = state.used + packed.bytes.len() - raw.text.len();
            state.packed.insert(raw.place, packed);
            let mut buffer = raw.text;
            // The buffer of a huge row is not kept.
            if buffer.capacity() <= 2 * BUFFER {
                buffer.clear();
                state.spare.push(buffer);
            }
        });
    }

    /// What is written next of the part whose turn it is; waits for it. None once all has stopped.
    pub fn next(&self, place: Place) -> Option<Next> {
        self.wait(|state| {
            if let Some(packed) = state.packed.remove(&place) {
                return Some(Next::Piece(packed));
            }
            (state.ends.get(&place.0) == Some(&place.1)).then_some(Next::End)
        })
    }

    /// A piece was written.
    pub fn written(&self, part: u64, bytes: usize) {
        self.change(|state| {
            state.used -= bytes;
            state.forget(part);
        });
    }

    /// A part was written to its end: it is the next one's turn.
    pub fn advance(&self) {
        self.change(|state| {
            let head = state.head;
            state.ends.remove(&head);
            state.pieces.remove(&head);
            state.head += 1;
        });
    }

    /// Stops everything. Of several failures the first is the cause.
    pub fn stop(&self, failure: Failure) {
        self.change(|state| {
            if !state.stopped {
                (state.stopped, state.failure) = (true, Some(failure));
            }
        });
    }

    /// Why it stopped, if it did.
    ///
    /// # Errors
    /// The first failure.
    pub fn outcome(&self) -> Result<()> {
        self.state().failure.take().map_or(Ok(()), Err)
    }
}

impl State {
    fn forget(&mut self, part: u64) {
        if let Some(pieces) = self.pieces.get_mut(&part) {
            *pieces -= 1;
            if *pieces == 0 {
                self.pieces.remove(&part);
            }
        }
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
