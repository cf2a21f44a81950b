//! A private server of a Debian package that speaks HTTP: started on a free port, asked until it is ready, killed on drop or with the test process.

use crate::guard::Guard;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    guard: Option<Guard>,
    dir: TempDir,
    port: u16,
}

impl Server {
    /// The first of these programs that is there, with the words that `prepare` gives for a folder and a port; None when none is installed, for the
    /// test to be skipped. Panics with its log when it does not start.
    pub(crate) fn start(programs: [&str; 2], prepare: impl Fn(&Path, u16) -> Vec<String>) -> Option<Server> {
        let program = programs.into_iter().map(PathBuf::from).find(|path| path.is_file())?;
        let mut last = String::new();
        for _ in 0..5 {
            match Server::try_start(&program, &prepare, crate::closed_port()) {
                Ok(server) => return Some(server),
                Err(log) => last = log,
            }
        }
        panic!("{} did not start: {last}", program.display());
    }

    fn try_start(program: &Path, prepare: &impl Fn(&Path, u16) -> Vec<String>, port: u16) -> Result<Server, String> {
        let dir = tempfile::Builder::new().prefix("ml-server-").tempdir_in("/var/tmp").unwrap();
        let at = dir.path().display().to_string();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.args(prepare(dir.path(), port)).env_clear().env("HOME", &at).current_dir(&at).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().map_err(|error| error.to_string())?;
        let guard = Guard::on_exit("kill -KILL \"$1\"; rm -rf -- \"$2\"", &[&child.id().to_string(), &at]);
        let mut server = Server { child, guard: Some(guard), dir, port };
        if server.ready() { Ok(server) } else { Err(server.log()) }
    }

    fn ready(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            if self.get("/-/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.0 200")) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the server logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The whole answer, headers and all.
    pub(crate) fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.guard.take());
    }
}
