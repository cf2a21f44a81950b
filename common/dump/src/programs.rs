//! Finding pg_dump and pg_restore of the right version, on this machine or in a container.
//!
//! pg_dump refuses a server newer than itself, and an older pg_restore cannot read what a newer pg_dump wrote; a newer pg_restore sends
//! settings that an older server does not know. So the server's own major version comes first, then the nearest newer one.

use ml_common::pg::Target;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, OrFail, Result, child};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

/// Programs say their version at once, or are no such programs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the programs run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// On this machine.
    #[default]
    Host,
    /// In a running container: `docker:NAME`.
    Docker(String),
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Via, String> {
        let name = text.strip_prefix("docker:").ok_or("give docker:NAME, the name of a running container")?;
        // Docker's own rule for names; above all, it must not be taken for an option.
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let rest = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if first && rest { Ok(Via::Docker(name.to_owned())) } else { Err(format!("'{name}' is not a container's name")) }
    }
}

/// A version of PostgreSQL's programs, shown as they show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// 15 of 15.18; 9 of 9.6.
    pub major: u32,
    /// `15.18`.
    pub text: String,
}

impl Version {
    /// Reads `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; also `18beta1`.
    pub fn parse(said: &str) -> Option<Version> {
        let text = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let major: String = text.chars().take_while(char::is_ascii_digit).collect();
        Some(Version { major: major.parse().ok()?, text: text.to_owned() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The database that a program is to work on, and the name that its sessions have there.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// The database.
    pub target: &'a Target,
    /// For `pg_stat_activity`.
    pub application: &'a str,
}

/// PostgreSQL's client programs in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    via: Via,
    /// Their folder; in a container they are on its PATH.
    bin: PathBuf,
    /// Of pg_dump, which pg_restore shares.
    pub version: Version,
}

impl Programs {
    /// All that there are: those of `pg_bin` alone when it is set, else where systems keep them, then PATH.
    ///
    /// # Errors
    /// Class Config when PG_BIN holds no pg_dump, General when the container cannot be asked, and those of [`child::run`].
    pub fn all(via: &Via, pg_bin: Option<&Path>, cancel: &Cancel) -> Result<Vec<Programs>> {
        if let Via::Docker(name) = via {
            return Ok(vec![in_container(name, cancel)?]);
        }
        let folders = match pg_bin {
            Some(folder) => vec![folder.to_owned()],
            None => folders(),
        };
        let mut found: Vec<Programs> = Vec::new();
        for bin in folders.into_iter().filter(|folder| folder.join(executable("pg_dump")).is_file()) {
            let programs = Programs { via: Via::Host, bin, version: Version { major: 0, text: String::new() } };
            match programs.asked(cancel)? {
                Ok(version) => found.push(Programs { version, ..programs }),
                Err(why) => log::info!("{}: {why}", programs.bin.display()),
            }
        }
        match (found.is_empty(), pg_bin) {
            (true, Some(folder)) => Err(Failure::new(Class::Config, format!("there is no usable pg_dump in PG_BIN, {}", folder.display()))
                .hint("set PG_BIN to the folder of pg_dump and pg_restore, or remove it")),
            _ => Ok(found),
        }
    }

    /// The version of pg_dump there, or why there is none.
    fn asked(&self, cancel: &Cancel) -> Result<Result<Version, String>> {
        let mut command = self.command("pg_dump", None);
        command.arg("--version");
        let mut said = String::new();
        let asked = child::run(command, cancel, Some(PATIENCE), |out| {
            out.read_to_string(&mut said).map(|_| ()).or_fail(Class::General, || "asking pg_dump for its version")
        });
        cancel.check()?;
        Ok(match asked {
            Err(failure) => Err(failure.message),
            Ok((ended, ())) if !ended.status.success() => Err(ended.said()),
            Ok(_) => Version::parse(&said).ok_or_else(|| "it does not say its version".to_owned()),
        })
    }

    /// `name` of these programs, with an environment that reaches the target and holds no other PG* variable; the password is never an
    /// argument.
    pub fn command(&self, name: &str, reach: Option<Reach<'_>>) -> Command {
        self.command_with(name, reach, &[])
    }

    /// The same with further variables, which win.
    pub fn command_with(&self, name: &str, reach: Option<Reach<'_>>, further: &[(&str, String)]) -> Command {
        let mut command = match &self.via {
            Via::Host => {
                let mut command = Command::new(self.bin.join(executable(name)));
                if let Some(reach) = reach {
                    reach.target.prepare(&mut command);
                    command.env("PGAPPNAME", reach.application);
                }
                command.envs(further.iter().map(|(key, value)| (key, value)));
                command
            }
            Via::Docker(container) => {
                let mut command = Command::new("docker");
                command.args(["exec", "--interactive"]);
                // Names only: docker takes the values from its own environment, so none is seen in the process list.
                let mut variables = reach.map(inside).unwrap_or_default();
                variables.retain(|(key, _)| further.iter().all(|(other, _)| key != other));
                variables.extend(further.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
                for (key, value) in variables {
                    command.arg("--env").arg(&key).env(key, value);
                }
                command.args(["--env", "LC_ALL", container, name]);
                command
            }
        };
        // Their messages are looked into for a full disk.
        command.env("LC_ALL", "C").env_remove("LANGUAGE");
        command
    }

    /// Whether `name`, which only installations of a server have, is beside them on this machine.
    pub fn has(&self, name: &str) -> bool {
        self.on_this_machine() && self.bin.join(executable(name)).is_file()
    }

    /// Whether they run on this machine and so can open its files.
    pub fn on_this_machine(&self) -> bool {
        self.via == Via::Host
    }
}

/// What reaches the server from within its own container: role, database and password; host, port, certificates and password file are the
/// outside's.
fn inside(Reach { target, application }: Reach<'_>) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> =
        target.child_env().into_iter().filter(|(key, _)| matches!(key.as_str(), "PGUSER" | "PGDATABASE" | "PGOPTIONS")).collect();
    env.push(("PGAPPNAME".to_owned(), application.to_owned()));
    env.extend(target.password().map(|password| ("PGPASSWORD".to_owned(), password)));
    env
}

fn in_container(name: &str, cancel: &Cancel) -> Result<Programs> {
    let version = Version { major: 0, text: String::new() };
    let programs = Programs { via: Via::Docker(name.to_owned()), bin: PathBuf::new(), version };
    match programs.asked(cancel)? {
        Ok(version) => Ok(Programs { version, ..programs }),
        Err(why) => Err(Failure::new(Class::General, format!("cannot run pg_dump in the container {name}: {why}"))
            .hint("check that docker is installed, that this user may use it, and the name: docker ps")),
    }
}

/// For dumping a server of this major version: the same, else the nearest newer.
///
/// # Errors
/// Class Config when there is none, naming what there is.
pub fn for_dump(found: &[Programs], server: u32) -> Result<&Programs> {
    nearest(found, server).ok_or_else(|| {
        let have = versions(found);
        Failure::new(Class::Config, format!("dumping PostgreSQL {server} needs pg_dump {server} or newer, and there is {have}"))
            .hint(format!("install postgresql-client-{server}, set PG_BIN to its folder, or use the server's own: --via docker:NAME"))
    })
}

/// For restoring an archive that `oldest` can read at the earliest, into a server of major version `server`.
///
/// # Errors
/// Class Config when there is none, naming what there is.
pub fn for_restore(found: &[Programs], oldest: u32, server: u32) -> Result<&Programs> {
    let able = server.max(oldest);
    let best = nearest(found, able)
        .or_else(|| found.iter().filter(|programs| programs.version.major >= oldest).max_by_key(|programs| programs.version.major));
    best.ok_or_else(|| {
        let have = versions(found);
        Failure::new(Class::Config, format!("this archive needs pg_restore {oldest} or newer, and there is {have}"))
            .hint(format!("install postgresql-client-{able}, set PG_BIN to its folder, or use the server's own: --via docker:NAME"))
    })
}

/// That major version, else the nearest newer; of equals the first.
fn nearest(found: &[Programs], major: u32) -> Option<&Programs> {
    found.iter().filter(|programs| programs.version.major >= major).min_by_key(|programs| programs.version.major)
}

fn versions(found: &[Programs]) -> String {
    let all: Vec<String> = found.iter().map(|programs| programs.version.to_string()).collect();
    if all.is_empty() { "none".to_owned() } else { format!("only {}", all.join(", ")) }
}

fn executable(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

/// Where systems keep the programs, one folder a version, then the folders of PATH.
fn folders() -> Vec<PathBuf> {
    let windows = std::env::var_os("ProgramFiles").map(|files| PathBuf::from(files).join("PostgreSQL"));
    let kept = [
        (Some(PathBuf::from("/usr/lib/postgresql")), ""),
        (Some(PathBuf::from("/usr")), "pgsql-"),
        (Some(PathBuf::from("/opt/homebrew/opt")), "postgresql@"),
        (Some(PathBuf::from("/usr/local/opt")), "postgresql@"),
        (windows, ""),
    ];
    let mut found = Vec::new();
    for (root, prefix) in kept {
        let entries = root.and_then(|root| std::fs::read_dir(root).ok()).into_iter().flatten().flatten();
        let numbered = |entry: &std::fs::DirEntry| {
            let name = entry.file_name();
            name.to_str().and_then(|name| name.strip_prefix(prefix)).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        found.extend(entries.filter(numbered).map(|entry| entry.path().join("bin")));
    }
    found.sort();
    found.extend(std::env::var_os("PATH").iter().flat_map(|path| std::env::split_paths(path)).filter(|folder| folder.is_absolute()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(versions: &[&str]) -> Vec<Programs> {
        let one = |text: &&str| Programs { via: Via::Host, bin: PathBuf::from("/x").join(text), version: Version::parse(text).unwrap() };
        versions.iter().map(one).collect()
    }

    #[test]
    fn versions_are_read() {
        let major = |said: &str| Version::parse(said).map(|version| version.major);
        assert_eq!(major("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("pg_dump (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("pg_dump (PostgreSQL) 9.6.24"), Some(9));
        assert_eq!((major("pg_dump (EnterpriseDB)"), major("")), (None, None));
    }

    #[test]
    fn dumping_takes_the_servers_version_then_the_nearest_newer() {
        let choose = |have: &[&str], server| for_dump(&found(have), server).map(|programs| programs.version.text.clone());
        assert_eq!(choose(&["14.1", "15.2", "16.3"], 15).unwrap(), "15.2");
        assert_eq!(choose(&["14.1", "18.1", "17.3"], 15).unwrap(), "17.3");
        assert_eq!(choose(&["15.9", "15.2"], 15).unwrap(), "15.9");
        let failure = choose(&["13.2", "14.1"], 15).unwrap_err();
        assert_eq!(failure.class, Class::Config);
        assert!(failure.message.ends_with("needs pg_dump 15 or newer, and there is only 13.2, 14.1"), "{failure}");
        assert!(failure.hint.unwrap().contains("postgresql-client-15"));
        assert!(choose(&[], 15).unwrap_err().message.ends_with("there is none"));
    }

    #[test]
    fn restoring_takes_what_reads_the_archive_and_is_nearest_to_the_server() {
        let choose =
            |have: &[&str], oldest, server| for_restore(&found(have), oldest, server).map(|programs| programs.version.text.clone());
        assert_eq!(choose(&["15.2", "16.3", "17.1"], 12, 15).unwrap(), "15.2");
        assert_eq!(choose(&["15.2", "16.3", "17.1"], 16, 15).unwrap(), "16.3");
        assert_eq!(choose(&["15.2", "17.1"], 12, 16).unwrap(), "17.1");
        assert_eq!(choose(&["14.2", "15.2"], 12, 16).unwrap(), "15.2");
        assert!(choose(&["14.2", "15.2"], 17, 16).unwrap_err().message.contains("pg_restore 17 or newer"));
    }

    #[test]
    fn a_container_is_named_as_docker_names_them() {
        assert_eq!("docker:infra-postgres-1".parse(), Ok(Via::Docker("infra-postgres-1".into())));
        for bad in ["docker:", "docker:--privileged", "docker:a b", "podman:x", "x", "docker:a/b", "docker:ä"] {
            assert!(bad.parse::<Via>().is_err(), "{bad}");
        }
    }

    #[test]
    fn in_a_container_only_names_of_variables_are_arguments() {
        let env = |name: &str| (name == "PGPASSWORD").then(|| "s3cret-word".to_owned());
        let target = Target::resolve(Some("postgresql://ml@localhost:5433/mathledger"), &env).unwrap();
        let programs = Programs { via: Via::Docker("pg".into()), ..found(&["15.2"]).remove(0) };
        let command = programs.command("pg_dump", Some(Reach { target: &target, application: "ml-backup" }));
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        assert_eq!(args.last().unwrap(), "pg_dump");
        assert!(args.contains(&"PGPASSWORD".to_owned()) && !args.concat().contains("s3cret"), "{args:?}");
        assert!(!args.contains(&"PGHOST".to_owned()) && !args.contains(&"PGPORT".to_owned()), "{args:?}");
        assert!(command.get_envs().any(|(key, value)| key == "PGPASSWORD" && value.is_some_and(|value| value == "s3cret-word")));
    }
}
