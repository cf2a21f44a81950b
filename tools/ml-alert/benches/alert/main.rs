//! Records a second that ml-alert takes in and hands on, and the most memory that it takes for them.
//!
//!     cargo bench -p ml-alert --bench alert [-- --json FILE]
//!     BENCH_ALERT_RECORDS=1000000  records of a stream
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot be made fails; its tables go to stdout"
)]

use ml_tests::{Bench, TempDir, tool::bin_dir};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;

/// Rules of every sort: a threshold, a time, some of many, a budget, an absence, and one for all that is bad.
const RULES: &str = r#"
[[rule]]
name = "slow"
id = "api.*"
when = "value > 300"
for = "2m"
[[rule]]
name = "flaky"
id = "disk.*"
of = "3 of 5"
[[rule]]
name = "budget"
id = "redis.1"
burn = { target = 99.9, factor = 14.4, long = "1h", short = "5m" }
[[rule]]
name = "silent"
id = "tool.ml-backup"
absent_for = "26h"
[[rule]]
name = "bad"
id = "*"
"#;

/// The rules as they are shipped, and a place to tell things.
const SHIPPED: &str = include_str!("../../../../config/alerts.toml");
const PROFILE: &str = include_str!("../../../../config/profiles/logos-pxl.toml");
const NOWHERE: &str = "\n[sink.nowhere]\nkind = \"command\"\ncommand = [\"true\"]\n";

/// What a stream is about.
#[derive(Clone, Copy, PartialEq)]
enum Ids {
    /// The same 200 again and again, of which a few are bad now and then.
    Few,
    /// Each record another, and bad.
    New,
    /// One of 100,000, bad or not.
    Drawn,
}

fn main() {
    let Some(bench) = Bench::asked() else { return };
    let records: u64 = bench.number("BENCH_ALERT_RECORDS", 1_000_000);
    let folder = TempDir::new().unwrap();
    let profile = PROFILE.replace("system = \"logos-pxl\"", "system = \"bench\"");
    let (shipped, profile) = (format!("{SHIPPED}{NOWHERE}"), format!("{profile}{NOWHERE}"));
    let every_sort = format!("{NOWHERE}{RULES}");
    let mut all = Vec::new();
    println!("{records} records; median of {ROUNDS}\n\n{:<56}{:>12}{:>10}", "", "records/s", "peak MiB");
    let cases = [
        ("200 ids, no rules", Ids::Few, None),
        ("200 ids, rules of every sort", Ids::Few, Some(&every_sort)),
        ("200 ids, rules of a profile", Ids::Few, Some(&profile)),
        ("every id another, all bad, rules of every sort", Ids::New, Some(&every_sort)),
        ("every id another, all bad, config/alerts.toml", Ids::New, Some(&shipped)),
        ("every id another, all bad, rules of a profile", Ids::New, Some(&profile)),
        ("one of 100,000 at random, half bad, config/alerts.toml", Ids::Drawn, Some(&shipped)),
        ("one of 100,000 at random, half bad, rules of a profile", Ids::Drawn, Some(&profile)),
    ];
    for (at, (name, ids, rules)) in cases.into_iter().enumerate() {
        let (stream, file) = (folder.path().join("stream.jsonl"), folder.path().join("rules.toml"));
        write_stream(&stream, records, ids);
        std::fs::write(&file, rules.map_or("", String::as_str)).unwrap();
        let mut runs: Vec<(f64, u64)> = (0..ROUNDS)
            .map(|round| run(&stream, rules.map(|_| file.as_path()), &folder.path().join(format!("state-{at}-{round}"))))
            .collect();
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, peak) = runs[ROUNDS / 2];
        let rate = (records as f64 / seconds).round();
        println!("{name:<56}{rate:>12}{peak:>10}");
        all.push(json!({ "name": name, "records": records, "records/s": rate, "peak MiB": peak }));
    }
    bench.finish(&Value::from(all));
}

/// Checks of a watch, 200 a second.
fn write_stream(path: &Path, records: u64, ids: Ids) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let start = "2025-01-08T02:00:00Z".parse::<jiff::Timestamp>().unwrap();
    for i in 0..records {
        let at = start.checked_add(jiff::SignedDuration::from_secs(i64::try_from(i / 200).unwrap())).unwrap();
        let kind = ["api", "disk", "redis", "postgres"][(i % 4) as usize];
        // Spread evenly, without a pattern that anybody could guess.
        let random = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let (id, bad) = match ids {
            Ids::Few => (format!("{kind}.{}", i % 200), i % 997 == 0),
            Ids::New => (format!("{kind}.{random:x}"), true),
            Ids::Drawn => (format!("table.{}", (random >> 20) % 100_000), random & 1 == 1),
        };
        let status = if bad { "warn" } else { "ok" };
        writeln!(
            out,
            "{{\"v\":1,\"tool\":\"ml-health\",\"stage\":\"ml-health.1\",\"system\":\"bench\",\"run\":\"r\",\"ts\":\"{at:.3}\",\"host\":\"h\",\"status\":\"{status}\",\
             \"kind\":\"check\",\"id\":\"{id}\",\"gate\":false,\"value\":{},\"unit\":\"ms\",\"warn\":300,\"summary\":\"{} ms\",\"duration_ms\":3,\
             \"metrics\":{{\"count\":{i}}}}}",
            i % 320,
            i % 320
        )
        .unwrap();
    }
    out.flush().unwrap();
}

/// Seconds by the clock, and the most memory, MiB.
fn run(stream: &Path, rules: Option<&Path>, state: &Path) -> (f64, u64) {
    let mut command = Command::new(bin_dir().join("ml-alert"));
    command.args(["--output", "records"]).env("STATE_DIR", state).env("SYSTEM", "bench");
    if let Some(rules) = rules {
        command.arg("--rules").arg(rules);
    }
    command.stdin(File::open(stream).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default() / 1024);
        if child.try_wait().unwrap().is_some() {
            return (began.elapsed().as_secs_f64(), peak);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
