//! Giving a dump to a program that reads it from its standard input: decrypted and unpacked on the way, never on a disk.

use super::Source;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, OrFail, Result, child};
use ml_dump::Programs;
use ml_dump::contents::{Contents, unreadable};
use ml_dump::copytext::Counter;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read};
use std::process::Stdio;
use std::thread::JoinHandle;

type Write = Box<dyn FnOnce(&mut PipeWriter) -> Result<()> + Send>;

/// What writes into a program's standard input.
pub struct Feed {
    from: PipeReader,
    to: PipeWriter,
    write: Write,
}

/// It is at work.
pub struct Feeding(JoinHandle<Result<()>>);

impl Feed {
    /// `write` is going to write.
    ///
    /// # Errors
    /// Class General when the system gives no pipe.
    pub fn new(write: impl FnOnce(&mut PipeWriter) -> Result<()> + Send + 'static) -> Result<Feed> {
        let (from, to) = io::pipe().or_fail(Class::General, || "making a pipe")?;
        Ok(Feed { from, to, write: Box::new(write) })
    }

    /// The dump as it is.
    ///
    /// # Errors
    /// Those of [`Source::stream`], and as [`Feed::new`].
    pub fn of(source: &Source) -> Result<Feed> {
        let mut bytes = source.stream()?;
        Feed::new(move |to| {
            let mut piece = vec![0; 1 << 18];
            loop {
                let length = match bytes.read(&mut piece) {
                    Ok(0) => return Ok(()),
                    Ok(length) => length,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => {
                        return Err(Failure::new(Class::Storage, format!("reading the dump: {error}"))
                            .hint("the file is damaged or cut off; use another backup"));
                    }
                };
                // A program that has ended says itself why.
                if io::Write::write_all(to, &piece[..length]).is_err() {
                    return Ok(());
                }
            }
        })
    }

    /// Begins; gives the program's standard input.
    pub fn start(self) -> (Stdio, Feeding) {
        let Feed { from, mut to, write } = self;
        (from.into(), Feeding(std::thread::spawn(move || write(&mut to))))
    }
}

impl Feeding {
    /// Why the dump could not be read, when the program has ended. That it did not read to the end is its own affair.
    ///
    /// # Errors
    /// Class Storage.
    pub fn finish(self) -> Result<()> {
        match self.0.join() {
            Ok(Err(failure)) if failure.class != Class::General => Err(failure),
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::new(Class::Internal, "reading the dump failed")),
        }
    }
}

/// Reads an archive of any form with pg_restore, which unpacks every block, and counts what comes out.
///
/// # Errors
/// Class Storage when it is damaged, and those of [`child::run`].
pub fn contents(source: &Source, programs: &Programs, cancel: &Cancel) -> Result<Contents> {
    let mut command = programs.command("pg_restore", None);
    command.args(["--data-only", "--file=-"]);
    let feeding = match source.direct().filter(|_| programs.on_this_machine()) {
        Some(path) => {
            command.arg(path);
            None
        }
        None => Some(Feed::of(source)?.start()),
    };
    let (stdin, feeding) = feeding.map_or((Stdio::null(), None), |(stdin, feeding)| (stdin, Some(feeding)));
    let mut text_bytes = 0;
    let consume = |out: &mut dyn Read| {
        let (mut counter, mut piece) = (Counter::default(), vec![0; 1 << 16]);
        loop {
            let length = out.read(&mut piece).or_fail(Class::General, || "reading from pg_restore")?;
            if length == 0 {
                return Ok(counter.finish());
            }
            text_bytes += length as u64;
            counter.push(&piece[..length])?;
        }
    };
    let ran = child::run_fed(command, stdin, cancel, None, consume);
    feeding.map_or(Ok(()), Feeding::finish)?;
    let (ended, read) = ran?;
    if !ended.status.success() {
        return Err(unreadable(&source.path, &ended.said()));
    }
    let (all, large_objects) = read?;
    Ok(Contents { tally: all.tally(large_objects), data: all.into_data(), text_bytes })
}
