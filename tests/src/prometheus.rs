//! A private Prometheus server (Debian's package) that scrapes stand-ins or our own pages every fifth of a second.

use crate::server::Server;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A running server, killed on drop or with the test process.
#[derive(Debug)]
pub struct Prometheus(Server);

impl Prometheus {
    /// Scrapes these `host:port`s (path /metrics) as the job `test`; None when the program is not installed, for the test to be skipped.
    /// Panics with its log when it does not start.
    pub fn scraping(targets: &[&str]) -> Option<Prometheus> {
        let quoted: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n- job_name: test\n  static_configs:\n  - targets: [{}]\n",
            quoted.join(", ")
        );
        let server = Server::start(["/usr/bin/prometheus", "/usr/local/bin/prometheus"], |dir, port| {
            let (at, file) = (dir.display(), dir.join("prometheus.yml"));
            std::fs::write(&file, &config).unwrap();
            let (config, data) = (format!("--config.file={}", file.display()), format!("--storage.tsdb.path={at}/data"));
            vec![config, data, format!("--web.listen-address=127.0.0.1:{port}")]
        });
        server.map(Prometheus)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Waits until the series of this name (or selector without spaces or quotes) has a value, and gives the server's JSON. Panics with its
    /// log when none comes within a minute.
    pub fn wait_for(&self, selector: &str) -> String {
        let path = format!("/api/v1/query?query={selector}");
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Ok(answer) = self.0.get(&path)
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
        let answer = self.0.get(&format!("/api/v1/query?query={encoded}")).expect("Prometheus answers");
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
        self.0.log()
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
