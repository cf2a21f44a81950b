//! The lane of a probe: it looks once a beat for what several checks ask, and remembers what its views remember.

use super::memory::Remembered;
use super::{CheckSpec, ProbeSpec};
use crate::kind::{Look, Probe, Sample, Turns, Unseen};
use crate::lane::{Abort, Job, Outcome, Worker};
use crate::server::Held;
use jiff::Timestamp;
use ml_common::signal::Cancel;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A view keeps no more, in bytes of JSON.
const MEMORY_MAX: usize = 64 << 10;

/// What all probes are given.
#[derive(Clone)]
pub struct Shared {
    /// Says when to stop.
    pub cancel: Cancel,
    /// `--since`.
    pub since: Option<Timestamp>,
    /// What views remember, by their keys.
    pub memories: Arc<BTreeMap<String, Remembered>>,
}

/// See the module.
pub struct ProbeWorker {
    probe: Option<Box<dyn Probe>>,
    checks: Vec<Arc<CheckSpec>>,
    shared: Shared,
    abort: Abort,
    memories: BTreeMap<Arc<str>, Remembered>,
    turns: Turns,
    /// Under which key its turns are remembered.
    turns_key: Arc<str>,
    beat: u64,
    seen: BTreeMap<Arc<str>, Seen>,
}

/// What a look of this beat gave.
struct Seen {
    found: Result<Sample, Unseen>,
    /// It failed after all the time that it had, which was so much: whoever has more looks again.
    in_vain: Option<Duration>,
}

impl ProbeWorker {
    /// Without a probe nothing is ever asked of it.
    pub fn new(probe: Option<Box<dyn Probe>>, spec: &ProbeSpec, checks: Vec<Arc<CheckSpec>>, shared: Shared, abort: Abort) -> ProbeWorker {
        // No view has this name.
        let turns_key: Arc<str> = format!("{} rate_limit", spec.name).into();
        let turns = Turns::new(spec.pace, shared.memories.get(&*turns_key).map(|turns| turns.value.clone()).unwrap_or_default());
        let remembered = |check: &Arc<CheckSpec>| Some((Arc::clone(&check.key), shared.memories.get(&*check.key)?.clone()));
        let memories = checks.iter().filter_map(remembered).collect();
        ProbeWorker { probe, checks, shared, abort, memories, turns, turns_key, beat: 0, seen: BTreeMap::new() }
    }
}

impl Worker for ProbeWorker {
    fn make(&mut self, job: &Job) -> Outcome {
        if self.beat != job.beat {
            (self.beat, self.seen) = (job.beat, BTreeMap::new());
        }
        let (Some(check), Some(probe)) = (self.checks.get(job.check), &mut self.probe) else { return Outcome::Broken };
        let began = Instant::now();
        let given = job.until.saturating_duration_since(began);
        if let Some(seen) = self.seen.get(&check.key).filter(|seen| seen.in_vain.is_none_or(|had| given < had + had / 4)) {
            return Outcome::Seen(seen.found.clone(), Vec::new());
        }
        let (remembered, mut memory) = match self.memories.get(&check.key) {
            Some(remembered) => (Some(remembered.at), remembered.value.clone()),
            None => (None, Value::Null),
        };
        let mut look = Look {
            now: job.now,
            until: job.until,
            since: self.shared.since,
            memory: &mut memory,
            remembered,
            cancel: &self.shared.cancel,
            abort: &self.abort,
            turns: &mut self.turns,
        };
        let begun = look.turns.begin(look.left(), look.cancel);
        let mut seen = begun.and_then(|()| probe.take(check.view.name, &check.args, &mut look));
        if let Ok(sample) = &mut seen {
            sample.scrub();
        }
        // Some give up a little early, to have something to say.
        let in_vain = (seen.is_err() && began.elapsed() * 4 >= given * 3).then_some(given);
        self.seen.insert(Arc::clone(&check.key), Seen { found: seen.clone(), in_vain });
        // What failed remembers what it did before.
        let is_news = |memory: &Value| !memory.is_null() && is_small(memory, &check.key);
        // Nor does a look back: it saw all that there is, and what came since the last look is still to be told.
        let looked_back = self.shared.since.is_some() && self.memories.get(&check.key).is_some_and(|known| known.value == memory);
        let memory = (seen.is_ok() && !looked_back && is_news(&memory)).then_some(memory);
        if let Some(memory) = &memory {
            self.memories.insert(Arc::clone(&check.key), Remembered { at: job.now, value: memory.clone() });
        }
        // Of when the look began: what came while it went on is not in it.
        let known = |value: Value| Remembered { at: job.now, value };
        let mut kept: Vec<(Arc<str>, Remembered)> = memory.map(|memory| (Arc::clone(&check.key), known(memory))).into_iter().collect();
        // A request that failed was one.
        if !self.turns.memory.is_null() {
            kept.push((Arc::clone(&self.turns_key), known(self.turns.memory.clone())));
        }
        Outcome::Seen(seen, kept)
    }

    fn release(&mut self) -> Option<Held> {
        self.probe.as_mut()?.release()
    }

    fn adopt(&mut self, held: Held) {
        if let Some(probe) = &mut self.probe {
            probe.adopt(held);
        }
    }
}

fn is_small(memory: &Value, key: &str) -> bool {
    let size = memory.to_string().len();
    if size > MEMORY_MAX {
        log::warn!("what {key} would remember is too large ({size} bytes); it is forgotten");
    }
    size <= MEMORY_MAX
}

#[cfg(test)]
mod tests {
    use super::super::tests::profile;
    use super::*;
    use crate::kind::Args;
    use ml_common::{Class, Failure};

    /// Needs 100 ms.
    struct Slow;

    impl Probe for Slow {
        fn take(&mut self, _: &str, _: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
            let time = look.left();
            std::thread::sleep(time.min(Duration::from_millis(100)));
            let late = || Unseen::Failed(Failure::new(Class::General, format!("not done in {time:?}")));
            if time < Duration::from_millis(100) { Err(late()) } else { Ok(Sample::default().with("busy", 1)) }
        }
    }

    #[test]
    fn a_look_that_had_too_little_time_is_made_again_for_who_has_more() {
        let profile = profile("[[check]]\nid = \"a\"\nprobe = \"m\"\n[[check]]\nid = \"b\"\nprobe = \"m\"\n");
        let shared = Shared { cancel: Cancel::default(), since: None, memories: Arc::default() };
        let mut worker = ProbeWorker::new(Some(Box::new(Slow)), &profile.probes[0], profile.checks.clone(), shared, Abort::default());
        let mut look = |check, millis| {
            let job = Job { check, beat: 1, now: Timestamp::now(), until: Instant::now() + Duration::from_millis(millis) };
            match worker.make(&job) {
                Outcome::Seen(seen, _) => seen.is_ok(),
                other => panic!("{other:?}"),
            }
        };
        assert!(!look(0, 40));
        assert!(!look(1, 40), "who has no more time is told the same");
        assert!(look(1, 60_000), "another had 40 ms");
        assert!(look(0, 40), "what was seen is seen");
    }
}
