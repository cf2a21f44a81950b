//! Running a built program as its users do: a process of its own, with an environment that nothing leaks into.

use crate::running::{Output, Running};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A program and how to call it. Its stdin is /dev/null, its folder and HOME are a new empty one, its environment is PATH, HOME and what the
/// test gives; it is killed, and the test fails, when it takes longer than two minutes.
#[derive(Debug)]
pub struct Tool {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Input,
    cwd: Option<PathBuf>,
    timeout: Duration,
    raw: bool,
}

#[derive(Debug)]
enum Input {
    Null,
    Bytes(Vec<u8>),
    File(PathBuf),
    Open,
}

/// The folder of the built tools: `target/PROFILE`, the one above the test program's `deps`.
pub fn bin_dir() -> PathBuf {
    let program = std::env::current_exe().expect("a test program knows where it is");
    let dir = program.parent().expect("a program is in a folder");
    if dir.ends_with("deps") { dir.parent().unwrap().to_owned() } else { dir.to_owned() }
}

impl Tool {
    /// One of ours, by its name: `ml-health`. Panics when it is not built.
    pub fn new(name: &str) -> Tool {
        let program = bin_dir().join(name);
        assert!(program.exists(), "{} is missing: run `cargo build --workspace`", program.display());
        Tool::program(program)
    }

    /// Any other program, by path or by its name on PATH, whose output is not records: `jq`, `sh`.
    pub fn foreign(program: impl Into<PathBuf>) -> Tool {
        Tool::program(program.into()).raw()
    }

    fn program(program: PathBuf) -> Tool {
        let (args, env) = (Vec::new(), Vec::new());
        Tool { program, args, env, stdin: Input::Null, cwd: None, timeout: Duration::from_secs(120), raw: false }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Tool {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Tool {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// One more variable (later ones win, also over PATH and HOME).
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Tool {
        self.env.push((key.into(), value.as_ref().to_owned()));
        self
    }

    /// stdin is a pipe with these bytes.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Tool {
        self.stdin = Input::Bytes(bytes.into());
        self
    }

    /// stdin is a pipe with these records, one a line.
    #[must_use]
    pub fn stdin_records(self, records: &[Value]) -> Tool {
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        self.stdin(lines)
    }

    /// stdin is this file.
    #[must_use]
    pub fn stdin_file(mut self, path: impl Into<PathBuf>) -> Tool {
        self.stdin = Input::File(path.into());
        self
    }

    /// stdin is a pipe that stays open as long as the program runs, without a byte unless the test feeds it.
    #[must_use]
    pub fn stdin_open(mut self) -> Tool {
        self.stdin = Input::Open;
        self
    }

    /// Runs in this folder instead of an empty one.
    #[must_use]
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Tool {
        self.cwd = Some(dir.into());
        self
    }

    /// Another limit than two minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Tool {
        self.timeout = timeout;
        self
    }

    /// stdout is data, a table or a message, not records.
    #[must_use]
    pub fn raw(mut self) -> Tool {
        self.raw = true;
        self
    }

    /// Runs it to its end. Panics when it takes too long or prints a line that is not a valid record.
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts it, for a test that acts while it runs.
    pub fn spawn(self) -> Running {
        self.start(None, Stdio::piped())
    }

    /// Starts it with its stdin replaced (a stage of a pipeline) and its stdout given.
    pub(crate) fn start(self, stdin: Option<Stdio>, stdout: Stdio) -> Running {
        let folder = TempDir::new().expect("a temporary folder is made");
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().env("PATH", search_path()).env("HOME", folder.path());
        command.envs(self.env).current_dir(self.cwd.as_deref().unwrap_or(folder.path()));
        let upstream = stdin.is_some();
        command.stdin(stdin.unwrap_or_else(|| self.stdin.stdio())).stdout(stdout).stderr(Stdio::piped());
        heeds_signals(&mut command);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.display()));
        let mut pipe = child.stdin.take();
        if let (false, Input::Bytes(bytes)) = (upstream, self.stdin)
            && let Some(mut pipe) = pipe.take()
        {
            // A program that does not want its input may close it: its exit code says whether that was right.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        Running::new(name, child, folder, pipe, self.timeout, self.raw)
    }
}

impl Input {
    fn stdio(&self) -> Stdio {
        match self {
            Input::Null => Stdio::null(),
            Input::Bytes(_) | Input::Open => Stdio::piped(),
            Input::File(path) => File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into(),
        }
    }
}

/// Signals do to it what they do by default, also where the tests run under nohup or in the background of a script: a shell cannot trap what was
/// ignored when it began.
#[cfg(unix)]
fn heeds_signals(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only signal is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
                if libc::signal(signal, libc::SIG_DFL) == libc::SIG_ERR {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

/// There is none.
#[cfg(not(unix))]
fn heeds_signals(_: &mut Command) {}

/// Our tools first, then where a distribution keeps its programs.
fn search_path() -> OsString {
    let system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    std::env::join_paths(std::iter::once(bin_dir()).chain(system)).expect("no folder's name holds a colon")
}

/// The command lines of all processes that this user may see, for tests that look for secrets.
pub fn process_list() -> String {
    let mut list = String::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = std::fs::read(Path::new("/proc").join(entry.file_name()).join("cmdline")).unwrap_or_default();
        list.push_str(&String::from_utf8_lossy(&line).replace('\0', " "));
        list.push('\n');
    }
    list
}
