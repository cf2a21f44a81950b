//! The private PostgreSQL cluster of a test run.
//!
//! `cargo test` runs the test programs one after another; making a cluster for each would cost more than the tests. So the cluster belongs
//! to the `cargo` process that is our parent (the first program starts it, the others find it), or to this process when there is no cargo.

use crate::boot::{self, Access, STOP_AND_REMOVE};
use crate::database::{TestDb, TestRole};
use crate::guard::Guard;
use postgres::Client;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running private cluster.
#[derive(Debug)]
pub struct Cluster {
    access: Access,
    /// Only in a cluster of one's own; the shared one ends with its owner.
    own: Option<(Child, Option<Guard>)>,
}

impl Cluster {
    /// The run's cluster, started by whoever needs it first. Panics with the server's log when it does not start.
    pub fn shared() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| Cluster { access: shared_access(), own: None })
    }

    /// A cluster of the test's own, to be stopped or killed by it; it ends on drop.
    pub fn private() -> Cluster {
        Cluster::private_of(boot::bin())
    }

    /// The same of the programs in another folder: see [`crate::newer`].
    pub fn private_of(bin: PathBuf) -> Cluster {
        Cluster::private_with(bin, "")
    }

    /// The same with further lines of `postgresql.conf`, such as `wal_level = logical`; what the kit gives on the command line wins.
    pub fn private_with(bin: PathBuf, settings: &str) -> Cluster {
        Cluster::of_our_own(|dir| boot::boot(dir, bin, settings))
    }

    /// A standby of this cluster, which streams from it; it ends on drop, and should end first.
    pub fn standby(&self) -> Cluster {
        Cluster::of_our_own(|dir| boot::boot_standby(dir, &self.access))
    }

    fn of_our_own(boot: impl FnOnce(&Path) -> (Access, Child)) -> Cluster {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = PathBuf::from(format!("/var/tmp/mlt-{}-{count}", folder_key(std::process::id())));
        make_folder(&dir);
        let guard = boot::guard(&dir);
        let (access, child) = boot(&dir);
        Cluster { access, own: Some((child, Some(guard))) }
    }

    /// A fresh, empty database owned by the role `ml`, dropped with the value. `hint` makes its name recognisable.
    pub fn database(&self, hint: &str) -> TestDb {
        TestDb::create(&self.access, hint)
    }

    /// A login role without any right; `attributes` as in CREATE ROLE, e.g. `CREATEDB` or `CONNECTION LIMIT 1`.
    pub fn role(&self, hint: &str, attributes: &str) -> TestRole {
        TestRole::create(&self.access, hint, attributes)
    }

    /// The superuser's connection to `database`.
    pub fn superuser(&self, database: &str) -> Client {
        self.access.superuser(database).expect("the superuser connects")
    }

    /// Where this cluster's `psql`, `pg_dump`, ... are, for PG_BIN.
    pub fn bin(&self) -> &Path {
        &self.access.bin
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.access.port
    }

    /// The password of `ml` and the superuser, to be searched for in what was printed.
    pub fn password(&self) -> &str {
        &self.access.password
    }

    /// The cluster's folder, gone when the cluster is.
    pub fn dir(&self) -> &Path {
        &self.access.dir
    }

    /// The server's log until now.
    pub fn log(&self) -> String {
        fs::read_to_string(self.access.dir.join("log")).unwrap_or_default()
    }

    /// The postmaster of a [`Cluster::private`] one, as `kill -9` leaves it. Panics for the shared cluster.
    pub fn kill(&mut self) {
        let (child, _) = self.own.as_mut().expect("only a private cluster may be killed");
        child.kill().expect("the postmaster can be killed");
        child.wait().expect("the postmaster can be waited for");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some((mut child, guard)) = self.own.take() else {
            return;
        };
        let pid = rustix::process::Pid::from_child(&child);
        if child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let _ = child.wait();
        let _ = fs::remove_dir_all(&self.access.dir);
        drop(guard);
    }
}

/// Finds or starts the cluster of our owner; one process at a time.
fn shared_access() -> Access {
    sweep();
    let owner = owner();
    let dir = PathBuf::from(format!("/var/tmp/mlt-{}", folder_key(owner)));
    make_folder(&dir);
    let lock = File::create(dir.join("lock")).unwrap();
    lock.lock().expect("the cluster's lock file can be locked");
    if let Some(access) = Access::load(&dir) {
        return access;
    }
    // Left half-made by a test program that was killed: nothing there is worth keeping, and its server cannot be running usefully.
    for name in ["data", "s"] {
        let _ = fs::remove_dir_all(dir.join(name));
    }
    Guard::on_end_of(owner, STOP_AND_REMOVE, &[&dir.display().to_string()]);
    let (access, _child) = boot::boot(&dir, boot::bin(), "");
    access.save();
    access
}

/// The process whose end is the cluster's end.
fn owner() -> u32 {
    let parent = std::os::unix::process::parent_id();
    let name = fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
    if name.starts_with("cargo") { parent } else { std::process::id() }
}

/// `UID-PID-START`: the start time tells a process from a later one with its number.
fn folder_key(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, field 2, may hold blanks and parentheses; starttime is field 22.
    let start = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)).unwrap_or("0");
    format!("{}-{pid}-{start}", rustix::process::geteuid().as_raw())
}

fn make_folder(dir: &Path) {
    match DirBuilder::new().mode(0o755).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => panic!("cannot make {}: {error}", dir.display()),
    }
}

/// Removes what runs left whose cleaning shell was killed too (a machine switched off, a container thrown away).
fn sweep() {
    let ours = format!("mlt-{}-", rustix::process::geteuid().as_raw());
    for entry in fs::read_dir("/var/tmp").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(&ours) else {
            continue;
        };
        let Some(pid) = rest.split('-').next().and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        let alive = rest.starts_with(folder_key(pid).split_once('-').map_or("", |(_, key)| key));
        let server = fs::read_to_string(entry.path().join("data/postmaster.pid")).unwrap_or_default();
        let serving = server.lines().next().is_some_and(|pid| Path::new("/proc").join(pid.trim()).exists());
        if !alive && !serving {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
