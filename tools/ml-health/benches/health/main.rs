//! ml-health beside check_pgactivity and check_postgres: the same checks of one PostgreSQL server, wall time, processor time of the programs and
//! of the server; and the whole profile of MathLedger, which they cannot make; and how much longer
//! a run takes than its slowest probe.
//!
//!     cargo bench -p ml-health --bench health [-- --json FILE]
//!     BENCH_LONG=1: nine rounds in place of three
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot be made fails; its tables go to stdout"
)]

mod beside;
mod same;
mod stock;
mod watch;
mod world;

use ml_tests::Bench;
use serde_json::{Value, json};
use stock::Stock;
use watch::Run;
use world::World;

/// Runs of ml-health in a round: one is too short to see how long its processes ran.
const OURS: u32 = 10;

fn main() {
    let Some(bench) = Bench::asked() else { return };
    let rounds = bench.rounds(3, 9);
    let world = World::new();
    println!("{}; {rounds} rounds in turn, medians\n", world.describe());
    println!("{:<44} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "checks", "seconds", "CPU", "server", "time", "CPU");
    let mut all = Vec::new();
    for stock in Stock::installed() {
        let profile = world.profile(stock.name, &same::profile(|same| stock.of(same).is_some()));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(watch::run(&world, OURS, || world.health(&profile)));
            theirs.push(watch::run(&world, 1, || stock.run(&world)));
        }
        let (mine, other) = (Run::median(&ours), Run::median(&theirs));
        let checks = same::CHECKS.iter().filter(|same| stock.of(same).is_some()).count();
        table(&format!("ml-health, what {} can check", stock.name), checks, &mine, None);
        table(stock.name, checks, &other, Some(&mine));
        all.push(json!({ "stock": stock.name, "checks": checks, "ml-health": mine.json(), "theirs": other.json() }));
    }
    let whole: Vec<Run> = (0..rounds).map(|_| watch::run(&world, OURS, || world.mathledger())).collect();
    let (whole, checks) = (Run::median(&whole), world.mathledger_checks());
    table("ml-health, the whole profile of MathLedger", checks, &whole, None);
    all.push(json!({ "profile": "mathledger", "checks": checks, "ml-health": whole.json() }));
    all.push(beside::measure(&world));
    bench.finish(&Value::from(all));
}

/// One line; `against` is what the multiples are of.
fn table(name: &str, checks: usize, run: &Run, against: Option<&Run>) {
    let times = against.map_or(String::new(), |ours| format!("{:>8.0}x {:>8.0}x", run.wall / ours.wall, run.cpu / ours.cpu));
    println!("{name:<44} {checks:>7} {:>9.3} {:>9.3} {:>9.3} {times}", run.wall, run.cpu, run.server);
}
