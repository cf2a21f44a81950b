//! Cleaning up after a test process that did not live to do it.
//!
//! `Drop` does not run when a test process is killed, and PR_SET_PDEATHSIG follows the *thread* that forked, which in a test harness ends
//! early. So a small shell waits for the owner's end and cleans up then. Its standard streams are closed and it has a process group of its
//! own: Ctrl-C does not reach it, and it keeps nobody's pipe open.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Runs a shell script when this process is gone, however it went, unless the guard was dropped before.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
}

impl Guard {
    /// Arms `script`; it sees `args` as `$1`, `$2`, ...
    pub fn on_exit(script: &str, args: &[&str]) -> Guard {
        // The pipe's other end lives in this process alone (close-on-exec), so the read ends when the process does.
        let script = format!("read -r word; [ \"$word\" = done ] && exit 0; {script}");
        let shell = shell(&script, args).stdin(Stdio::piped()).spawn().expect("sh starts");
        Guard { shell }
    }

    /// Runs `script` when the process `owner` (not ours, but of the same user) is gone. It cannot be taken back.
    pub fn on_end_of(owner: u32, script: &str, args: &[&str]) {
        let script = format!("while kill -0 {owner} 2>/dev/null; do sleep 0.3; done; {script}");
        // Not waited for: it outlives us by design.
        drop(shell(&script, args).stdin(Stdio::null()).spawn().expect("sh starts"));
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            // A guard that somebody killed has nothing to be told.
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.shell.wait();
    }
}

fn shell(script: &str, args: &[&str]) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).arg("ml-tests-guard").args(args);
    command.stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").process_group(0);
    command
}
