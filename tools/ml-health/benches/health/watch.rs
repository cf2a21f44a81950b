//! How long programs take: by the clock, on processors, and what the server does for them meanwhile.

use crate::world::World;
use serde_json::{Value, json};
use std::fs::read_to_string;
use std::time::{Duration, Instant};

/// Seconds of one run.
#[derive(Clone, Debug)]
pub struct Run {
    pub wall: f64,
    /// Of the programs, all their children included.
    pub cpu: f64,
    /// Of the server's sessions.
    pub server: f64,
}

impl Run {
    /// Of each figure the median.
    pub fn median(runs: &[Run]) -> Run {
        let of = |figure: fn(&Run) -> f64| {
            let mut sorted: Vec<f64> = runs.iter().map(figure).collect();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        Run { wall: of(|run| run.wall), cpu: of(|run| run.cpu), server: of(|run| run.server) }
    }

    pub fn json(&self) -> Value {
        json!({ "seconds": self.wall, "cpu_seconds": self.cpu, "server_cpu_seconds": self.server })
    }
}

/// Does it so many times; the figures are of one.
pub fn run(world: &World, times: u32, mut what: impl FnMut()) -> Run {
    let (own, server) = (ended_children("self"), world.server_cpu());
    let began = Instant::now();
    for _ in 0..times {
        what();
    }
    let wall = began.elapsed();
    // The last backend ends a moment after its client, and only then it counts.
    std::thread::sleep(Duration::from_millis(200));
    let of_one = |seconds: f64| seconds / f64::from(times);
    Run { wall: of_one(wall.as_secs_f64()), cpu: of_one(ended_children("self") - own), server: of_one(world.server_cpu() - server) }
}

/// Seconds that the ended children of a process, and theirs, were on processors. Linux counts them in hundredths.
pub fn ended_children(process: &str) -> f64 {
    let stat = read_to_string(format!("/proc/{process}/stat")).expect("Linux says how long processes ran");
    // The name, field 2, may hold blanks and parentheses; cutime and cstime are fields 16 and 17.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = [13, 14].iter().map(|&field: &usize| fields[field].parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}
