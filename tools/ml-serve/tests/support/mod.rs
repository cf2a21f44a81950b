//! A served stream, and clients of every kind.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use ml_tests::{Running, Tool};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A record of ml-health.
pub fn record(kind: &str, status: &str, fields: &Value) -> Value {
    let mut record = json!({"v": 1, "kind": kind, "tool": "ml-health", "stage": "ml-health.1", "system": "lab", "run": "r-1",
        "ts": "2025-01-08T02:00:00.000Z", "host": "h", "status": status});
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    record
}

/// A check.
pub fn check(id: &str, status: &str) -> Value {
    record(
        "check",
        status,
        &json!({"id": id, "summary": format!("{id} is {status}"), "value": 7, "metrics": {"used": 3}, "duration_ms": 5}),
    )
}

/// ml-serve on a free port, fed by the test.
pub struct Served {
    pub tool: Running,
    pub address: String,
}

impl Served {
    /// It has taken a start and says where it is.
    pub fn begin(args: &[&str]) -> Served {
        let mut tool = Tool::new("ml-serve").arg("127.0.0.1:0").args(args).stdin_open().spawn();
        tool.feed(&record("start", "ok", &json!({})));
        tool.wait_for_stdout("while records come");
        let printed = tool.stdout_so_far();
        let address = printed.split("serving http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
        Served { tool, address }
    }

    /// Feeds a check, and waits until the page has it.
    pub fn check(&mut self, id: &str, status: &str) {
        self.tool.feed(&check(id, status));
        self.tool.wait_for_stdout(&format!("{id} is {status}"));
        self.until(|served| served.get("/").1.contains(&format!("{id} is {status}")));
    }

    /// Waits until something is so.
    pub fn until(&self, so: impl Fn(&Served) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !so(self) {
            assert!(Instant::now() < deadline, "it did not come about; {:?}", self.get("/health"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address));
        (status, body)
    }

    /// Status, head and body of the answer to these bytes.
    pub fn ask(&self, request: &str) -> (u16, String, String) {
        let mut stream = self.connect();
        // It may answer, and close, before all is sent.
        let _ = stream.write_all(request.as_bytes());
        answer(&mut stream)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// /health as JSON.
    pub fn health(&self) -> (u16, Value) {
        let (status, body) = self.get("/health");
        (status, serde_json::from_str(&body).unwrap())
    }
}

/// Reads an answer to its end.
pub fn answer(stream: &mut TcpStream) -> (u16, String, String) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    (status, head.to_owned(), body.to_owned())
}
