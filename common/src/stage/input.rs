//! Where records come from: standard input, a file, or nowhere.

use super::args::Common;
use super::{InputUse, Tool};
use crate::failure::{Class, Failure, Result};
use crate::signal::{Cancel, POLL};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A tool that has waited so long without a byte says so.
const PATIENCE: Duration = Duration::from_secs(5);

/// The input to read, if any.
pub(super) fn open_input<T: Tool>(
    tool: &T,
    common: &Common,
    stdin: Box<dyn Read + Send>,
    holds_records: bool,
    terminal: bool,
) -> Result<Option<Box<dyn Read + Send>>> {
    if common.no_input {
        return Ok(None);
    }
    if let Some(path) = common.input.as_deref().filter(|path| *path != Path::new("-")) {
        let unreadable =
            |error| Failure::new(Class::Usage, format!("cannot read {}: {error}", path.display())).hint("name an existing file of records");
        return Ok(Some(Box::new(File::open(path).map_err(unreadable)?)));
    }
    match (tool.input(), common.input.is_some()) {
        (_, true) => Ok(Some(stdin)),
        (InputUse::OnRequest, false) => Ok(None),
        (InputUse::Optional | InputUse::Needed | InputUse::MayBeEmpty, false) if holds_records => Ok(Some(stdin)),
        (InputUse::Needed, false) if terminal => {
            Err(Failure::new(Class::Usage, format!("{} reads records, and its input is a terminal", T::NAME))
                .hint(format!("pipe a tool into it: ml-health | {}", T::NAME)))
        }
        // /dev/null and the like: nothing came, and the tool lives on what comes.
        (InputUse::Needed, false) => Ok(Some(Box::new(io::empty()))),
        (InputUse::Optional | InputUse::MayBeEmpty, false) => Ok(None),
    }
}

/// Says on stderr when nothing arrives for long, until it is dropped; a person may have forgotten that the tool reads its input.
pub struct Waiting(#[allow(dead_code, reason = "its end is what counts")] Arc<()>);

impl Waiting {
    /// Waiting begins.
    #[must_use]
    pub fn begin() -> Waiting {
        let alive = Arc::new(());
        let waiting = Arc::downgrade(&alive);
        std::thread::spawn(move || {
            let until = Instant::now() + PATIENCE;
            while waiting.strong_count() > 0 {
                if Instant::now() >= until {
                    return log::warn!("still waiting for records on standard input; --no-input would not");
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Waiting(alive)
    }
}

/// An input of which it is said when nothing arrives for long.
pub(super) struct Watched {
    input: Box<dyn Read + Send>,
    waiting: Option<Waiting>,
}

impl Watched {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Watched {
        Watched { input, waiting: Some(Waiting::begin()) }
    }
}

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(out)?;
        self.waiting = None;
        Ok(n)
    }
}

/// An input that is over when a signal comes. A read that blocks cannot be called off, so it has a thread of its own, which is left behind.
pub(super) struct Interruptible {
    chunks: Receiver<io::Result<Vec<u8>>>,
    rest: io::Cursor<Vec<u8>>,
    cancel: Cancel,
}

impl Interruptible {
    pub(super) fn new(mut input: Box<dyn Read + Send>, cancel: Cancel) -> Interruptible {
        // Room for a few: a stage before that writes fast is held up as by a pipe.
        let (tell, chunks) = mpsc::sync_channel(4);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let chunk = match input.read(&mut buffer) {
                    Ok(0) => return,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    other => other.map(|n| buffer[..n].to_vec()),
                };
                let failed = chunk.is_err();
                if tell.send(chunk).is_err() || failed {
                    return;
                }
            }
        });
        Interruptible { chunks, rest: io::Cursor::default(), cancel }
    }
}

impl Read for Interruptible {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.cancel.is_set() {
                return Ok(0);
            }
            match self.rest.read(out)? {
                0 if !out.is_empty() => {}
                n => return Ok(n),
            }
            match self.chunks.recv_timeout(POLL) {
                Ok(chunk) => self.rest = io::Cursor::new(chunk?),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_an_input_that_stays_open() {
        let (input, mut stage_before) = io::pipe().unwrap();
        let cancel = Cancel::default();
        let mut input = Interruptible::new(Box::new(input), cancel.clone());
        io::Write::write_all(&mut stage_before, b"abc").unwrap();
        let mut three = [0; 3];
        input.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"abc");
        cancel.set();
        assert_eq!(input.read(&mut three).unwrap(), 0);
    }

    #[test]
    fn all_of_an_input_arrives() {
        let bytes: Vec<u8> = (0..1_000_000u32).map(|i| i as u8).collect();
        let mut read = Vec::new();
        Interruptible::new(Box::new(io::Cursor::new(bytes.clone())), Cancel::default()).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }
}
