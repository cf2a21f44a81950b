//! One length after the other: from the store when it is there, else by the engine, written down on the way.

use super::answers::{Writing, left};
use super::journal::Journal;
use super::outlook::Outlook;
use super::store::Store;
use crate::engine::Stop;
use crate::engine::exhaustive::{Exhaustive, Length, Part};
use ml_common::{Class, Failure, people};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Queries between two entries in the journal, unless they are few.
const ENTRY: usize = 1 << 12;
/// Entries of a length, about, and of a part of one.
const ENTRIES: (usize, usize) = (64, 8);
/// Between two looks at how far the engine is.
const TICK: Duration = Duration::from_millis(100);

/// A length, and how it came to be.
#[derive(Clone, Debug)]
pub struct Made {
    /// What it has.
    pub length: Length,
    /// What it took when it was generated.
    pub duration_ms: u64,
    /// Whether it was in the store.
    pub stored: bool,
}

/// What makes lengths.
pub struct Run<'a> {
    /// The engine.
    pub engine: Exhaustive,
    /// Where they are kept.
    pub store: Option<Store>,
    /// Whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Whether a person sees how far it is.
    pub progress: bool,
    /// And what is to come.
    pub outlook: Outlook,
}

/// A stop of the engine that is a failure of the run.
pub fn stopped(stop: Stop) -> Failure {
    let failure = Failure::new(Class::General, stop.to_string());
    match stop {
        Stop::Memory { .. } => failure.hint("allow more with --memory-limit, or generate on a larger machine"),
        _ => failure,
    }
}

/// Why there is no further length.
#[derive(Debug)]
pub enum End {
    /// The engine stopped.
    Engine(Stop),
    /// Something else failed.
    Failed(Failure),
}

impl From<Stop> for End {
    fn from(stop: Stop) -> End {
        End::Engine(stop)
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> End {
        End::Failed(failure)
    }
}

impl Run<'_> {
    /// The next length.
    ///
    /// # Errors
    /// [`End`]; the lengths before are as they were, and in the store.
    pub fn next(&mut self) -> std::result::Result<Made, End> {
        if let Some(store) = &mut self.store
            && let Some((header, length)) = store.restore(&mut self.engine)?
        {
            self.outlook.done(length.length, length.candidates, Duration::from_millis(header.duration_ms));
            return Ok(Made { length, duration_ms: header.duration_ms, stored: true });
        }
        let began = Instant::now();
        let length = self.engine.lengths() + 1;
        let candidates = self.engine.candidates();
        let doing = self.outlook.told(length, candidates, self.engine.forecast());
        let journal = self.store.as_ref().map(|store| Journal::new(store.progress(length), store.last()));
        let of = self.candidates(&doing, journal.as_ref())?;
        let queries = self.engine.queries()?;
        let to = journal.as_ref().zip(of.as_deref()).map(|(journal, of)| Writing { journal, of, slice: Part::WHOLE, part: None });
        let left = to.map_or_else(|| left(0..queries, &[]), |to| self.known(to, queries));
        self.answers(&doing, queries, &left, 0, to)?;
        let length = self.engine.finish()?;
        self.outlook.done(length.length, candidates, began.elapsed());
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let (Some(store), Some(journal)) = (&mut self.store, &journal) {
            store.write(&self.engine, &length, duration_ms)?;
            journal.remove()?;
        }
        Ok(Made { length, duration_ms, stored: false })
    }

    /// The candidates, generated or as they were written down; the hash of their keys when there is a journal.
    fn candidates(&mut self, doing: &str, journal: Option<&Journal>) -> std::result::Result<Option<String>, End> {
        if let Some(found) = journal.and_then(|journal| journal.candidates(None))
            && self.engine.resume(&found.keys, found.counts)?.is_some()
        {
            return Ok(Some(found.hash));
        }
        self.generate(doing, Part::WHOLE)?;
        match (journal, self.engine.in_progress()) {
            (Some(journal), Some((keys, counts))) => Ok(Some(journal.write_candidates(keys, counts)?)),
            _ => Ok(None),
        }
    }

    /// Generates the candidates of the next length, or a part of them; a person sees it as `doing`.
    pub fn generate(&mut self, doing: &str, part: Part) -> std::result::Result<(), Stop> {
        let all = self.engine.candidates() / part.of as u64;
        let tried = AtomicU64::new(0);
        let (engine, stop) = (&mut self.engine, self.stop);
        watched(self.progress && all > 0, format!("{doing}: candidates"), all, &tried, || engine.generate(part, stop, &tried))
    }

    /// Takes all answers from the journal; the queries that are not answered by them.
    fn known(&self, to: Writing, queries: usize) -> Vec<Range<usize>> {
        let mut entries = to.journal.entries(to.of, queries);
        entries.retain(|entry| {
            let answers = to.journal.answers(to.of, entry);
            answers.iter().for_each(|answers| self.engine.answered(entry.range.start, answers));
            answers.is_some()
        });
        left(0..queries, &entries)
    }

    /// Looks which candidates are instances, of so many those that are `left`. The engine has them from number `skipped` on.
    pub fn answers(
        &self,
        doing: &str,
        all: usize,
        left: &[Range<usize>],
        skipped: usize,
        to: Option<Writing>,
    ) -> std::result::Result<(), End> {
        let entries = if to.is_some_and(|to| to.part.is_some()) { ENTRIES.1 } else { ENTRIES.0 };
        let entry = all.div_ceil(entries).max(ENTRY);
        let answered = AtomicU64::new((all - left.iter().map(Range::len).sum::<usize>()) as u64);
        watched(self.progress && !left.is_empty(), format!("{doing}: instances"), all as u64, &answered, || {
            for Range { start, end } in left.iter().cloned() {
                for start in (start..end).step_by(entry) {
                    let end = (start + entry).min(end);
                    let answers = self.engine.filter(start - skipped..end - skipped, self.stop)?;
                    if let Some(to) = to {
                        to.journal.write_answers(start, &answers, &to)?;
                    }
                    answered.fetch_add(answers.len() as u64, Ordering::Relaxed);
                }
            }
            Ok(())
        })
    }
}

/// Does something while a line on the terminal shows how far it is.
fn watched<T>(shown: bool, doing: String, total: u64, done: &AtomicU64, act: impl FnOnce() -> T) -> T {
    if !shown {
        return act();
    }
    let bar = people::progress(doing, Some(total));
    let over = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                bar.set_position(done.load(Ordering::Relaxed));
                std::thread::park_timeout(TICK);
            }
        });
        let result = act();
        over.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        result
    });
    bar.finish_and_clear();
    result
}
