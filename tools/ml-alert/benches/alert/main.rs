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
[sink.nowhere]
kind = "command"
command = ["true"]
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

fn main() {
    let Some(bench) = Bench::asked() else { return };
    let records: u64 = bench.number("BENCH_ALERT_RECORDS", 1_000_000);
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    std::fs::write(&rules, RULES).unwrap();
    let mut all = Vec::new();
    println!("{records} records; median of {ROUNDS}\n\n{:<36}{:>12}{:>10}", "", "records/s", "peak MiB");
    for (name, random, with_rules) in
        [("200 ids, no rules", false, false), ("200 ids, rules", false, true), ("every id another, all bad, rules", true, true)]
    {
        let stream = folder.path().join("stream.jsonl");
        write_stream(&stream, records, random);
        let mut runs: Vec<(f64, u64)> = (0..ROUNDS)
            .map(|round| {
                let state = folder.path().join(format!("state-{random}-{with_rules}-{round}"));
                run(&stream, with_rules.then_some(rules.as_path()), &state)
            })
            .collect();
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, peak) = runs[ROUNDS / 2];
        let rate = (records as f64 / seconds).round();
        println!("{name:<36}{rate:>12}{peak:>10}");
        all.push(json!({ "name": name, "records": records, "records/s": rate, "peak MiB": peak }));
    }
    bench.finish(&Value::from(all));
}

/// Checks of a watch, one a second for each of 200 ids, of which a few are bad now and then; or each of an id of its own, and bad.
fn write_stream(path: &Path, records: u64, random: bool) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let start = "2025-01-08T02:00:00Z".parse::<jiff::Timestamp>().unwrap();
    for i in 0..records {
        let at = start.checked_add(jiff::SignedDuration::from_secs(i64::try_from(i / 200).unwrap())).unwrap();
        let kind = ["api", "disk", "redis", "postgres"][(i % 4) as usize];
        let id = if random { format!("{kind}.{:x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)) } else { format!("{kind}.{}", i % 200) };
        let status = if random || i % 997 == 0 { "warn" } else { "ok" };
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
