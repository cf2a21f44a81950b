//! The socket of the service: HTTP over a unix socket, a connection for each question.

use super::super::{Look, Unseen};
use super::engine::{Container, Engine, Usage, container};
use ml_common::{Class, Failure, OrFail};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A longer answer is not read.
const ANSWER_MAX: u64 = 32 << 20;

/// Time between two measurements, as docker takes it.
const APART: Duration = Duration::from_secs(1);

/// See the module.
pub struct Socket {
    /// Where it is.
    pub path: PathBuf,
}

/// Reads until the time is over, however slowly the bytes come.
struct Limited {
    stream: UnixStream,
    until: Instant,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

impl Socket {
    /// The status and body of an answer.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>, until: Instant) -> Result<(u16, Vec<u8>), Unseen> {
        let place = self.path.display();
        let failed = |error: io::Error| {
            if error.kind() == io::ErrorKind::PermissionDenied {
                let hint = "let the user of this check use it: usermod -aG docker USER";
                return Unseen::Privilege { what: format!("{place} may not be opened"), hint: hint.into() };
            }
            let late = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
            let why = if late { "it does not answer in time".to_owned() } else { error.to_string() };
            Unseen::Failed(Failure::new(Class::General, format!("asking {place}: {why}")).hint("is the service running?"))
        };
        let mut stream = UnixStream::connect(&self.path).map_err(failed)?;
        stream.set_write_timeout(Some(left(until))).map_err(failed)?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = Vec::new();
        let limited = Limited { stream, until };
        limited.take(ANSWER_MAX).read_to_end(&mut answer).map_err(failed)?;
        let wrong =
            || Failure::new(Class::General, format!("{place} gives no answer of docker's or podman's service")).hint("is it their socket?");
        Ok(parse(&answer).ok_or_else(wrong)?)
    }

    fn json(&self, method: &str, path: &str, body: Option<&Value>, until: Instant) -> Result<Value, Unseen> {
        let (status, body) = self.good(method, path, body, until)?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&body).or_fail(Class::General, || format!("the answer {status} to {method} {path} is not JSON"))?)
    }

    /// What a container uses. docker compares two measurements itself; podman gives one, beside a time of the system that leaves out idle
    /// processors, so that it is measured twice and by the clock.
    fn measured(&self, name: String, path: &str, until: Instant) -> Result<Usage, Unseen> {
        let first = self.json("GET", path, None, until)?;
        if number(&first, "/precpu_stats/system_cpu_usage") > 0.0 || number(&first, "/cpu_stats/system_cpu_usage") == 0.0 {
            return Ok(usage(name, &first, by_system(&first)));
        }
        std::thread::sleep(APART.min(until.saturating_duration_since(Instant::now()) / 2));
        let second = self.json("GET", path, None, until)?;
        Ok(usage(name, &second, by_clock(&first, &second)))
    }

    fn good(&self, method: &str, path: &str, body: Option<&Value>, until: Instant) -> Result<(u16, Vec<u8>), Unseen> {
        let (status, body) = self.ask(method, path, body, until)?;
        if (200..300).contains(&status) {
            return Ok((status, body));
        }
        let said = serde_json::from_slice::<Value>(&body).ok().and_then(|value| Some(value["message"].as_str()?.to_owned()));
        let said = said.map_or_else(String::new, |said| format!(": {}", said.chars().take(200).collect::<String>()));
        Err(Failure::new(Class::General, format!("{method} {path} is answered with {status}{said}"))
            .hint("check the container's name")
            .into())
    }
}

impl Engine for Socket {
    fn list(&self, look: &Look<'_>) -> Result<Vec<Container>, Unseen> {
        let list = self.json("GET", "/containers/json?all=1", None, look.until)?;
        let ids = list.as_array().into_iter().flatten().filter_map(|one| one["Id"].as_str());
        let mut all = Vec::new();
        for id in ids {
            match self.json("GET", &format!("/containers/{id}/json"), None, look.until) {
                Ok(one) => all.push(container(&one)),
                // It may have been removed since.
                Err(Unseen::Failed(failure)) if failure.message.contains("answered with 404") => {}
                Err(other) => return Err(other),
            }
        }
        Ok(all)
    }

    fn usage(&self, containers: &[&Container], look: &Look<'_>) -> Result<Vec<Usage>, Unseen> {
        // Each answer takes the service a second or two: asked side by side.
        let until = look.until;
        std::thread::scope(|scope| {
            let ask = |one: &&Container| {
                let (name, path) = (one.name.clone(), format!("/containers/{}/stats?stream=false", one.id));
                scope.spawn(move || self.measured(name, &path, until))
            };
            let asked: Vec<_> = containers.iter().map(ask).collect();
            let lost = || Err(Failure::new(Class::Internal, "a thread ended unexpectedly").into());
            asked.into_iter().map(|one| one.join().unwrap_or_else(|_| lost())).collect()
        })
    }

    fn exec(&self, container: &str, words: &[&str], look: &Look<'_>) -> Result<String, Unseen> {
        let ask = json!({"Cmd": words, "AttachStdout": true, "AttachStderr": true, "Tty": false});
        let made = self.json("POST", &format!("/containers/{container}/exec"), Some(&ask), look.until)?;
        let id = made["Id"].as_str().unwrap_or_default().to_owned();
        let (_, body) = self.good("POST", &format!("/exec/{id}/start"), Some(&json!({"Detach": false, "Tty": false})), look.until)?;
        let (out, err) = apart(&body);
        let ended = self.json("GET", &format!("/exec/{id}/json"), None, look.until)?;
        match ended["ExitCode"].as_i64() {
            None | Some(0) => Ok(out),
            Some(code) => {
                let said = err.lines().last().unwrap_or_default().chars().take(200).collect::<String>();
                let failure = Failure::new(Class::General, format!("{} in {container} ended with code {code}: {said}", words[0]));
                Err(failure.hint("check the path").into())
            }
        }
    }
}

/// A limit of nothing means none.
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

/// Status and body of an answer, whose body ends with the connection or comes in chunks.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.strip_prefix("http/1.")?.split(' ').nth(1)?.parse().ok()?;
    let body = &answer[end + 4..];
    let chunked = head.lines().any(|line| line.starts_with("transfer-encoding:") && line.contains("chunked"));
    Some((status, if chunked { unchunked(body)? } else { body.to_vec() }))
}

fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&body[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        body = &body[end + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(..size)?);
        body = body.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// stdout and stderr, which come as frames: a byte for which, three of nothing, four for the length.
fn apart(mut body: &[u8]) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let [stream, _, _, _, a, b, c, d, rest @ ..] = body {
        let length = (u32::from_be_bytes([*a, *b, *c, *d]) as usize).min(rest.len());
        if *stream == 2 { &mut err } else { &mut out }.extend_from_slice(&rest[..length]);
        body = &rest[length..];
    }
    (String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned())
}

fn number(stats: &Value, pointer: &str) -> f64 {
    stats.pointer(pointer).and_then(Value::as_f64).unwrap_or_default()
}

/// Per cent of a core, as `docker stats` reckons it: the share of the time of all processors.
fn by_system(stats: &Value) -> f64 {
    let busy = number(stats, "/cpu_stats/cpu_usage/total_usage") - number(stats, "/precpu_stats/cpu_usage/total_usage");
    let all = number(stats, "/cpu_stats/system_cpu_usage") - number(stats, "/precpu_stats/system_cpu_usage");
    let cores = number(stats, "/cpu_stats/online_cpus").max(1.0);
    if all > 0.0 { busy.max(0.0) / all * cores * 100.0 } else { 0.0 }
}

/// Per cent of a core between two measurements that say when they were taken.
fn by_clock(first: &Value, second: &Value) -> f64 {
    let at = |stats: &Value| stats["read"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let Some((before, after)) = at(first).zip(at(second)) else { return 0.0 };
    let passed = after.duration_since(before).as_secs_f64();
    let busy = number(second, "/cpu_stats/cpu_usage/total_usage") - number(first, "/cpu_stats/cpu_usage/total_usage");
    if passed > 0.0 { busy.max(0.0) / 1e9 / passed * 100.0 } else { 0.0 }
}

fn usage(name: String, stats: &Value, cpu: f64) -> Usage {
    let cache = ["/memory_stats/stats/total_inactive_file", "/memory_stats/stats/inactive_file"].map(|name| number(stats, name));
    let memory = number(stats, "/memory_stats/usage") - cache.into_iter().find(|cache| *cache > 0.0).unwrap_or_default();
    Usage { name, cpu, memory: memory.max(0.0), limit: number(stats, "/memory_stats/limit") }
}
