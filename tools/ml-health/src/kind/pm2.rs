//! Processes under pm2, by its own list.

use super::command::run;
use super::declare::{metric, param, told};
use super::{Args, Kind, Look, ParamKind, Probe, Sample, Unseen, View};
use ml_common::people::{counted, human_bytes};
use ml_common::{Class, Failure, OrFail, Result, files};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `kind = "pm2"`.
pub static KIND: Kind = Kind {
    name: "pm2",
    doc: "Processes that pm2 keeps running, by `pm2 jlist`. Skipped where there is no pm2. Environments, which the list holds too, are not read.",
    params: &[
        param("program", ParamKind::Text, Some("pm2"), "the program, run as our user: each user has a pm2 of its own"),
        param("file", ParamKind::Path, None, "a file with the output of `pm2 jlist`, read in place of running it"),
    ],
    views: &[View {
        name: "processes",
        doc: "All of them, or those whose name fits.",
        params: &[param("name", ParamKind::Pattern, None, "a regular expression that the name fits")],
        metrics: &[
            metric(
                "crashed",
                "",
                "those that are errored, and restarts since the look before; a restart of all at once, as by `pm2 restart all`, is none",
            ),
            metric("online", "", "processes that run"),
            metric("errored", "", "processes that pm2 has given up"),
            metric("stopped", "", "processes that were stopped"),
            metric("total", "", "all processes"),
            metric("restarts", "", "restarts of all since pm2 counts them"),
            metric("restarted", "", "restarts since the look before, of whatever reason"),
            metric("memory_bytes", "bytes", "memory of all"),
            metric("youngest_s", "s", "since the last start of any that runs"),
        ],
        named_by: None,
    }],
    open: |args, _| {
        let program = args.text("program").unwrap_or("pm2").to_owned();
        Ok(Box::new(Pm2 { program, file: args.text("file").map(PathBuf::from) }) as Box<dyn Probe>)
    },
};

/// Its list holds every environment, and is long.
const LIST_MAX: u64 = 16 << 20;

/// Restarts of all within this time are one restart of all.
const TOGETHER_MS: f64 = 300_000.0;

struct Pm2 {
    program: String,
    file: Option<PathBuf>,
}

/// What we take of a process.
#[derive(Debug)]
struct Process {
    id: String,
    name: String,
    status: String,
    restarts: u64,
    /// Milliseconds since 1970.
    began: f64,
    memory: u64,
    logs: Vec<PathBuf>,
}

impl Probe for Pm2 {
    fn take(&mut self, _: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        let name = args.text("name").map(|text| Regex::new(text).or_fail(Class::Config, || "the pattern name is no regular expression"));
        let name = name.transpose()?;
        let mut list = list(&self.program, self.file.as_deref(), look)?;
        list.retain(|process| name.as_ref().is_none_or(|name| name.is_match(&process.name)));
        let remembered = std::mem::take(look.memory);
        let kept: BTreeMap<&str, (u64, f64)> =
            list.iter().take(500).map(|process| (process.id.as_str(), (process.restarts, process.began))).collect();
        *look.memory = json!(kept);
        Ok(sample(&list, &remembered, look.now))
    }
}

/// The log files of the processes whose name fits.
///
/// # Errors
/// When pm2 does not answer.
pub fn log_files(program: &str, name: &Regex, look: &Look<'_>) -> Result<Vec<PathBuf>, Unseen> {
    let list = list(program, None, look)?;
    let mut files: Vec<PathBuf> =
        list.into_iter().filter(|process| name.is_match(&process.name)).flat_map(|process| process.logs).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn list(program: &str, file: Option<&Path>, look: &Look<'_>) -> Result<Vec<Process>, Unseen> {
    let text = match file {
        Some(path) => files::read_small(path, LIST_MAX)?
            .ok_or_else(|| Failure::new(Class::General, format!("there is no file {}", path.display())).hint("write it with: pm2 jlist"))?,
        None => {
            let Some(found) = run::find(program) else { return Err(Unseen::Absent(format!("there is no {program} on this machine"))) };
            let mut command = Command::new(found);
            command.arg("jlist");
            let said = run::run(command, LIST_MAX, look)?;
            if said.code != 0 {
                return Err(run::failed("pm2 jlist", &said, "try it as the user of this check"));
            }
            said.out
        }
    };
    // A daemon that had to be started says so before the list.
    let begin = text.windows(2).position(|two| matches!(two, b"[{" | b"[]")).unwrap_or_default();
    let list: Vec<Value> = serde_json::from_slice(text.get(begin..).unwrap_or_default().trim_ascii())
        .map_err(|_| Failure::new(Class::General, "what pm2 jlist prints is not its list").hint("look at: pm2 jlist"))?;
    Ok(list.iter().map(process).collect())
}

fn process(value: &Value) -> Process {
    let env = &value["pm2_env"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let logs = ["pm_out_log_path", "pm_err_log_path"].iter().filter_map(|key| Some(PathBuf::from(env[*key].as_str()?)));
    Process {
        id: value["pm_id"].to_string(),
        name: text(&value["name"]),
        status: text(&env["status"]),
        restarts: env["restart_time"].as_u64().unwrap_or_default(),
        began: env["pm_uptime"].as_f64().unwrap_or_default(),
        memory: value["monit"]["memory"].as_u64().unwrap_or_default(),
        logs: logs.collect(),
    }
}

fn sample(list: &[Process], remembered: &Value, now: jiff::Timestamp) -> Sample {
    let of = |status: &str| list.iter().filter(|process| process.status == status).count() as u64;
    // A count that went back was reset: what it shows came since then.
    let since = |process: &Process| {
        let before = remembered.get(&process.id)?.get(0)?.as_u64()?;
        Some(process.restarts.checked_sub(before).unwrap_or(process.restarts))
    };
    let restarted: u64 = list.iter().filter_map(since).sum();
    // One that was stopped is started without being counted.
    let anew = |process: &Process| match since(process) {
        Some(0) => remembered[&process.id][1].as_f64().is_some_and(|before| before < process.began),
        new => new == Some(1),
    };
    let planned = if all_at_once(list, &since, &anew) { restarted } else { 0 };
    let crashed = of("errored") + restarted - planned;
    let rest = if planned > 0 { ", all restarted together".to_owned() } else { String::new() };
    let note = format!(
        "{} of {} online, {} errored, {} since the look before{rest}",
        of("online"),
        counted(list.len() as u64, "process").replace("processs", "processes"),
        of("errored"),
        counted(restarted, "restart")
    );
    let age = |process: &Process| (now.as_millisecond() as f64 - process.began).max(0.0) / 1000.0;
    let youngest = list.iter().filter(|process| process.status == "online").map(age).min_by(f64::total_cmp);
    let mut shown: Vec<&Process> = list.iter().collect();
    shown.sort_by_key(|process| (process.status == "online", std::cmp::Reverse(since(process)), std::cmp::Reverse(process.restarts)));
    let row = |process: &&Process| {
        let up = if process.status == "online" { format!(" for {}", told(age(process))) } else { String::new() };
        let (name, status, restarts) = (&process.name, &process.status, process.restarts);
        let new = since(process).filter(|new| *new > 0).map_or_else(String::new, |new| format!(", {new} of them new"));
        format!("{name}: {status}{up}, {}{new}, {}", counted(restarts, "restart"), human_bytes(process.memory))
    };
    let mut sample = Sample { rows: shown.iter().take(10).map(row).collect(), note, ..Sample::default() }
        .with("crashed", crashed)
        .with("online", of("online"))
        .with("errored", of("errored"))
        .with("stopped", of("stopped"))
        .with("total", list.len())
        .with("restarts", list.iter().map(|process| process.restarts).sum::<u64>())
        .with("restarted", restarted)
        .with("memory_bytes", list.iter().map(|process| process.memory).sum::<u64>());
    sample.values.extend(youngest.map(|age| ("youngest_s".to_owned(), super::declare::rounded(age))));
    sample
}

/// Whether every process that runs, and there are several, was started once more at about the same time.
fn all_at_once(list: &[Process], since: &dyn Fn(&Process) -> Option<u64>, anew: &dyn Fn(&Process) -> bool) -> bool {
    let online: Vec<&Process> = list.iter().filter(|process| process.status == "online").collect();
    let began = || online.iter().map(|process| process.began);
    let spread = began().fold(f64::MIN, f64::max) - began().fold(f64::MAX, f64::min);
    online.len() > 1
        && spread <= TOGETHER_MS
        && list.iter().all(|process| since(process).is_none_or(|new| new <= 1))
        && online.iter().all(|process| anew(process))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests {
    use super::super::probing::{Probing, text};
    use super::*;
    use ml_common::record::Scalar;
    use std::os::unix::fs::PermissionsExt;

    fn listed(processes: &[(&str, &str, u64, f64)]) -> String {
        let now = jiff::Timestamp::now().as_millisecond() as f64;
        let all = processes.iter().enumerate().map(|(id, (name, status, restarts, ago))| {
            json!({"pm_id": id, "name": name, "monit": {"memory": 1000, "cpu": 1},
                "pm2_env": {"status": status, "restart_time": restarts, "pm_uptime": now - ago * 1000.0, "SECRET_KEY": "hunter2"}})
        });
        json!(all.collect::<Vec<_>>()).to_string()
    }

    fn pm2(dir: &Path) -> Probing {
        let program = dir.join("pm2");
        std::fs::write(&program, "#!/bin/sh\n[ \"$1\" = jlist ] || exit 9\ncat \"${0%/*}/list\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Probing::open(&KIND, &[("program", text(program.to_str().unwrap()))])
    }

    fn numbers(sample: &Sample, names: &[&str]) -> Vec<i64> {
        let number = |name: &&str| match sample.values[*name] {
            Scalar::Int(number) => number,
            _ => panic!("{name}"),
        };
        names.iter().map(number).collect()
    }

    #[test]
    fn crashes_are_restarts_since_the_look_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut probe = pm2(dir.path());
        let names = ["crashed", "online", "errored", "restarts", "restarted"];
        let put = |list: &str| std::fs::write(dir.path().join("list"), list).unwrap();
        put(&listed(&[("api", "online", 7, 9000.0), ("worker", "online", 2, 9000.0)]));
        assert_eq!(numbers(&probe.take("processes", &[]).unwrap(), &names), [0, 2, 0, 9, 0]);
        put(&format!("[PM2] Spawning PM2 daemon\n{}", listed(&[("api", "online", 9, 5.0), ("worker", "online", 2, 9000.0)])));
        let seen = probe.take("processes", &[]).unwrap();
        assert_eq!(numbers(&seen, &names), [2, 2, 0, 11, 2]);
        assert!(seen.rows[0].starts_with("api: online for 5s, 9 restarts, 2 of them new"), "{:?}", seen.rows);
        assert!(!format!("{seen:?}").contains("hunter2"));
        // `pm2 restart all`, and then one is given up.
        put(&listed(&[("api", "online", 10, 60.0), ("worker", "online", 3, 62.0)]));
        assert_eq!(numbers(&probe.take("processes", &[]).unwrap(), &names), [0, 2, 0, 13, 2]);
        put(&listed(&[("api", "online", 10, 600.0), ("worker", "errored", 18, 0.0)]));
        assert_eq!(numbers(&probe.take("processes", &[]).unwrap(), &names), [16, 1, 1, 28, 15]);
        let one = probe.take("processes", &[("name", text("^api$"))]).unwrap();
        assert_eq!(numbers(&one, &["total", "crashed"]), [1, 0]);
    }

    #[test]
    fn without_pm2_it_is_absent_and_nonsense_fails() {
        let absent = Probing::open(&KIND, &[("program", text("no-such-pm2"))]).take("processes", &[]).unwrap_err();
        assert!(matches!(absent, Unseen::Absent(_)));
        let dir = tempfile::tempdir().unwrap();
        let mut probe = pm2(dir.path());
        std::fs::write(dir.path().join("list"), "{}").unwrap();
        assert!(matches!(probe.take("processes", &[]), Err(Unseen::Failed(_))));
    }
}
