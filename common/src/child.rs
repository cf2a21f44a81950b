//! Child processes: never on our stdin or stdout, ended with us, their words kept for the error text.

use crate::failure::{Class, Failure, OrFail, Result};
use crate::platform;
use crate::signal::Cancel;
use std::fs::File;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So much of a child's stderr is kept, from its end.
const KEPT_STDERR: usize = 16 * 1024;

/// Time between asking a child to end and ending it.
const POLITE: Duration = Duration::from_secs(5);

/// The same for a child that has nothing to put in order.
const CURT: Duration = Duration::from_millis(100);

/// What is already said by a child that was killed is read for so long.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How a child ended and what it said on stderr (the last 16 KiB).
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// The last of its stderr.
    pub stderr: String,
}

impl Ended {
    /// The last lines of stderr on one line, for an error text.
    pub fn said(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(4)..].join("; ")
    }
}

/// What the rest of a child's output is to whoever has read its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The child is to come to its own end.
    Awaited,
    /// It has served; it is ended.
    Unwanted,
}

/// Runs `command` to its end, handing its stdout to `consume`. It is ended when a signal arrives, the deadline passes, `consume` fails or
/// this process dies.
///
/// # Errors
/// Class Internal when it cannot be started, General past the deadline, those of `consume`, and Interrupted or Terminated. A child that
/// ends badly is not an error here: ask [`Ended::status`].
pub fn run<T>(
    command: Command,
    cancel: &Cancel,
    deadline: Option<Duration>,
    consume: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<(Ended, T)> {
    run_fed(command, Stdio::null(), cancel, deadline, consume)
}

/// The same, with an open file as the child's stdin (never our own stdin).
///
/// # Errors
/// As [`run`].
pub fn run_fed<T>(
    command: Command,
    stdin: Stdio,
    cancel: &Cancel,
    deadline: Option<Duration>,
    consume: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<(Ended, T)> {
    run_whole(command, stdin, cancel, deadline, POLITE, |out| consume(out).map(|consumed| (consumed, Rest::Awaited)))
}

/// As [`run`], for a child whose work is lost with no harm: past its deadline it is ended at once, deaf or not.
///
/// # Errors
/// As [`run`].
pub fn run_curtly<T>(
    command: Command,
    cancel: &Cancel,
    deadline: Duration,
    consume: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<(Ended, T)> {
    run_whole(command, Stdio::null(), cancel, Some(deadline), CURT, |out| consume(out).map(|consumed| (consumed, Rest::Awaited)))
}

/// As [`run`] without a deadline, for a child that is perhaps not wanted to its end: `consume` says so. How one ended that was not wanted
/// says nothing.
///
/// # Errors
/// As [`run`].
pub fn run_part<T>(command: Command, cancel: &Cancel, consume: impl FnOnce(&mut dyn Read) -> Result<(T, Rest)>) -> Result<(Ended, T)> {
    run_whole(command, Stdio::null(), cancel, None, POLITE, consume)
}

fn run_whole<T>(
    mut command: Command,
    stdin: Stdio,
    cancel: &Cancel,
    deadline: Option<Duration>,
    polite: Duration,
    consume: impl FnOnce(&mut dyn Read) -> Result<(T, Rest)>,
) -> Result<(Ended, T)> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    platform::bind_child(&mut command);
    let mut child = command.spawn().or_fail(Class::General, || format!("cannot start {name}"))?;
    let bounds = Bounds { cancel: cancel.clone(), until: deadline.map(|limit| Instant::now() + limit + polite + LAST_WORDS), polite };
    let stderr = child.stderr.take().map(|pipe| tail(bounds.pipe(pipe)));
    let mut stdout = child.stdout.take().map(|pipe| bounds.pipe(pipe));
    let late = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicBool::new(false));
    let clock = watch(child.id(), cancel.clone(), deadline, polite, Arc::clone(&late), Arc::clone(&done));
    let consumed = match &mut stdout {
        Some(stdout) => consume(stdout),
        None => consume(&mut std::io::empty()),
    };
    let wanted = matches!(consumed, Ok((_, Rest::Awaited)));
    if !wanted || cancel.is_set() || late.load(Ordering::Relaxed) {
        // Asked before its pipe is closed: a child that is told to end can end its own work cleanly.
        end(&mut child, polite);
    }
    drop(stdout);
    let status = child.wait().or_fail(Class::Internal, || format!("waiting for {name}"));
    // A child of the child may still hold this pipe: the watch goes on, and so does the time.
    let stderr = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
    done.store(true, Ordering::Relaxed);
    let _ = clock.join();
    cancel.check()?;
    if late.load(Ordering::Relaxed) {
        let millis = u64::try_from(deadline.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let limit = humantime::format_duration(Duration::from_millis(millis));
        return Err(Failure::new(Class::General, format!("{name} was ended after {limit}")).hint("look why it hangs, or allow more time"));
    }
    let (consumed, _) = consumed?;
    Ok((Ended { status: status?, stderr }, consumed))
}

/// Asks politely first, then does not.
fn end(child: &mut Child, polite: Duration) {
    platform::end_child(child.id());
    let until = Instant::now() + polite;
    while Instant::now() < until {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    platform::kill_child(child.id());
}

/// Ends the child on a signal and past the deadline, while its output is still being read: nobody else could.
fn watch(
    pid: u32,
    cancel: Cancel,
    deadline: Option<Duration>,
    polite: Duration,
    late: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
) -> JoinHandle<()> {
    let began = Instant::now();
    std::thread::spawn(move || {
        let mut asked: Option<Instant> = None;
        while !done.load(Ordering::Relaxed) {
            if deadline.is_some_and(|limit| began.elapsed() >= limit) {
                late.store(true, Ordering::Relaxed);
            }
            match asked {
                None if cancel.is_set() || late.load(Ordering::Relaxed) => {
                    platform::end_child(pid);
                    asked = Some(Instant::now());
                }
                Some(at) if at.elapsed() >= polite => return platform::kill_child(pid),
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

/// For how long a child's pipes are read.
struct Bounds {
    cancel: Cancel,
    until: Option<Instant>,
    polite: Duration,
}

impl Bounds {
    fn pipe(&self, end: impl Into<platform::Handle>) -> Pipe {
        Pipe { file: File::from(end.into()), cancel: self.cancel.clone(), until: self.until, polite: self.polite }
    }
}

/// A child's output that ends with its time: a child of the child that left its group is not ended with it, and keeps the pipe open.
struct Pipe {
    file: File,
    cancel: Cancel,
    until: Option<Instant>,
    polite: Duration,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !platform::readable(&self.file, LAST_WORDS)? {
            if self.until.is_none() && self.cancel.is_set() {
                self.until = Some(Instant::now() + self.polite + LAST_WORDS);
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        self.file.read(buffer)
    }
}

/// Reads a pipe to its end and keeps the last of it.
fn tail(mut pipe: Pipe) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut kept, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = pipe.read(&mut chunk) {
            kept.extend_from_slice(&chunk[..n]);
            let over = kept.len().saturating_sub(KEPT_STDERR);
            kept.drain(..over);
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str, deadline: Option<Duration>) -> Result<(Ended, String)> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(command, &Cancel::default(), deadline, |out| {
            let mut text = String::new();
            out.read_to_string(&mut text).or_fail(Class::Internal, || "reading")?;
            Ok(text)
        })
    }

    #[test]
    fn both_streams_are_read_and_the_status_is_told() {
        let (ended, out) = sh("echo out; echo one >&2; echo two >&2; exit 3", None).unwrap();
        assert_eq!((out.as_str(), ended.said().as_str(), ended.status.code()), ("out\n", "one; two", Some(3)));
    }

    #[test]
    fn a_lot_of_stderr_neither_blocks_nor_grows() {
        let (ended, _) = sh("i=0; while [ $i -lt 20000 ]; do echo 'a line of stderr' >&2; i=$((i+1)); done", None).unwrap();
        assert!(ended.stderr.len() <= KEPT_STDERR);
    }

    #[test]
    fn a_child_that_hangs_is_ended() {
        let failure = sh("exec sleep 100", Some(Duration::from_millis(100))).unwrap_err();
        assert!(failure.message.contains("was ended after 100ms"), "{failure}");
    }

    #[test]
    fn neither_a_deaf_child_nor_its_own_children_outlive_the_deadline() {
        for script in ["trap '' TERM; sleep 30; echo survived", "(sleep 30; echo survived); true"] {
            let mut text = String::new();
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            run(command, &Cancel::default(), Some(Duration::from_millis(100)), |out| {
                out.read_to_string(&mut text).map(|_| ()).or_fail(Class::Internal, || "reading")
            })
            .unwrap_err();
            assert_eq!(text, "", "{script}");
        }
    }

    #[test]
    fn a_child_of_the_child_that_keeps_its_pipes_costs_the_time_of_the_child_only() {
        let folder = tempfile::tempdir().unwrap();
        for (kept, script) in [
            ("both", "setsid sh -c 'echo $$ > pid; exec sleep 600' & echo 5"),
            ("stderr", "setsid sh -c 'echo $$ > pid; exec sleep 600' > /dev/null & echo 5"),
        ] {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]).current_dir(&folder);
            let failure = run_curtly(command, &Cancel::default(), Duration::from_secs(1), |out| {
                io::copy(out, &mut io::sink()).or_fail(Class::Internal, || "reading")
            })
            .unwrap_err();
            assert!(failure.message.contains("was ended after 1s"), "{kept}: {failure}");
            let pid: u32 = std::fs::read_to_string(folder.path().join("pid")).unwrap().trim().parse().unwrap();
            assert!(std::path::Path::new(&format!("/proc/{pid}")).exists(), "{kept}: it was still there");
            platform::tell_process(pid, "TERM").unwrap();
        }
    }

    #[test]
    fn a_child_that_has_served_is_ended() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap 'echo told >&2; exit 3' TERM; echo first; while :; do :; done"]);
        let (ended, first) = run_part(command, &Cancel::default(), |out| {
            let mut first = [0; 5];
            out.read_exact(&mut first).or_fail(Class::Internal, || "reading")?;
            Ok((first, Rest::Unwanted))
        })
        .unwrap();
        assert_eq!((&first, ended.status.code(), ended.said().as_str()), (b"first", Some(3), "told"));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = run(Command::new("/nowhere/pg_dump"), &Cancel::default(), None, |_| Ok(())).unwrap_err();
        assert!(failure.message.starts_with("cannot start /nowhere/pg_dump"), "{failure}");
    }
}
