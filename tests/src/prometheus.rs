//! A private Prometheus server (Debian's package) that scrapes stand-ins or our own pages every fifth of a second.

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
pub struct Prometheus {
    child: Child,
    guard: Option<Guard>,
    dir: TempDir,
    port: u16,
}

fn program() -> Option<PathBuf> {
    ["/usr/bin/prometheus", "/usr/local/bin/prometheus"].into_iter().map(PathBuf::from).find(|path| path.is_file())
}

impl Prometheus {
    /// Scrapes these `host:port`s (path /metrics) as the job `test`; None when the program is not installed, for the test to be skipped.
    /// Panics with its log when it does not start.
    pub fn scraping(targets: &[&str]) -> Option<Prometheus> {
        program()?;
        let mut last = String::new();
        for _ in 0..5 {
            match Self::try_start(targets, crate::closed_port()) {
                Ok(server) => return Some(server),
                Err(log) => last = log,
            }
        }
        panic!("Prometheus did not start: {last}");
    }

    fn try_start(targets: &[&str], port: u16) -> Result<Prometheus, String> {
        let dir = tempfile::Builder::new().prefix("mlp-").tempdir_in("/var/tmp").unwrap();
        let at = dir.path().display().to_string();
        let quoted: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n- job_name: test\n  static_configs:\n  - targets: [{}]\n",
            quoted.join(", ")
        );
        let file = dir.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new(program().unwrap());
        command.arg(format!("--config.file={}", file.display())).arg(format!("--storage.tsdb.path={at}/data"));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).env_clear().env("HOME", &at).current_dir(&at).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().map_err(|error| error.to_string())?;
        let guard = Guard::on_exit("kill -KILL \"$1\"; rm -rf -- \"$2\"", &[&child.id().to_string(), &at]);
        let mut server = Prometheus { child, guard: Some(guard), dir, port };
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

    /// Waits until the series of this name (or selector without spaces or quotes) has a value, and gives the server's JSON. Panics with its
    /// log when none comes within a minute.
    pub fn wait_for(&self, selector: &str) -> String {
        let path = format!("/api/v1/query?query={selector}");
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Ok(answer) = self.get(&path)
                && answer.contains("\"value\":[")
            {
                return answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("Prometheus sees no {selector}: {}", self.log());
    }

    /// What an expression is now: the labels and the value of each series.
    pub fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={encoded}")).expect("Prometheus answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        let answer: Value = serde_json::from_str(body).expect("Prometheus answers JSON");
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let series = answer["data"]["result"].as_array().expect("a list of series").iter();
        series.map(|one| (one["metric"].clone(), one["value"][1].as_str().unwrap().parse().unwrap())).collect()
    }

    /// Waits until an expression gives one series with this value. Panics with what it gives instead, and the log.
    pub fn wait_until(&self, expression: &str, value: f64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.query(expression);
            if matches!(&found[..], [(_, one)] if *one == value) {
                return;
            }
            assert!(Instant::now() < deadline, "{expression} is {found:?} and not {value}; the log: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
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

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.guard.take());
    }
}

/// Panics with promtool's words when it finds anything wrong with a page of metrics; false when there is no promtool.
pub fn promtool_is_content(metrics: &str) -> bool {
    if !PathBuf::from("/usr/bin/promtool").is_file() {
        return false;
    }
    let output = crate::Tool::foreign("promtool").args(["check", "metrics"]).stdin(metrics).run();
    assert_eq!((output.code, &*output.stderr), (0, ""), "{}\n{metrics}", output.stdout);
    true
}
