//! Giving the statements of a plain dump to psql, which may run nothing else.

use super::{Guard, Pass, read};
use crate::load::Load;
use crate::source::{Feed, Source};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, OrFail, Result, child, people};
use ml_dump::programs::{Reach, Version};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};

/// The first of each line of psql that can be kept from running commands (CVE-2025-8714).
const RESTRICTED_SINCE: [(u32, u32); 5] = [(17, 6), (16, 10), (15, 14), (14, 19), (13, 22)];

/// Runs what `pass` lets through. Whether psql succeeded, and what it said.
///
/// # Errors
/// Class Storage when the dump cannot be read to its end, Config when psql is too old to be kept in bounds; and those of [`child::run`].
pub fn load(load: &Load<'_>, source: &Source, pass: Pass, cancel: &Cancel) -> Result<(bool, String)> {
    let version = &load.programs.version;
    if !restricts(version) {
        return Err(Failure::new(
            Class::Config,
            format!("psql {version} cannot be kept from running the commands that a plain dump may hold"),
        )
        .hint("update the PostgreSQL client (13.22, 14.19, 15.14, 16.10, 17.6 or newer), or set PG_BIN to a newer one"));
    }
    let target = load.server.target(load.database);
    let mut command = load.programs.command("psql", Some(Reach { target: &target, application: load.server.application() }));
    command.args(["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--output=/dev/null"]);
    if pass != Pass::Rights {
        command.arg("--set=ON_ERROR_STOP=1");
    }
    if load.single {
        command.arg("--single-transaction");
    }
    command.args(["--file=-", "--dbname", &crate::plan::conninfo(load.database)]);
    let key: String = (0..2).map(|_| format!("{:016x}", RandomState::new().hash_one(std::process::id()))).collect();
    let mut from = source.stream()?;
    let feed = Feed::new(move |to| {
        let (mut guard, mut piece, mut out) = (Guard::new(pass), vec![0; 1 << 18], Vec::new());
        let told = |error: io::Error| Failure::new(Class::General, format!("writing to psql: {error}"));
        // psql itself refuses every command until it reads the key again.
        writeln!(to, "\\restrict {key}").map_err(told)?;
        loop {
            let length = read(&mut from, &mut piece)?;
            if length == 0 {
                guard.finish()?;
                return writeln!(to, "\n\\unrestrict {key}").map_err(told);
            }
            guard.push(&piece[..length], &mut out)?;
            to.write_all(&out).map_err(told)?;
            out.clear();
        }
    })?;
    let drain = |out: &mut dyn Read| io::copy(out, &mut io::sink()).map(|_| ()).or_fail(Class::General, || "reading from psql");
    let (stdin, feeding) = feed.start();
    let waiting = people::waiting("restoring");
    let ran = child::run_fed(command, stdin, cancel, None, drain);
    drop(waiting);
    feeding.finish()?;
    let (ended, ()) = ran?;
    Ok((ended.status.success(), ended.stderr))
}

fn restricts(version: &Version) -> bool {
    let minor = version.text.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()).unwrap_or_default();
    version.major >= 18 || RESTRICTED_SINCE.iter().any(|(major, since)| version.major == *major && minor >= *since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_psql_that_can_be_kept_in_bounds_is_used() {
        let able = |text: &str| restricts(&Version::parse(text).unwrap());
        assert!(able("15.18 (Debian 15.18-0+deb12u1)") && able("18.0") && able("19beta1") && able("13.22"));
        assert!(!able("15.13") && !able("12.22") && !able("17.5") && !able("17beta1"));
    }
}
