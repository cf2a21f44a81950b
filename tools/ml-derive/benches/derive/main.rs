//! How fast and how large the derivation engine is: what `make bench` measures. docs/benchmarks.md says how to read it.
//!
//! Each measured run is a process of its own (this program with `--child`), so that memory is a run's own and no run finds the caches
//! of another one warm. Runs of the plain engine ([`baseline`]) and of ours take turns: what else the machine does meets both. Nothing
//! here fails for being slow; counts that differ are an error.

mod baseline;
mod callgrind;
mod child;
mod goals;
mod machine;
mod nightly;
mod paired;
mod profile;
mod slow;
mod table;

use serde_json::json;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What went wrong, for people.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--child", engine, length, threads] => child::run(engine, length, threads),
        // `cargo bench` says so; `cargo test --benches` does not, and tests are not timed.
        words if words.contains(&"--bench") => measure(json_path(words)),
        _ => {
            say("nothing is measured: use `make bench`");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "bench: {message}");
            ExitCode::FAILURE
        }
    }
}

/// A line for people; that nobody reads it any more is no failure.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The file that `--json` names; else the one below cargo's output, three folders above this program.
fn json_path(words: &[&str]) -> Option<PathBuf> {
    let named = words.iter().position(|&word| word == "--json").and_then(|at| words.get(at + 1)).map(PathBuf::from);
    named.or_else(|| Some(std::env::current_exe().ok()?.ancestors().nth(3)?.join("bench/derive.json")))
}

fn measure(path: Option<PathBuf>) -> Result<()> {
    let path = path.ok_or("it is not clear where the figures are to be written: name a file with --json")?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let long = std::env::var_os("BENCH_LONG").is_some_and(|value| value != "0" && !value.is_empty());

    let machine = machine::describe();
    say(format_args!("Derivation engine, system frege; {}", machine.sentence()));
    let slow = paired::slow()?;
    let pairs = paired::pairs(long)?;
    let last = paired::last()?;
    table::lengths(&last);
    let profile = profile::measure(folder, long)?;
    let nights = nightly::measure()?;
    let goals = goals::judge(&pairs, &last, &profile.instructions);
    machine::warn(&machine);

    let figures = json!({
        "v": 1,
        "system": "frege",
        "time": jiff::Timestamp::now().to_string(),
        "machine": machine,
        "slow": slow,
        "pairs": pairs,
        "last": last,
        "profile": profile,
        "nightly": nights,
        "goals": goals,
    });
    std::fs::write(&path, format!("{figures:#}\n")).map_err(|error| format!("{}: {error}", path.display()))?;
    say(format_args!("\nAll figures: {}", path.display()));
    Ok(())
}
