//! A private Alertmanager (Debian's package) that groups by system and tells a webhook at once.

use crate::guard::Guard;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running server, killed on drop or with the test process.
#[derive(Debug)]
pub struct Alertmanager {
    child: Child,
    guard: Option<Guard>,
    dir: TempDir,
    port: u16,
}

fn program() -> Option<PathBuf> {
    ["/usr/bin/prometheus-alertmanager", "/usr/local/bin/alertmanager"].into_iter().map(PathBuf::from).find(|path| path.is_file())
}

impl Alertmanager {
    /// Tells `webhook`; None when the program is not installed, for the test to be skipped. Panics with its log when it does not start.
    pub fn telling(webhook: &str) -> Option<Alertmanager> {
        program()?;
        let mut last = String::new();
        for _ in 0..5 {
            match Self::try_start(webhook, crate::closed_port()) {
                Ok(server) => return Some(server),
                Err(log) => last = log,
            }
        }
        panic!("Alertmanager did not start: {last}");
    }

    fn try_start(webhook: &str, port: u16) -> Result<Alertmanager, String> {
        let dir = tempfile::Builder::new().prefix("mla-").tempdir_in("/var/tmp").unwrap();
        let at = dir.path().display().to_string();
        let config = format!(
            "route: {{receiver: test, group_by: [system], group_wait: 200ms, group_interval: 500ms, repeat_interval: 1h}}\n\
             receivers:\n- name: test\n  webhook_configs:\n  - url: '{webhook}'\n    send_resolved: true\n"
        );
        let file = dir.path().join("alertmanager.yml");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new(program().unwrap());
        command.arg(format!("--config.file={}", file.display())).arg(format!("--storage.path={at}/data"));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--cluster.listen-address=");
        command.env_clear().env("HOME", &at).current_dir(&at).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().map_err(|error| error.to_string())?;
        let guard = Guard::on_exit("kill -KILL \"$1\"; rm -rf -- \"$2\"", &[&child.id().to_string(), &at]);
        let mut server = Alertmanager { child, guard: Some(guard), dir, port };
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
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The alerts that stand there now.
    pub fn alerts(&self) -> Vec<Value> {
        let answer = self.get("/api/v2/alerts").expect("Alertmanager answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        serde_json::from_str(body).expect("Alertmanager answers JSON")
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.guard.take());
    }
}
