//! A program while it runs and after its end.

use crate::capture::Capture;
use serde_json::Value;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a finished program left.
#[derive(Debug)]
pub struct Output {
    /// The exit code; 128 + the signal's number when a signal ended it, as a shell has it.
    pub code: i32,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
    /// Its lines parsed and checked against the schema; empty for [`crate::Tool::raw`].
    pub records: Vec<Value>,
}

/// A program that runs; killed on drop.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    /// Read from when it is known that no later stage wants it.
    stdout: Option<Capture>,
    stderr: Capture,
    deadline: Instant,
    raw: bool,
    /// Where the child may still be writing, and the end of its stdin when that is kept open.
    _folder: TempDir,
    stdin: Option<ChildStdin>,
}

impl Running {
    pub(crate) fn new(name: String, mut child: Child, folder: TempDir, open: Option<ChildStdin>, limit: Duration, raw: bool) -> Running {
        let stderr = Capture::of(child.stderr.take().expect("stderr is a pipe"));
        let deadline = Instant::now() + limit;
        Running { name, child, stdout: None, stderr, deadline, raw, _folder: folder, stdin: open }
    }

    /// The end of the pipe that the next stage reads from.
    pub(crate) fn hand_on(&mut self) -> Stdio {
        self.child.stdout.take().expect("stdout is a pipe that nobody reads yet").into()
    }

    fn stdout(&mut self) -> Capture {
        let pipe = self.child.stdout.take();
        self.stdout.get_or_insert_with(|| pipe.map_or_else(Capture::default, Capture::of)).clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its number: 2 is Ctrl-C, 9 kills, 15 ends.
    pub fn signal(&self, number: i32) {
        let signal = rustix::process::Signal::from_named_raw(number).expect("a signal's number");
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("the signal is sent");
    }

    /// Writes a record to the stdin that was kept open ([`crate::Tool::stdin_open`]).
    pub fn feed(&mut self, record: &Value) {
        let stdin = self.stdin.as_mut().expect("its stdin was opened and is not closed yet");
        stdin.write_all(format!("{record}\n").as_bytes()).expect("it reads its stdin");
    }

    /// Closes that stdin.
    pub fn close_stdin(&mut self) {
        drop(self.stdin.take());
    }

    /// Waits until its stdout holds `text`; panics with what there is when it ends or takes too long first.
    pub fn wait_for_stdout(&mut self, text: &str) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let stdout = self.stdout();
        assert!(stdout.wait_for(left, |so_far| so_far.contains(text)), "{}: no {text:?} in {stdout:?}\n{:?}", self.name, self.stderr);
    }

    /// The same for its stderr.
    pub fn wait_for_stderr(&mut self, text: &str) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        assert!(self.stderr.wait_for(left, |so_far| so_far.contains(text)), "{}: no {text:?} in {:?}", self.name, self.stderr);
    }

    /// What it has printed until now.
    pub fn stdout_so_far(&mut self) -> String {
        self.stdout().so_far()
    }

    /// Waits for its end. Panics, and kills it, when it takes too long, or prints a line that is not a valid record.
    pub fn wait(mut self) -> Output {
        let stdout = self.stdout();
        let status = self.ended();
        self.collect(status, &stdout)
    }

    /// Whether it has not ended yet. What it prints is read meanwhile, so that it does not wait for a reader.
    pub fn is_running(&mut self) -> bool {
        self.stdout();
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            if Instant::now() > self.deadline {
                let _ = self.child.kill();
                panic!("{} took too long and was killed; stdout: {:?}\nstderr: {:?}", self.name, self.stdout, self.stderr);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn collect(&mut self, status: ExitStatus, stdout: &Capture) -> Output {
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let text = |capture: &Capture, what: &str| {
            let bytes = capture.finish(Duration::from_secs(10));
            let bytes = bytes.unwrap_or_else(|| panic!("{} ended, but a child of its own keeps its {what} open", self.name));
            String::from_utf8(bytes).unwrap_or_else(|error| panic!("{}: {what} is not UTF-8: {error}", self.name))
        };
        let stderr = text(&self.stderr, "stderr");
        let stdout = text(stdout, "stdout");
        let records = if self.raw { Vec::new() } else { crate::schema::records(&stdout) };
        Output { code, stdout, stderr, records }
    }

    /// The end of a stage whose stdout another stage has.
    pub(crate) fn wait_inner(mut self) -> (i32, String) {
        let status = self.ended();
        self.raw = true;
        let output = self.collect(status, &Capture::of(std::io::empty()));
        (output.code, output.stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Output {
    /// The records of one kind: `check`, `step`, `end`.
    pub fn kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.records.iter().filter(move |record| record["kind"] == kind)
    }

    /// The one record with this kind and id. Panics when there is none or more than one.
    pub fn record(&self, kind: &str, id: &str) -> &Value {
        let found: Vec<&Value> = self.kind(kind).filter(|record| record["id"] == id).collect();
        assert_eq!(found.len(), 1, "{kind} records with the id {id} in:\n{}\n{}", self.stdout, self.stderr);
        found[0]
    }

    /// The `end` record of the tool that printed last. Panics when there is none.
    pub fn end(&self) -> &Value {
        let last = self.kind("end").last();
        last.unwrap_or_else(|| panic!("no end record in:\n{}\n{}", self.stdout, self.stderr))
    }

    /// Panics with everything that was printed when the code is another one; else the output itself, for chaining.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Output {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}
