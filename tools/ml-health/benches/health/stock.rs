//! check_pgactivity and check_postgres: a process a check, each with a psql of its own, one after the other as their schedulers call them.

use crate::same::{CHECKS, Same};
use crate::world::World;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One of the two.
pub struct Stock {
    pub name: &'static str,
    program: PathBuf,
}

impl Stock {
    /// Those that are installed; `scripts/bench.sh health` installs both.
    pub fn installed() -> Vec<Stock> {
        let both = [("check_pgactivity", "/usr/lib/nagios/plugins/check_pgactivity"), ("check_postgres", "/usr/bin/check_postgres")];
        let there = both.map(|(name, path)| Stock { name, program: path.into() }).into_iter().filter(|stock| stock.program.exists());
        let there: Vec<Stock> = there.collect();
        assert!(!there.is_empty(), "neither check_pgactivity nor check_postgres is installed: use scripts/bench.sh health");
        there
    }

    /// Its service for that check, and the thresholds.
    pub fn of(&self, same: &Same) -> Option<&'static [&'static str]> {
        if self.name == "check_postgres" { same.postgres } else { same.pgactivity }
    }

    /// All checks that it knows.
    pub fn run(&self, world: &World) {
        for same in CHECKS {
            let Some([service, thresholds @ ..]) = self.of(same) else { continue };
            let mut command = self.call(service, world);
            command.args(thresholds).env_clear().env("PATH", "/usr/bin:/bin").env("PGPASSWORD", world.password());
            let output = command.stdin(Stdio::null()).output().expect("the stock program starts");
            // 3 is unknown: it did not make its check.
            let code = output.status.code().unwrap_or(-1);
            assert!((0..=2).contains(&code), "{} {service}: {code}: {}", self.name, String::from_utf8_lossy(&output.stdout));
        }
    }

    fn call(&self, service: &str, world: &World) -> Command {
        let mut command = Command::new(&self.program);
        let port = world.port().to_string();
        if self.name == "check_postgres" {
            command.args(["--action", service, "-H", "127.0.0.1", "-p", &port, "-u", "postgres", "-db", world.database()]);
        } else {
            command.args(["-s", service, "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", world.database()]);
            command.arg("--status-file").arg(Path::new(world.folder()).join("pgactivity.data"));
        }
        command
    }
}
