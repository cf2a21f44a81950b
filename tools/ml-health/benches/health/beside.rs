//! How much longer a run takes than its slowest probe, and how long it takes to begin.

use crate::world::World;
use serde_json::{Value, json};
use std::time::Instant;

/// What the slowest probe takes; the stand-in waits so long with its answer.
pub const SLOW_MS: u64 = 500;
/// Runs of each.
const RUNS: usize = 15;

/// One slow endpoint beside four dozen checks of PostgreSQL, Redis, the API, files and the machine.
fn many() -> String {
    let mut text = String::from(
        "[profile]\nversion = 1\nsystem = \"beside\"\n[probe.slow]\nkind = \"http\"\nurl = \"${BASE_URL}/slow\"\n[[check]]\nid = \"slow\"\nprobe = \"slow\"\n\
         [probe.db]\nkind = \"postgres\"\n[probe.queue]\nkind = \"redis\"\n[probe.host]\nkind = \"host\"\n[probe.root]\nkind = \"disk\"\npath = \"/\"\n",
    );
    let mut check = |id: String, probe: &str| text.push_str(&format!("[[check]]\nid = \"{id}\"\nprobe = \"{probe}\"\n"));
    let views = ["connect", "connections", "long-queries", "xmin", "freeze", "slots", "cache", "deadlocks", "size", "settings"];
    views.iter().for_each(|view| check(format!("db.{view}"), &format!("db.{view}")));
    let views = ["ping", "server", "memory", "evictions", "hits", "clients", "persistence"];
    views.iter().for_each(|view| check(format!("queue.{view}"), &format!("queue.{view}")));
    check("host".into(), "host");
    check("root".into(), "root");
    for number in 0..30 {
        let (kind, at) = match number % 3 {
            0 => ("json", "url = \"${BASE_URL}/metrics\"\nmetrics = { total = \".proofs.total\" }"),
            1 => ("files", "path = \"/etc/host*\""),
            _ => ("http", "url = \"${BASE_URL}/health\""),
        };
        text.push_str(&format!("[probe.p{number}]\nkind = \"{kind}\"\n{at}\n[[check]]\nid = \"p{number}\"\nprobe = \"p{number}\"\n"));
    }
    text
}

const ONE: &str =
    "[profile]\nversion = 1\nsystem = \"one\"\n[probe.a]\nkind = \"files\"\npath = \"/etc/passwd\"\n[[check]]\nid = \"a\"\nprobe = \"a\"\n";

/// Measures both and says it.
pub fn measure(world: &World) -> Value {
    let (many, one) = (world.profile("beside", &many()), world.profile("one", ONE));
    let (mut over, mut start, mut checks) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        let began = Instant::now();
        let records = world.records(&many);
        let wall = began.elapsed().as_secs_f64() * 1000.0;
        let took = records.iter().filter(|record| record["kind"] == "check").filter_map(|record| record["duration_ms"].as_f64());
        over.push(wall - took.fold(0.0, f64::max));
        checks = records.iter().filter(|record| record["kind"] == "check").count();
        let began = Instant::now();
        world.health(&one);
        start.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let (over, start) = (spread(over), spread(start));
    println!("\n{:<60} {:>8} {:>8} {:>8}   of {RUNS} runs, ms", "", "least", "median", "most");
    println!(
        "{:<60} {:>8.1} {:>8.1} {:>8.1}",
        format!("{checks} checks, one takes {SLOW_MS} ms: the run without it"),
        over[0],
        over[1],
        over[2]
    );
    println!("{:<60} {:>8.1} {:>8.1} {:>8.1}", "one check of a file: the whole run", start[0], start[1], start[2]);
    json!({ "over_slowest_ms": over, "start_ms": start, "checks": checks })
}

/// Least, median, most.
fn spread(mut all: Vec<f64>) -> [f64; 3] {
    all.sort_by(f64::total_cmp);
    [all[0], all[all.len() / 2], all[all.len() - 1]]
}
