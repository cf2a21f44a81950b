//! This machine, and containers as their files tell them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::super::probing::{Probing, text};
use super::*;
use ml_common::record::Scalar;
use std::path::Path;

fn number(value: &Scalar) -> f64 {
    match value {
        Scalar::Int(whole) => *whole as f64,
        Scalar::Float(float) => *float,
        other => panic!("{other:?}"),
    }
}

fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let usual = [
        ("proc/meminfo", "MemTotal: 8192 kB\nMemFree: 100 kB\nMemAvailable: 2048 kB\nSwapTotal: 1000 kB\nSwapFree: 190 kB\n"),
        ("proc/loadavg", "12.50 8.00 4.25 3/500 12345\n"),
        ("proc/uptime", "1000.00 7000.00\n"),
        ("proc/sys/fs/file-nr", "1500\t0\t3000\n"),
        ("proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1\nintr 1\n"),
    ];
    for (path, text) in usual.iter().chain(files) {
        write(dir.path(), path, text);
    }
    dir
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn look(root: &Path, view: &str) -> Sample {
    Probing::open(&KIND, &[("root", text(root.to_str().unwrap()))]).take(view, &[]).unwrap()
}

#[test]
fn a_machine_without_limits() {
    let dir = machine(&[("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")]);
    let seen = look(dir.path(), "system");
    for (name, value) in [
        ("memory_percent", 75.0),
        ("memory_total", 8192.0 * 1024.0),
        ("swap_percent", 81.0),
        ("load_1", 12.5),
        ("load_5", 8.0),
        ("load_15", 4.25),
        ("load_per_core", 3.125),
        ("cores", 4.0),
        ("uptime_s", 1000.0),
        ("files_open", 1500.0),
        ("files_percent", 50.0),
    ] {
        assert_eq!(number(&seen.values[name]), value, "{name}");
    }
}

#[test]
fn limits_of_a_container_count_in_both_generations() {
    let new = [
        ("sys/fs/cgroup/memory.max", "4194304\n"),
        ("sys/fs/cgroup/memory.current", "3145728\n"),
        ("sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 1048576\n"),
        ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
        ("sys/fs/cgroup/cpu.stat", "usage_usec 1000000\n"),
    ];
    let old = [
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "4194304\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "3145728\n"),
        ("sys/fs/cgroup/memory/memory.stat", "cache 5\ntotal_inactive_file 1048576\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ("sys/fs/cgroup/cpuacct/cpuacct.usage", "1000000000\n"),
    ];
    for files in [&new[..], &old[..]] {
        let dir = machine(files);
        let seen = look(dir.path(), "system");
        assert_eq!(number(&seen.values["memory_percent"]), 50.0);
        assert_eq!((number(&seen.values["memory_total"]), number(&seen.values["cores"])), (4_194_304.0, 1.5));
        assert_eq!(linux::worked(dir.path()).unwrap(), Worked { busy: 1.0, total: 1500.0 });
    }
}

#[test]
fn cpu_is_told_since_the_look_before() {
    let dir = machine(&[]);
    let mut probe = Probing::open(&KIND, &[("root", text(dir.path().to_str().unwrap()))]);
    probe.take("cpu", &[]).unwrap();
    write(dir.path(), "proc/stat", "cpu  400 0 400 1000 200 0 0 0 0 0\ncpu0 1\ncpu1 1\n");
    let seen = probe.take("cpu", &[]).unwrap();
    assert_eq!((number(&seen.values["percent"]), number(&seen.values["window_s"])), (60.0, 5.0));
    // The machine was restarted.
    write(dir.path(), "proc/stat", "cpu  1 0 1 1 0 0 0 0 0 0\ncpu0 1\ncpu1 1\n");
    assert_eq!(number(&probe.take("cpu", &[]).unwrap().values["percent"]), 0.0);
}

#[test]
fn this_machine_is_told() {
    let seen = look(Path::new("/"), "system");
    for name in ["memory_percent", "swap_percent", "load_1", "uptime_s", "files_open", "cores"] {
        assert!(number(&seen.values[name]) >= 0.0, "{name}");
    }
    let cpu = look(Path::new("/"), "cpu");
    assert!((0.0..=100.0).contains(&number(&cpu.values["percent"])) && number(&cpu.values["window_s"]) > 0.1, "{cpu:?}");
}
