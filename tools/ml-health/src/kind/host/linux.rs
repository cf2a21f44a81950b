//! Linux: /proc, and the limits of the control group of a container.

use super::{Facts, Worked};
use ml_common::{Class, Failure, Result};
use std::path::{Path, PathBuf};

fn read(root: &Path, path: &str) -> Result<String> {
    let path = root.join(path);
    let failed = |error| Failure::new(Class::General, format!("reading {}: {error}", path.display())).hint("is /proc mounted?");
    std::fs::read_to_string(&path).map_err(failed)
}

/// The number of a line `Name:   123 kB`, in its own unit.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix([':', ' ']))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A file of a control group: of version 2, or of version 1.
fn group(root: &Path, new: &str, old: &str) -> Option<String> {
    let folder: PathBuf = root.join("sys/fs/cgroup");
    std::fs::read_to_string(folder.join(new)).or_else(|_| std::fs::read_to_string(folder.join(old))).ok()
}

fn number(text: Option<String>) -> Option<u64> {
    text?.trim().parse().ok()
}

/// What is known of the machine.
///
/// # Errors
/// When /proc cannot be read.
pub fn facts(root: &Path) -> Result<Facts> {
    let meminfo = read(root, "proc/meminfo")?;
    let kib = |name: &str| field(&meminfo, name).unwrap_or_default() * 1024;
    let total = kib("MemTotal");
    let free = field(&meminfo, "MemAvailable").map_or_else(|| kib("MemFree"), |kib| kib * 1024);
    let (memory_used, memory_total) = limited(root, total).unwrap_or((total.saturating_sub(free), total));
    let numbers = |text: &str| text.split_whitespace().map_while(|word| word.parse().ok()).collect::<Vec<f64>>();
    let load = numbers(&read(root, "proc/loadavg")?);
    let uptime = numbers(&read(root, "proc/uptime")?).first().copied().unwrap_or_default();
    let files = read(root, "proc/sys/fs/file-nr").map(|text| numbers(&text)).unwrap_or_default();
    Ok(Facts {
        memory_used,
        memory_total,
        swap_used: kib("SwapTotal").saturating_sub(kib("SwapFree")),
        swap_total: kib("SwapTotal"),
        load: load.get(..3).and_then(|load| load.try_into().ok()),
        cores: cores(root),
        uptime,
        files: files.get(..3).map(|files| (files[0] as u64, files[2] as u64)),
    })
}

/// Memory of the container: used, as its runtime tells it, and its limit, when that is below the machine's memory.
fn limited(root: &Path, total: u64) -> Option<(u64, u64)> {
    let limit = number(group(root, "memory.max", "memory/memory.limit_in_bytes")).filter(|limit| *limit < total)?;
    let used = number(group(root, "memory.current", "memory/memory.usage_in_bytes"))?;
    let stat = group(root, "memory.stat", "memory/memory.stat")?;
    let cache = field(&stat, "total_inactive_file").or_else(|| field(&stat, "inactive_file")).unwrap_or_default();
    Some((used.saturating_sub(cache), limit))
}

/// Cores of the container, when they are limited.
fn quota(root: &Path) -> Option<f64> {
    let (quota, period) = match group(root, "cpu.max", "") {
        Some(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        }
        None => {
            let number = |name: &str| group(root, name, name)?.trim().parse::<f64>().ok();
            (number("cpu/cpu.cfs_quota_us")?, number("cpu/cpu.cfs_period_us")?)
        }
    };
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// How many cores may be used.
pub fn cores(root: &Path) -> f64 {
    let stat = read(root, "proc/stat").unwrap_or_default();
    let all = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count().max(1) as f64;
    quota(root).map_or(all, |quota| quota.min(all))
}

/// Seconds of work and of time since the start of the machine.
///
/// # Errors
/// When /proc cannot be read.
pub fn worked(root: &Path) -> Result<Worked> {
    if let Some(quota) = quota(root)
        && let Some(busy) = group_busy(root)
    {
        let uptime = read(root, "proc/uptime")?;
        let uptime: f64 = uptime.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default();
        return Ok(Worked { busy, total: uptime * quota });
    }
    /// Ticks a second, as the kernel tells every program.
    const TICKS: f64 = 100.0;
    let stat = read(root, "proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    // user nice system idle iowait irq softirq steal; guests are within user.
    let ticks: Vec<f64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    let total: f64 = ticks.iter().sum();
    Ok(Worked { busy: (total - idle) / TICKS, total: total / TICKS })
}

fn group_busy(root: &Path) -> Option<f64> {
    let new = group(root, "cpu.stat", "").and_then(|text| field(&text, "usage_usec")).map(|micros| micros as f64 / 1e6);
    new.or_else(|| number(group(root, "cpuacct/cpuacct.usage", "")).map(|nanos| nanos as f64 / 1e9))
}
