//! A time limit around a call that knows none: name resolution, connecting to a hung local server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Calls that outlived their limit and still hang. Each keeps a thread, so a watcher must not pile them up.
static HUNG: AtomicUsize = AtomicUsize::new(0);
const HUNG_MAX: usize = 16;

/// Runs `work` on a thread of its own; `None` when it takes longer than `limit` (it is then left behind), or when too many earlier
/// calls still hang.
pub(crate) fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if HUNG.load(Ordering::Relaxed) >= HUNG_MAX {
        return None;
    }
    let (done, result) = mpsc::sync_channel(1);
    HUNG.fetch_add(1, Ordering::Relaxed);
    let thread = std::thread::Builder::new().name("deadline".into()).spawn(move || {
        let value = work();
        HUNG.fetch_sub(1, Ordering::Relaxed);
        // The caller may be gone; its value then ends here.
        let _ = done.send(value);
    });
    if thread.is_err() {
        HUNG.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    result.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_hangs_is_left_behind() {
        let (release, wait) = mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(20), move || wait.recv().is_ok()), None);
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        release.send(()).unwrap();
    }
}
