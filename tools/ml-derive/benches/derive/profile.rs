//! Where the time goes, by `perf` or by valgrind's callgrind, whichever there is, and how many instructions both engines take.

use crate::callgrind::{self, Counted};
use crate::child::words;
use crate::table::thousands;
use crate::{Result, say};
use serde::Serialize;
use std::path::Path;
use std::process::{Command, Stdio};

/// Functions that are shown.
const TOP: usize = 5;
/// To where `perf` watches: about a second.
const PERF_TO: usize = 23;

/// A function and its share of the whole.
#[derive(Debug, Serialize)]
pub struct Share {
    pub function: String,
    pub percent: f64,
}

/// What was found out.
#[derive(Debug, Serialize)]
pub struct Profile {
    pub by: Option<&'static str>,
    pub to: usize,
    pub top: Vec<Share>,
    pub instructions: Vec<Instructions>,
}

/// Both engines to one length, one thread.
#[derive(Debug, Serialize)]
pub struct Instructions {
    pub to: usize,
    pub baseline: u64,
    pub ours: u64,
}

/// Profiles; what the tools write stays in `folder`.
pub fn measure(folder: &Path, long: bool) -> Result<Profile> {
    // The last one takes minutes.
    let lengths: &[usize] = match (has("valgrind"), long) {
        (false, _) => &[],
        (true, false) => &[19],
        (true, true) => &[19, 21, 25],
    };
    let mut instructions = Vec::new();
    let mut ours = None;
    for &to in lengths {
        let (plain, this) = (counted(folder, "baseline", to)?, counted(folder, "ours", to)?);
        instructions.push(Instructions { to, baseline: plain.total, ours: this.total });
        ours = Some((to, this));
    }
    let by_perf = if has("perf") { perf(folder) } else { Err("perf is not installed".to_owned()) };
    let (by, reached, top) = match (by_perf, &ours) {
        (Ok(top), _) => (Some("perf"), PERF_TO, top),
        (Err(reason), Some((to, ours))) => {
            say(format_args!("\nThe profile is callgrind's: {reason}."));
            let share = |(function, count): &(String, u64)| Share {
                function: function.clone(),
                percent: *count as f64 * 100.0 / ours.total as f64,
            };
            (Some("callgrind"), *to, ours.functions.iter().take(TOP).map(share).collect())
        }
        (Err(reason), None) => {
            say(format_args!("\nNo profile: {reason}, and valgrind is not installed."));
            (None, 0, Vec::new())
        }
    };
    if let Some(by) = by {
        say(format_args!("\nThis engine to {reached}, one thread: the functions that take most, by {by}"));
        top.iter().for_each(|share| say(format_args!("{:>7.1} %  {}", share.percent, share.function)));
    }
    for Instructions { to, baseline, ours } in &instructions {
        say(format_args!(
            "\nInstructions to {to}: the plain engine {}, this one {}: {:.2} times fewer",
            thousands(*baseline),
            thousands(*ours),
            *baseline as f64 / *ours as f64
        ));
    }
    if instructions.is_empty() {
        say("\nInstructions are not counted: valgrind is not installed (apt-get install valgrind).");
    }
    Ok(Profile { by, to: reached, top, instructions })
}

/// Whether that program is there and runs.
fn has(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// This program doing one run, as the last words of another program's command line.
fn run_by(tool: &str, options: &[String], engine: &str, to: usize) -> Result<Command> {
    let program = std::env::current_exe().map_err(|error| format!("this program does not find itself: {error}"))?;
    let mut command = Command::new(tool);
    command.args(options).arg(program).args(words(engine, to, 1)).stdin(Stdio::null());
    Ok(command)
}

fn counted(folder: &Path, engine: &str, to: usize) -> Result<Counted> {
    let file = folder.join(format!("callgrind.{engine}.out"));
    let options = ["--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", file.display())];
    let output = run_by("valgrind", &options, engine, to)?.output().map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!("valgrind ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    callgrind::read(&String::from_utf8_lossy(&text)).ok_or_else(|| format!("{}: not understood", file.display()))
}

/// The functions in which `perf` found us most often; or why it found nothing.
fn perf(folder: &Path) -> Result<Vec<Share>> {
    let file = folder.join("perf.data");
    let options = ["record", "-q", "-F", "997", "-o"].map(str::to_owned).into_iter();
    let options: Vec<String> = options.chain([file.display().to_string(), "--".to_owned()]).collect();
    let recorded = run_by("perf", &options, "ours", PERF_TO)?.output().map_err(|error| format!("perf: {error}"))?;
    if !recorded.status.success() {
        return Err(format!("perf may not record here ({})", recorded.status));
    }
    let report = ["report", "-q", "--stdio", "--no-children", "-F", "overhead,symbol", "-i"];
    let mut command = Command::new("perf");
    let shown = command.args(report).arg(&file).stdin(Stdio::null()).output().map_err(|error| format!("perf: {error}"))?;
    let shares: Vec<Share> = String::from_utf8_lossy(&shown.stdout).lines().filter_map(share).take(TOP).collect();
    if shares.is_empty() { Err("perf recorded nothing".to_owned()) } else { Ok(shares) }
}

/// A line of `perf report`: `12.34%  [.] function`.
fn share(line: &str) -> Option<Share> {
    let (percent, symbol) = line.trim().split_once('%')?;
    let function = symbol.trim().split_once("] ").map_or(symbol.trim(), |(_, function)| function.trim());
    Some(Share { function: callgrind::shown(function), percent: percent.parse().ok()? })
}
