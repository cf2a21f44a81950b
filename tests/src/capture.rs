//! Reading a child's output while it runs, so that a test can wait for a line before it acts.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    closed: bool,
}

/// The growing output of one stream.
#[derive(Clone, Default)]
pub struct Capture {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.so_far())
    }
}

impl Capture {
    /// Reads `source` to its end on a thread of its own.
    pub fn of(mut source: impl Read + Send + 'static) -> Capture {
        let capture = Capture::default();
        let shared = capture.shared.clone();
        std::thread::spawn(move || {
            let mut buffer = [0u8; 16 * 1024];
            loop {
                let read = source.read(&mut buffer);
                let mut state = shared.0.lock().unwrap();
                match read {
                    Ok(count) if count > 0 => state.bytes.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    _ => state.closed = true,
                }
                shared.1.notify_all();
                if state.closed {
                    return;
                }
            }
        });
        capture
    }

    /// What has come until now.
    pub fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.shared.0.lock().unwrap().bytes).into_owned()
    }

    /// Waits until `enough` says so of the text; false when the stream ended or the time is over first.
    pub fn wait_for(&self, timeout: Duration, enough: impl Fn(&str) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.0.lock().unwrap();
        loop {
            if enough(&String::from_utf8_lossy(&state.bytes)) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return false;
            }
            state = self.shared.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Everything, once the stream is closed; None when it is still open after `timeout` (a grandchild inherited it).
    pub fn finish(&self, timeout: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.0.lock().unwrap();
        while !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.shared.1.wait_timeout(state, left).unwrap().0;
        }
        Some(std::mem::take(&mut state.bytes))
    }
}
