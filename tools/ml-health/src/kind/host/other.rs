//! Windows and macOS, by way of sysinfo.

use super::{Facts, Worked};
use ml_common::Result;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use sysinfo::System;

/// What is known of the machine.
///
/// # Errors
/// Never.
pub fn facts(root: &Path) -> Result<Facts> {
    let mut system = System::new();
    system.refresh_memory();
    let load = System::load_average();
    Ok(Facts {
        memory_used: system.total_memory().saturating_sub(system.available_memory()),
        memory_total: system.total_memory(),
        swap_used: system.used_swap(),
        swap_total: system.total_swap(),
        load: cfg!(unix).then_some([load.one, load.five, load.fifteen]),
        cores: cores(root),
        uptime: System::uptime() as f64,
        files: None,
    })
}

/// How many cores there are.
pub fn cores(_: &Path) -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// What is asked again and again, when it was last, and what it summed up to: the library tells the CPU between two questions only.
static ASKED: Mutex<Option<(System, Instant, Worked)>> = Mutex::new(None);

/// Seconds of work and of time since this was first asked.
///
/// # Errors
/// Never.
pub fn worked(root: &Path) -> Result<Worked> {
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let (system, last, worked) = asked.get_or_insert_with(|| (System::new(), Instant::now(), Worked { busy: 0.0, total: 0.0 }));
    let time = last.elapsed().as_secs_f64() * cores(root);
    *last = Instant::now();
    system.refresh_cpu_usage();
    worked.busy += time * f64::from(system.global_cpu_usage()) / 100.0;
    worked.total += time;
    Ok(*worked)
}
