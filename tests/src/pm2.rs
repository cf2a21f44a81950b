//! A real pm2, with a folder of its own for all that it keeps.

use crate::guard::Guard;
use crate::tool::Tool;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A daemon of pm2, which starts with the first command; it ends on drop or with the test process, and with it all that it runs.
#[derive(Debug)]
pub struct Pm2 {
    dir: TempDir,
    guard: Option<Guard>,
}

impl Pm2 {
    /// None where `scripts/install-deps.sh --test` could not install it, for the test to be skipped.
    pub fn new() -> Option<Pm2> {
        let program = Pm2::program();
        let node = Command::new("node").arg("--version").output();
        if !program.is_file() || !node.is_ok_and(|node| node.status.success()) {
            return None;
        }
        // The name of its socket may not be long.
        let dir = tempfile::Builder::new().prefix("mlp-").tempdir_in("/var/tmp").unwrap();
        let home = dir.path().display().to_string();
        let script = "PM2_HOME=\"$2\" HOME=\"$2\" \"$1\" kill; rm -rf -- \"$2\"";
        let guard = Guard::on_exit(script, &[&program.display().to_string(), &home]);
        Some(Pm2 { dir, guard: Some(guard) })
    }

    /// The program.
    pub fn program() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../.run/peers/pm2/node_modules/.bin/pm2")
    }

    /// Its PM2_HOME; scripts of the test may lie there too.
    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `pm2 WORDS` and gives what it printed. Panics when it fails.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> String {
        let tool = Tool::foreign(Pm2::program()).args(words).cwd(self.home());
        tool.env("PM2_HOME", self.home()).env("HOME", self.home()).run().expect_code(0).stdout
    }

    /// A script of node's that is started under a name, with more words of `pm2 start`.
    #[track_caller]
    pub fn start(&self, name: &str, script: &str, more: &[&str]) {
        let file = format!("{name}.js");
        std::fs::write(self.home().join(&file), script).unwrap();
        let started = [&["start", &file, "--name", name], more].concat();
        self.run(&started);
    }

    /// What pm2 says of the status of a process.
    pub fn status(&self, name: &str) -> String {
        let list = self.run(&["jlist"]);
        let list: serde_json::Value = serde_json::from_str(list.lines().last().unwrap_or_default()).expect("pm2 prints its list");
        let found = list.as_array().into_iter().flatten().find(|one| one["name"] == name);
        found.and_then(|one| one["pm2_env"]["status"].as_str()).unwrap_or_default().to_owned()
    }

    /// Waits until it says so. Panics after a minute.
    #[track_caller]
    pub fn wait_for_status(&self, name: &str, status: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.status(name) != status {
            assert!(Instant::now() < deadline, "{name} is {} and not {status}", self.status(name));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Pm2 {
    fn drop(&mut self) {
        let mut kill = Command::new(Pm2::program());
        kill.arg("kill").env("PM2_HOME", self.home()).env("HOME", self.home()).current_dir(self.home());
        let _ = kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        drop(self.guard.take());
    }
}
