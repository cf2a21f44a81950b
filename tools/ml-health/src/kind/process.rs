//! Processes of this machine. Command lines may hold secrets: patterns are tried on them, and they are never shown.

use super::declare::{metric, param, rounded, told};
use super::{Args, Kind, Look, ParamKind, Probe, Sample, Unseen, View};
use ml_common::people::{counted, human_bytes};
use ml_common::{Class, OrFail, Result};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

/// `kind = "process"`.
pub static KIND: Kind = Kind {
    name: "process",
    doc: "Processes of this machine, by patterns (regular expressions) of their name or command line; command lines are never shown. This \
          program and those that started it do not count. Processes of other users are seen as far as the system shows them.",
    params: &[],
    views: &[View {
        name: "found",
        doc: "The processes that fit. Without any there is only `count`.",
        params: &[
            param("name", ParamKind::Pattern, None, "fits their name: ^postgres$"),
            param("command", ParamKind::Pattern, None, "fits their command line: python.*scheduler\\.py"),
        ],
        metrics: &[
            metric("count", "", "how many there are"),
            metric("newest_age_s", "s", "since the newest began"),
            metric("oldest_age_s", "s", "since the oldest began: how long the service is up"),
            metric("restarts", "", "how many ended since the look before and were replaced by others"),
            metric("cpu_percent", "%", "CPU of all since the look before, of one core; at first over their lives"),
            metric("memory_bytes", "bytes", "memory of all"),
        ],
        named_by: None,
    }],
    open: |_, _| Ok(Box::new(Processes) as Box<dyn Probe>),
};

/// No more are remembered.
const REMEMBERED: usize = 1000;

struct Processes;

struct Found {
    pid: u32,
    name: String,
    /// Seconds since 1970.
    began: u64,
    memory: u64,
    /// Milliseconds of CPU.
    cpu: u64,
}

impl Probe for Processes {
    fn take(&mut self, _: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        let pattern = |name: &str| {
            let wrong = || format!("the pattern {name} is no regular expression");
            args.text(name).map(|text| Regex::new(text).or_fail(Class::Config, wrong)).transpose()
        };
        let (name, command) = (pattern("name")?, pattern("command")?);
        let found = find(name.as_ref(), command.as_ref());
        let remembered = std::mem::take(look.memory);
        *look.memory = memory(&found, look.now);
        Ok(sample(&found, &remembered, look.now))
    }
}

fn find(name: Option<&Regex>, command: Option<&Regex>) -> Vec<Found> {
    let mut system = System::new();
    let mut wanted = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
    if command.is_some() {
        wanted = wanted.with_cmd(UpdateKind::Always);
    }
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
    let ours = ours(&system);
    let fits = |process: &Process| {
        let words: Vec<_> = process.cmd().iter().map(|word| word.to_string_lossy()).collect();
        name.is_none_or(|name| name.is_match(&process.name().to_string_lossy()))
            && command.is_none_or(|command| command.is_match(&words.join(" ")))
    };
    // One that has ended and waits for its parent does nothing any more.
    let ended = |process: &Process| matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead);
    let alive = |process: &&Process| !ended(process) && !ours.contains(&process.pid()) && process.thread_kind().is_none() && fits(process);
    let of = |process: &Process| Found {
        pid: process.pid().as_u32(),
        name: process.name().to_string_lossy().into_owned(),
        began: process.start_time(),
        memory: process.memory(),
        cpu: process.accumulated_cpu_time(),
    };
    let mut found: Vec<Found> = system.processes().values().filter(alive).map(of).collect();
    found.sort_by_key(|process| (process.began, process.pid));
    found
}

/// This process, and those that started it: a shell's command line holds the pattern that is looked for.
fn ours(system: &System) -> Vec<Pid> {
    let mut ours = vec![Pid::from_u32(std::process::id())];
    while let Some(parent) = ours.last().and_then(|pid| system.process(*pid)?.parent()).filter(|parent| !ours.contains(parent)) {
        // The first process is a service's, in a container.
        if parent.as_u32() <= 1 {
            break;
        }
        ours.push(parent);
    }
    ours
}

/// `{"at": seconds, "seen": {"PID-BEGIN": milliseconds of CPU}}`
fn memory(found: &[Found], now: jiff::Timestamp) -> Value {
    let seen: BTreeMap<String, u64> = found.iter().rev().take(REMEMBERED).map(|process| (process.key(), process.cpu)).collect();
    json!({"at": now.as_second(), "seen": seen})
}

impl Found {
    fn key(&self) -> String {
        format!("{}-{}", self.pid, self.began)
    }
}

fn sample(found: &[Found], remembered: &Value, now: jiff::Timestamp) -> Sample {
    let now = now.as_second() as f64;
    let age = |process: &Found| (now - process.began as f64).max(0.0);
    let seen = remembered.get("seen").and_then(Value::as_object);
    let (mut sample, mut restarts) = (Sample::default().with("count", found.len()), 0);
    if let Some(seen) = seen {
        let new = found.iter().filter(|process| !seen.contains_key(&process.key())).count();
        let gone = seen.keys().filter(|key| !found.iter().any(|process| process.key() == **key)).count();
        restarts = new.min(gone);
        sample = sample.with("restarts", restarts);
    }
    let (Some(oldest), Some(newest)) = (found.first(), found.last()) else {
        sample.note = "no such process runs".into();
        return sample;
    };
    let memory: u64 = found.iter().map(|process| process.memory).sum();
    let since = remembered.get("at").and_then(Value::as_f64).map(|at| now - at).filter(|since| *since >= 1.0);
    let worked = |process: &Found| {
        let before = seen.and_then(|seen| seen.get(&process.key())?.as_u64()).filter(|_| since.is_some());
        let time = before.and(since).unwrap_or_else(|| age(process)).max(1.0);
        process.cpu.saturating_sub(before.unwrap_or_default()) as f64 / 10.0 / time
    };
    sample.note = format!(
        "{}, the oldest up for {}, {} of memory{}",
        if found.len() == 1 { "1 process".to_owned() } else { format!("{} processes", found.len()) },
        told(age(oldest)),
        human_bytes(memory),
        if restarts > 0 { format!(", {} since the look before", counted(restarts as u64, "restart")) } else { String::new() }
    );
    let row = |process: &Found| format!("{} {}: up for {}, {}", process.pid, process.name, told(age(process)), human_bytes(process.memory));
    sample.rows = found.iter().rev().take(10).map(row).collect();
    sample
        .with("newest_age_s", rounded(age(newest)))
        .with("oldest_age_s", rounded(age(oldest)))
        .with("memory_bytes", memory)
        .with("cpu_percent", rounded(found.iter().map(worked).sum()))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests {
    use super::super::probing::{Probing, text};
    use super::*;
    use ml_common::record::Scalar;
    use std::process::{Child, Command, Stdio};

    fn sleeper(mark: &str) -> Child {
        // The mark is on the command line, as a secret would be. Nothing is started from it: a fork is the same process twice for a moment.
        Command::new("sh").args(["-c", &format!("read line # {mark}")]).stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn processes_are_counted_and_restarts_seen_without_their_command_lines() {
        let mark = format!("scheduler-{}", std::process::id());
        let given = [("command", text(mark.clone()))];
        let mut probe = Probing::open(&KIND, &[]);
        let none = probe.take("found", &given).unwrap();
        assert_eq!((&none.values["count"], none.values.get("newest_age_s")), (&Scalar::Int(0), None));
        let mut first = sleeper(&mark);
        let one = probe.take("found", &given).unwrap();
        assert_eq!((&one.values["count"], &one.values["restarts"]), (&Scalar::Int(1), &Scalar::Int(0)));
        assert!(!format!("{one:?}").contains(&mark), "{one:?}");
        assert!(one.rows[0].starts_with(&format!("{} sh: up for ", first.id())), "{:?}", one.rows);
        first.kill().unwrap();
        first.wait().unwrap();
        let mut second = sleeper(&mark);
        let again = probe.take("found", &given).unwrap();
        assert_eq!((&again.values["count"], &again.values["restarts"]), (&Scalar::Int(1), &Scalar::Int(1)));
        second.kill().unwrap();
        second.wait().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn one_that_ended_and_was_not_waited_for_is_not_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mark = format!("z-{}", std::process::id());
        std::os::unix::fs::symlink("/bin/sh", dir.path().join(&mark)).unwrap();
        let mut child = Command::new(dir.path().join(&mark)).args(["-c", "read line"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut probe = Probing::open(&KIND, &[]);
        let mut count = || probe.take("found", &[("name", text(mark.clone()))]).unwrap().values["count"].clone();
        assert_eq!(count(), Scalar::Int(1));
        child.kill().unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        while !state().contains(") Z ") {
            std::thread::yield_now();
        }
        assert_eq!(count(), Scalar::Int(0));
        child.wait().unwrap();
    }

    #[test]
    fn a_pattern_that_is_none_is_told() {
        assert!(Probing::open(&KIND, &[]).take("found", &[("name", text("("))]).is_err());
    }
}
