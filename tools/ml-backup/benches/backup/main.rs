//! Backups beside stock pg_dump's, on one database made for it: seconds, size, memory, and what each level of compression costs and gives.
//!
//!     cargo bench -p ml-backup --bench backup [-- --json FILE]
//!     BENCH_BACKUP_MB=1024   size of the database; BENCH_LONG=1: five rounds in place of three
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot be made fails; its tables go to stdout"
)]

mod database;
mod run;

use ml_tests::{Bench, Cluster, TempDir};
use run::{Run, ours, stock};
use serde_json::json;

fn main() {
    let Some(bench) = Bench::asked() else { return };
    let megabytes = bench.number("BENCH_BACKUP_MB", 1024);
    let rounds = bench.rounds(3, 5);
    let (cluster, folder) = (Cluster::private(), TempDir::new().unwrap());
    let (url, bytes) = database::make(&cluster, megabytes << 20);
    println!("a database of {} MB, one table of it three quarters; {rounds} rounds in turn\n", bytes >> 20);
    let mut kinds: Vec<(&str, Vec<Run>)> =
        ["ml-backup", "pg_dump -Fc -Z9", "pg_dump -Fc", "pg_dump -Fd -j2"].map(|name| (name, Vec::new())).into();
    for _ in 0..rounds {
        for (name, runs) in &mut kinds {
            runs.push(match *name {
                "ml-backup" => ours(&url, cluster.bin(), folder.path(), "true"),
                other => stock(&url, cluster.bin(), folder.path(), &other.split(' ').skip(1).collect::<Vec<_>>()),
            });
        }
    }
    let mean = |runs: &[Run]| Run::median(runs);
    let base = mean(&kinds[0].1);
    println!("{:<18} {:>9} {:>9} {:>11} {:>9} {:>8} {:>8}", "", "seconds", "least", "bytes", "peak MiB", "time", "size");
    for (name, runs) in &kinds {
        let (run, least) = (mean(runs), runs.iter().map(|run| run.seconds).fold(f64::INFINITY, f64::min));
        let (time, size) = (run.seconds / base.seconds, run.bytes as f64 / base.bytes as f64);
        println!("{name:<18} {:>9.2} {least:>9.2} {:>11} {:>9} {time:>7.2}x {size:>7.3}x", run.seconds, run.bytes, run.peak >> 20);
    }
    println!(
        "\nml-backup's seconds hold its verification, {:.2} of them: every byte is read again, unpacked and compared.\n",
        base.verifying
    );
    println!("{:<18} {:>9} {:>11} {:>9}", "level", "seconds", "bytes", "peak MiB");
    let mut levels = Vec::new();
    for level in ["none", "gzip:1", "gzip:2", "gzip:3", "gzip:4", "gzip:5", "gzip:6", "gzip:7", "gzip:8", "gzip:9"] {
        let run = ours(&url, cluster.bin(), folder.path(), level);
        println!("{level:<18} {:>9.2} {:>11} {:>9}", run.seconds, run.bytes, run.peak >> 20);
        levels.push(json!({ "level": level, "run": run.json() }));
    }
    let all: Vec<_> =
        kinds.iter().map(|(name, runs)| json!({ "name": name, "runs": runs.iter().map(Run::json).collect::<Vec<_>>() })).collect();
    bench.finish(&json!({ "database_bytes": bytes, "kinds": all, "levels": levels }));
}
