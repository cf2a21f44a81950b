//! INT and TERM: the first asks for a clean stop, the second ends the process.

use crate::failure::{Class, Failure, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often waiting code looks whether it should stop.
pub const POLL: Duration = Duration::from_millis(50);

/// Time that work has to stop once its deadline has passed.
pub const GRACE: Duration = Duration::from_secs(60);

/// Signals closer together than this are one request.
const SAME_REQUEST: Duration = Duration::from_secs(1);

const TERM: usize = signal_hook::consts::SIGTERM as usize;
const INT: usize = signal_hook::consts::SIGINT as usize;

type Hook = Box<dyn Fn() + Send>;

/// Tells work in progress that it should stop. Cheap to clone and to ask.
#[derive(Clone, Default)]
pub struct Cancel {
    signal: Arc<AtomicUsize>,
    hooks: Arc<Mutex<Vec<(u64, Hook)>>>,
}

impl Cancel {
    /// Listens to INT and TERM from now on. A second signal, a second or more after the first, ends the process at once with 130 or 143;
    /// one that comes sooner is the same request twice (a supervisor tells the wrapper and the tools).
    ///
    /// # Errors
    /// Class Internal when the handlers cannot be installed.
    pub fn on_signals() -> Result<Cancel> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let cancel = Cancel::default();
        let again = Arc::new(AtomicBool::new(false));
        for (signal, number) in [(SIGINT, INT), (SIGTERM, TERM)] {
            signal_hook::flag::register_usize(signal, Arc::clone(&cancel.signal), number)
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&again)))
                .map_err(|error| Failure::new(Class::Internal, format!("cannot listen to signals: {error}")))?;
        }
        let watched = cancel.clone();
        // A query or a child that blocks cannot poll: this thread calls what they registered.
        std::thread::spawn(move || watched.watch(&again));
        Ok(cancel)
    }

    fn watch(&self, again: &AtomicBool) {
        let wait = |until: &dyn Fn() -> bool| {
            while !until() {
                std::thread::sleep(POLL);
            }
        };
        wait(&|| self.is_set());
        for (_, hook) in self.hooks().iter() {
            hook();
        }
        std::thread::sleep(SAME_REQUEST);
        again.store(false, Ordering::Relaxed);
        wait(&|| again.load(Ordering::Relaxed));
        std::process::exit(if self.signal.load(Ordering::Relaxed) == INT { 130 } else { 143 });
    }

    /// Stops the work as TERM would once `limit` has passed; what does not stop within [`GRACE`] more is ended where it is.
    pub fn after(&self, limit: Duration) {
        let cancel = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(limit);
            log::warn!("the deadline of {} has passed", humantime::format_duration(limit));
            // Whoever got a signal before keeps its code.
            let _ = cancel.signal.compare_exchange(0, TERM, Ordering::Relaxed, Ordering::Relaxed);
            std::thread::sleep(GRACE);
            std::process::exit(143);
        });
    }

    /// As if INT had arrived.
    #[cfg(test)]
    pub(crate) fn set(&self) {
        self.signal.store(INT, Ordering::Relaxed);
    }

    /// Whether work should stop.
    pub fn is_set(&self) -> bool {
        self.signal.load(Ordering::Relaxed) != 0
    }

    /// Ok to go on, or the failure to stop with.
    ///
    /// # Errors
    /// Class Interrupted or Terminated once a signal has arrived.
    pub fn check(&self) -> Result<()> {
        match self.signal.load(Ordering::Relaxed) {
            0 => Ok(()),
            INT => Err(Failure::new(Class::Interrupted, "interrupted")),
            _ => Err(Failure::new(Class::Terminated, "terminated")),
        }
    }

    /// Sleeps, but not past a signal.
    ///
    /// # Errors
    /// As [`Cancel::check`].
    pub fn sleep(&self, how_long: Duration) -> Result<()> {
        let until = std::time::Instant::now() + how_long;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(POLL));
        }
    }

    /// Calls `hook` when a signal arrives, until the returned guard is dropped: to cancel a running query, to end a child.
    pub fn when_set(&self, hook: impl Fn() + Send + 'static) -> HookGuard {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut hooks = self.hooks();
        if self.is_set() {
            hook();
        }
        hooks.push((id, Box::new(hook)));
        HookGuard { id, cancel: self.clone() }
    }

    fn hooks(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Hook)>> {
        self.hooks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Forgets its hook when dropped.
#[must_use = "the hook lasts as long as the guard"]
pub struct HookGuard {
    id: u64,
    cancel: Cancel,
}

impl Drop for HookGuard {
    fn drop(&mut self) {
        self.cancel.hooks().retain(|(id, _)| *id != self.id);
    }
}
