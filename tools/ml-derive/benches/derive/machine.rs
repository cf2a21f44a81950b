//! What the operating system says of the machine and of this process. Linux says all of it, others less; then it is left out.

use crate::say;
use serde::Serialize;
use std::fs::read_to_string;

/// Where the figures come from.
#[derive(Debug, Serialize)]
pub struct Machine {
    pub cpu: Option<String>,
    pub cores: usize,
    /// Processes that wanted to run in the last minute, on average, when the measurement began.
    pub load: Option<f64>,
}

/// The machine as it is now.
pub fn describe() -> Machine {
    let cpus = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpus.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()));
    let load = read_to_string("/proc/loadavg").ok().and_then(|text| text.split_whitespace().next()?.parse().ok());
    Machine { cpu, cores: cores(), load }
}

/// Processors that we may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Machine {
    /// For people.
    pub fn sentence(&self) -> String {
        let cpu = self.cpu.as_deref().unwrap_or("an unknown processor");
        let load = self.load.map_or(String::new(), |load| format!(", load {load:.2}"));
        format!("{} cores of {cpu}{load}", self.cores)
    }
}

/// Says when the seconds are not to be believed.
pub fn warn(machine: &Machine) {
    // Below that, what was running a minute ago may just have ended.
    if let Some(load) = machine.load.filter(|&load| load > 0.5) {
        say(format_args!(
            "\nThe machine was not idle (load {load:.2}): seconds are too high and two threads too slow; ratios of pairs suffer less, \
             counts of instructions not at all."
        ));
    }
}

/// The most memory that this process had at once, in bytes.
pub fn peak_bytes() -> Option<u64> {
    let status = read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Seconds that the threads of this process have run.
pub fn cpu_seconds() -> Option<f64> {
    let mut nanoseconds = 0u64;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    // Some systems have the file and do not count.
    (nanoseconds > 0).then_some(nanoseconds as f64 / 1e9)
}
