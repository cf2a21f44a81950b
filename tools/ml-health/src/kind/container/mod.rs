//! Containers of docker or podman, through the socket of the service or the command.

mod cli;
mod engine;
#[cfg(unix)]
mod socket;
#[cfg(all(test, unix))]
mod tests;

use super::declare::{metric, param, percent, required, rounded, told};
use super::{Args, Kind, Look, Param, ParamKind, Probe, Sample, Unseen, View};
use engine::{Container, Engine, Usage};
use ml_common::people::{counted, human_bytes};
use ml_common::{Class, OrFail, Result};
use regex::Regex;
use std::path::PathBuf;

const NAME: Param = param("name", ParamKind::Pattern, None, "a regular expression that the name fits; without it all");

/// `kind = "container"`.
pub static KIND: Kind = Kind {
    name: "container",
    doc: "Containers of docker or podman: through `socket`, or else `program`; without either through docker's socket when it is there, else the \
          command docker or podman. Skipped where there is none.",
    params: &[
        param("socket", ParamKind::Path, None, "the socket of the service: /var/run/docker.sock, /run/podman/podman.sock"),
        param("program", ParamKind::Text, None, "docker or podman"),
    ],
    views: &[
        View {
            name: "status",
            doc: "How they are.",
            params: &[NAME],
            metrics: &[
                metric("running", "", "containers that run"),
                metric("total", "", "all containers, also those that ended"),
                metric("exited", "", "those that ended, are dead or were never started"),
                metric("failed", "", "those that ended with another code than 0"),
                metric("unhealthy", "", "those whose health check fails"),
                metric("restarting", "", "those that are being restarted"),
                metric("restarts", "", "restarts of all by the service, since they were made"),
                metric("youngest_s", "s", "since the last start of one that runs"),
                metric("oldest_s", "s", "since the first start of one that runs"),
            ],
            named_by: None,
        },
        View {
            name: "usage",
            doc: "CPU and memory of those that run. The service measures the CPU for a second or two.",
            params: &[NAME],
            metrics: &[
                metric("memory_percent", "%", "memory of the one that uses most of its limit"),
                metric("memory_bytes", "bytes", "memory of all"),
                metric("cpu_percent", "%", "CPU of the one that uses most, of one core"),
                metric("cpu_total", "%", "CPU of all"),
            ],
            named_by: None,
        },
        View {
            name: "environment",
            doc: "Secrets in their environment that everybody sees who may ask the service. Names are told, values never.",
            params: &[NAME],
            metrics: &[
                metric("exposed", "", "variables that hold a secret; see the kind `exposed`"),
                metric("containers", "", "containers with one"),
            ],
            named_by: None,
        },
        View {
            name: "writable",
            doc: "Files in a running container that everybody may write, by its own find.",
            params: &[
                required("container", ParamKind::Text, "its name"),
                required("path", ParamKind::Text, "the folder in it: /app"),
                param("files", ParamKind::Text, Some("*"), "only files of such names: *.py"),
            ],
            metrics: &[metric("files", "", "how many")],
            named_by: None,
        },
    ],
    open: |args, _| {
        let socket = args.text("socket").map(PathBuf::from);
        Ok(Box::new(Containers { socket, program: args.text("program").map(str::to_owned) }) as Box<dyn Probe>)
    },
};

pub use cli::program;

struct Containers {
    socket: Option<PathBuf>,
    program: Option<String>,
}

impl Containers {
    fn engine(&self) -> Result<Box<dyn Engine>, Unseen> {
        #[cfg(unix)]
        {
            let usual = || Some(PathBuf::from("/var/run/docker.sock")).filter(|path| self.program.is_none() && path.exists());
            if let Some(socket) = self.socket.clone().or_else(usual) {
                return Ok(Box::new(socket::Socket { path: socket }));
            }
        }
        #[cfg(not(unix))]
        if self.socket.is_some() {
            let failure = ml_common::Failure::new(Class::Config, "this system has no unix sockets");
            return Err(failure.hint("leave socket out; the command docker is asked").into());
        }
        Ok(Box::new(cli::Cli { program: program(self.program.as_deref())? }))
    }
}

impl Probe for Containers {
    fn take(&mut self, view: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        let name = args.text("name").map(|text| Regex::new(text).or_fail(Class::Config, || "the pattern name is no regular expression"));
        let name = name.transpose()?;
        let engine = self.engine()?;
        if view == "writable" {
            return writable(&*engine, args, look);
        }
        let mut list = engine.list(look)?;
        list.retain(|container| name.as_ref().is_none_or(|name| name.is_match(&container.name)));
        list.sort_by(|a, b| a.name.cmp(&b.name));
        match view {
            "usage" => {
                let running: Vec<&Container> = list.iter().filter(|container| container.state == "running").collect();
                Ok(usage(&engine.usage(&running, look)?))
            }
            "environment" => Ok(environment(&list)),
            _ => Ok(status(&list, look.now)),
        }
    }
}

fn status(list: &[Container], now: jiff::Timestamp) -> Sample {
    let count = |is: &dyn Fn(&Container) -> bool| list.iter().filter(|container| is(container)).count();
    let running = |container: &Container| container.state == "running";
    let ended = |container: &Container| matches!(container.state.as_str(), "exited" | "dead" | "created" | "stopped" | "configured");
    let up =
        |container: &Container| container.started.filter(|_| running(container)).map(|at| now.duration_since(at).as_secs_f64().max(0.0));
    let ages: Vec<f64> = list.iter().filter_map(up).collect();
    let unhealthy = count(&|container| container.health == "unhealthy");
    let note = format!("{} of {} running, {unhealthy} unhealthy", count(&running), counted(list.len() as u64, "container"));
    let row = |container: &Container| {
        let up = up(container).map_or_else(String::new, |age| format!(" for {}", told(age)));
        let health = if container.health.is_empty() { String::new() } else { format!(", {}", container.health) };
        let code = container.code.filter(|_| ended(container)).map_or_else(String::new, |code| format!(" with code {code}"));
        format!("{}: {}{code}{up}{health}, {}", container.name, container.state, counted(container.restarts, "restart"))
    };
    let mut shown: Vec<&Container> = list.iter().collect();
    shown.sort_by_key(|container| (running(container) && container.health != "unhealthy", std::cmp::Reverse(container.restarts)));
    let mut sample = Sample { rows: shown.iter().take(10).map(|container| row(container)).collect(), note, ..Sample::default() }
        .with("running", count(&running))
        .with("total", list.len())
        .with("exited", count(&ended))
        .with("failed", count(&|container| ended(container) && container.code.is_some_and(|code| code != 0)))
        .with("unhealthy", unhealthy)
        .with("restarting", count(&|container| container.state == "restarting"))
        .with("restarts", list.iter().map(|container| container.restarts).sum::<u64>());
    for (name, age) in [("youngest_s", ages.iter().copied().reduce(f64::min)), ("oldest_s", ages.iter().copied().reduce(f64::max))] {
        sample.values.extend(age.map(|age| (name.to_owned(), rounded(age))));
    }
    sample
}

fn usage(all: &[Usage]) -> Sample {
    let share = |usage: &Usage| if usage.limit > 0.0 { usage.memory / usage.limit } else { 0.0 };
    let most = |value: &dyn Fn(&Usage) -> f64| all.iter().map(value).fold(0.0, f64::max);
    let memory: f64 = all.iter().map(|usage| usage.memory).sum();
    let (cpu, shared) = (most(&|usage| usage.cpu), percent(most(&share), 1.0));
    let note = format!(
        "{} use {}, at most {shared} % of a limit and {} % of a core",
        counted(all.len() as u64, "container"),
        human_bytes(memory as u64),
        rounded(cpu)
    );
    let mut shown: Vec<&Usage> = all.iter().collect();
    shown.sort_by(|a, b| share(b).total_cmp(&share(a)));
    let row = |usage: &&Usage| {
        let (memory, share) = (human_bytes(usage.memory as u64), percent(share(usage), 1.0));
        format!("{}: {memory}, {share} % of its limit, {} % of a core", usage.name, rounded(usage.cpu))
    };
    Sample { rows: shown.iter().take(10).map(row).collect(), note, ..Sample::default() }
        .with("memory_percent", shared)
        .with("memory_bytes", memory as u64)
        .with("cpu_percent", rounded(cpu))
        .with("cpu_total", rounded(all.iter().map(|usage| usage.cpu).sum()))
}

fn environment(list: &[Container]) -> Sample {
    let of = |container: &Container| {
        let secrets = container.env.iter().filter_map(|pair| pair.split_once('='));
        let names: Vec<String> =
            secrets.filter(|(name, value)| super::exposed::is_secret(name, value)).map(|(name, _)| name.to_owned()).collect();
        (container.name.clone(), names)
    };
    let exposed: Vec<(String, Vec<String>)> = list.iter().map(of).filter(|(_, names)| !names.is_empty()).collect();
    let all: usize = exposed.iter().map(|(_, names)| names.len()).sum();
    let note = format!(
        "{} in the environments of {} of {}",
        counted(all as u64, "secret"),
        exposed.len(),
        counted(list.len() as u64, "container")
    );
    let rows = exposed.iter().take(10).map(|(name, names)| format!("{name}: {}", names[..names.len().min(8)].join(", "))).collect();
    Sample { rows, note, ..Sample::default() }.with("exposed", all).with("containers", exposed.len())
}

fn writable(engine: &dyn Engine, args: &Args, look: &Look<'_>) -> Result<Sample, Unseen> {
    let text = |name: &str| args.text(name).unwrap_or_default();
    let find = ["find", text("path"), "-xdev", "-type", "f", "-name", text("files"), "-perm", "-0002"];
    let out = engine.exec(text("container"), &find, look)?;
    let files: Vec<&str> = out.lines().filter(|line| !line.trim().is_empty()).collect();
    let note = format!("everybody may write {} under {} of {}", counted(files.len() as u64, "file"), text("path"), text("container"));
    let rows = files.iter().take(10).map(|file| ml_common::people::printable(file).into_owned()).collect();
    Ok(Sample { rows, note, ..Sample::default() }.with("files", files.len()))
}
