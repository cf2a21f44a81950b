//! The command `docker`, or `podman`, which takes the same words.

use super::super::command::run;
use super::super::{Look, Unseen};
use super::engine::{Container, Engine, Usage, container};
use ml_common::{Class, Failure};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// More of what it prints is not read.
const OUTPUT_MAX: u64 = 32 << 20;

/// Where the program is: the one that is named, else docker, else podman.
///
/// # Errors
/// Absent when there is none.
pub fn program(named: Option<&str>) -> Result<PathBuf, Unseen> {
    let found = match named {
        Some(named) => run::find(named),
        None => run::find("docker").or_else(|| run::find("podman")),
    };
    found.ok_or_else(|| Unseen::Absent(format!("there is no {} on this machine", named.unwrap_or("docker or podman"))))
}

/// See the module.
pub struct Cli {
    /// Where it is.
    pub program: PathBuf,
}

impl Cli {
    fn ask(&self, words: &[&str], look: &Look<'_>) -> Result<String, Unseen> {
        let mut command = Command::new(&self.program);
        command.args(words);
        let said = run::run(command, OUTPUT_MAX, look)?;
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        if said.code != 0 {
            let lower = said.err.to_ascii_lowercase();
            if lower.contains("permission denied") {
                let hint = "let the user of this check use it: usermod -aG docker USER";
                return Err(Unseen::Privilege { what: format!("{name} may not be asked"), hint: hint.into() });
            }
            return Err(run::failed(&format!("{name} {}", words[0]), &said, "try it as the user of this check"));
        }
        Ok(String::from_utf8_lossy(&said.out).into_owned())
    }
}

impl Engine for Cli {
    fn list(&self, look: &Look<'_>) -> Result<Vec<Container>, Unseen> {
        let ids = self.ask(&["ps", "--all", "--quiet", "--no-trunc"], look)?;
        let mut words = vec!["inspect", "--type=container"];
        words.extend(ids.split_whitespace());
        if words.len() == 2 {
            return Ok(Vec::new());
        }
        let text = self.ask(&words, look)?;
        let list: Vec<Value> = serde_json::from_str(&text)
            .map_err(|_| Failure::new(Class::General, "what inspect prints is no list").hint("try: docker inspect"))?;
        Ok(list.iter().map(container).collect())
    }

    fn usage(&self, containers: &[&Container], look: &Look<'_>) -> Result<Vec<Usage>, Unseen> {
        if containers.is_empty() {
            return Ok(Vec::new());
        }
        let mut words = vec!["stats", "--no-stream", "--format={{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}"];
        words.extend(containers.iter().map(|container| container.id.as_str()));
        let text = self.ask(&words, look)?;
        Ok(rows(&text, containers.len())?)
    }

    fn exec(&self, container: &str, words: &[&str], look: &Look<'_>) -> Result<String, Unseen> {
        self.ask(&[&["exec", container], words].concat(), look)
    }
}

/// What is not told of one (`--`) is not nothing.
fn rows(text: &str, asked: usize) -> Result<Vec<Usage>, Failure> {
    let rows: Vec<Usage> = text.lines().filter_map(usage).collect();
    if rows.len() < asked {
        let failure = Failure::new(Class::General, format!("stats tells the use of {} of {asked} containers", rows.len()));
        return Err(failure.hint("try: docker stats --no-stream"));
    }
    Ok(rows)
}

/// `web<tab>12.50%<tab>1.5GiB / 4GiB`
fn usage(line: &str) -> Option<Usage> {
    let mut fields = line.split('\t');
    let (name, cpu, memory) = (fields.next()?, fields.next()?, fields.next()?);
    let (memory, limit) = memory.split_once('/')?;
    let cpu = cpu.trim().trim_end_matches('%').parse().ok()?;
    Some(Usage { name: name.to_owned(), cpu, memory: bytes(memory)?, limit: bytes(limit)? })
}

/// `1.5GiB` of docker, `12.3MB` of podman.
fn bytes(text: &str) -> Option<f64> {
    let text = text.trim();
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..at].trim().parse().ok()?;
    let unit = text[at..].to_ascii_lowercase();
    let base: f64 = if unit.contains('i') { 1024.0 } else { 1000.0 };
    let power = match unit.chars().next() {
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        _ => 0,
    };
    Some(number * base.powi(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_without_numbers_is_not_left_out() {
        let text = "web\t--\t-- / --\ndb\t1.00%\t1MiB / 2MiB\n";
        assert_eq!(rows(text, 2).unwrap_err().message, "stats tells the use of 1 of 2 containers");
        assert_eq!(rows("db\t1.00%\t1MiB / 2MiB\n", 1).unwrap().len(), 1);
    }

    #[test]
    fn lines_of_stats() {
        let seen = usage("web\t12.50%\t1.5GiB / 4GiB").unwrap();
        assert_eq!((seen.cpu, seen.memory, seen.limit), (12.5, 1.5 * 1024.0 * 1024.0 * 1024.0, 4.0 * 1024.0 * 1024.0 * 1024.0));
        assert_eq!((bytes("12.3MB"), bytes("0B"), bytes("--")), (Some(12.3e6), Some(0.0), None));
    }
}
