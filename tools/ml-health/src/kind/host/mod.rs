//! The machine, or the container that we are in: its limits count, since they are what it runs against.

#[cfg(any(target_os = "linux", test))]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use super::declare::{metric, param, percent, rounded, told};
use super::{Args, Kind, Look, ParamKind, Probe, Sample, Unseen, View};
use ml_common::people::human_bytes;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

/// `kind = "host"`.
pub static KIND: Kind = Kind {
    name: "host",
    doc: "This machine. In a container whose memory or CPU is limited, memory and CPU are told of the container.",
    params: &[param("root", ParamKind::Path, Some("/"), "where the machine's /proc and /sys are, when they are mounted elsewhere (Linux)")],
    views: &[
        View {
            name: "system",
            doc: "Load, memory, swap, uptime and open files, at this moment.",
            params: &[],
            metrics: &[
                metric("memory_percent", "%", "memory in use; what the system would give up at once counts as free"),
                metric("memory_used", "bytes", "the same in bytes"),
                metric("memory_total", "bytes", "all memory, or the container's limit"),
                metric("swap_percent", "%", "swap in use; 0 without swap"),
                metric("swap_used", "bytes", "the same in bytes"),
                metric("swap_total", "bytes", "all swap"),
                metric("load_1", "", "load average of a minute (not on Windows)"),
                metric("load_5", "", "of 5 minutes"),
                metric("load_15", "", "of 15 minutes"),
                metric("load_per_core", "", "load average of a minute for each core that may be used"),
                metric("cores", "", "cores that may be used"),
                metric("uptime_s", "s", "since the machine was started"),
                metric("files_open", "", "open files of all processes (Linux)"),
                metric("files_percent", "%", "the same of as many as the system allows (Linux)"),
            ],
            named_by: None,
        },
        View {
            name: "cpu",
            doc: "CPU, since the look before when that was within 15 minutes, else for a fifth of a second.",
            params: &[],
            metrics: &[metric("percent", "%", "CPU in use, of all cores that may be used"), metric("window_s", "s", "over which time")],
            named_by: None,
        },
    ],
    open: |args, _| Ok(Box::new(Host { root: args.text("root").unwrap_or("/").into() }) as Box<dyn Probe>),
};

struct Host {
    root: PathBuf,
}

/// What is known of the machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    memory_used: u64,
    memory_total: u64,
    swap_used: u64,
    swap_total: u64,
    load: Option<[f64; 3]>,
    cores: f64,
    uptime: f64,
    /// Open, and how many can be.
    files: Option<(u64, u64)>,
}

/// Seconds of work, and seconds in which work could have been done, since some beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worked {
    busy: f64,
    total: f64,
}

impl Probe for Host {
    fn take(&mut self, view: &str, _: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        if view == "cpu" { cpu(&self.root, look) } else { Ok(facts(&system::facts(&self.root)?)) }
    }
}

fn facts(facts: &Facts) -> Sample {
    let part = |used: u64, total: u64| percent(used as f64, total as f64);
    let (memory, swap) = (part(facts.memory_used, facts.memory_total), part(facts.swap_used, facts.swap_total));
    let load = facts.load.map_or_else(String::new, |load| format!(", load {} on {} cores", load[0], facts.cores));
    let note =
        format!("{memory} % of {} memory and {swap} % of swap in use{load}, up {}", human_bytes(facts.memory_total), told(facts.uptime));
    let mut sample = Sample { note, ..Sample::default() }
        .with("memory_percent", memory)
        .with("memory_used", facts.memory_used)
        .with("memory_total", facts.memory_total)
        .with("swap_percent", swap)
        .with("swap_used", facts.swap_used)
        .with("swap_total", facts.swap_total)
        .with("cores", rounded(facts.cores))
        .with("uptime_s", rounded(facts.uptime));
    if let Some([one, five, fifteen]) = facts.load {
        sample = sample.with("load_1", rounded(one)).with("load_5", rounded(five)).with("load_15", rounded(fifteen));
        sample = sample.with("load_per_core", rounded(one / facts.cores.max(0.01)));
    }
    if let Some((open, most)) = facts.files {
        sample = sample.with("files_open", open).with("files_percent", part(open, most));
    }
    sample
}

fn cpu(root: &std::path::Path, look: &mut Look<'_>) -> Result<Sample, Unseen> {
    const OLDEST: Duration = Duration::from_secs(900);
    const WINDOW: Duration = Duration::from_millis(200);
    let now = system::worked(root)?;
    let earlier = look
        .remembered
        .filter(|at| look.now.duration_since(*at).unsigned_abs() <= OLDEST)
        .and_then(|_| Some(Worked { busy: look.memory.get("busy")?.as_f64()?, total: look.memory.get("total")?.as_f64()? }));
    // After a restart of the machine, or in the tick of the look before, there is nothing to compare with.
    let usable = |earlier: &Worked| now.total - earlier.total >= WINDOW.as_secs_f64() && now.busy >= earlier.busy;
    let (from, to) = match earlier.filter(usable) {
        Some(earlier) => (earlier, now),
        None => {
            std::thread::sleep(WINDOW.min(look.left()));
            (now, system::worked(root)?)
        }
    };
    *look.memory = json!({"busy": to.busy, "total": to.total});
    let cores = system::cores(root);
    let (busy, total) = (to.busy - from.busy, to.total - from.total);
    let (used, window) = (percent(busy.clamp(0.0, total.max(0.0)), total), rounded(total / cores.max(0.01)));
    let note = format!("{used} % of {cores} cores in use over {window} s");
    Ok(Sample { note, ..Sample::default() }.with("percent", used).with("window_s", window))
}
