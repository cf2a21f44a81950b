//! A time limit around a call that knows none: name resolution, connecting to a hung local server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Calls that outlived their limit and still hang. Each keeps a thread, so a watcher must not pile them up.
static HUNG: AtomicIsize = AtomicIsize::new(0);
const HUNG_MAX: isize = 16;

/// Runs `work` on a thread of its own; `None` when it takes longer than `limit` (it is then left behind), or when too many earlier
/// calls still hang.
pub fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    counted(&HUNG, limit, work)
}

fn counted<T: Send + 'static>(hung: &'static AtomicIsize, limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if hung.load(Ordering::Relaxed) >= HUNG_MAX {
        return None;
    }
    let (done, result) = mpsc::sync_channel(1);
    // Whoever comes second, the one giving up or the work, sees that the other was there.
    let first = Arc::new(AtomicBool::new(true));
    let other = Arc::clone(&first);
    let thread = std::thread::Builder::new().name("deadline".into()).spawn(move || {
        // The caller may be gone; the value then ends here.
        let _ = done.send(work());
        if !other.swap(false, Ordering::SeqCst) {
            hung.fetch_sub(1, Ordering::Relaxed);
        }
    });
    thread.ok()?;
    let value = result.recv_timeout(limit).ok();
    if value.is_none() && first.swap(false, Ordering::SeqCst) {
        hung.fetch_add(1, Ordering::Relaxed);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Apart from the real one, which other tests need at the same time.
    static COUNT: AtomicIsize = AtomicIsize::new(0);

    #[test]
    fn a_call_that_hangs_is_left_behind_and_many_are_not_piled_up() {
        let (release, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        for _ in 0..HUNG_MAX {
            let wait = Arc::clone(&wait);
            assert_eq!(counted(&COUNT, Duration::from_millis(1), move || wait.lock().unwrap().recv().is_ok()), None);
        }
        assert_eq!(counted(&COUNT, Duration::from_secs(60), || 7), None, "too many still hang");
        drop(release);
        while COUNT.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(counted(&COUNT, Duration::from_secs(60), || 7), Some(7));
    }
}
