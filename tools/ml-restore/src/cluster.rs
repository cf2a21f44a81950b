//! A throw-away server for a drill, so that production is not loaded: made in a temporary folder, reached by its socket alone, removed on every
//! path.
//!
//! A run that is killed leaves the folder; its server ends by itself, as its parent is gone. The lock on a file in it tells a folder in use
//! from one that was left.

use ml_common::files;
use ml_common::pg::{Options, Target};
use ml_common::platform::{self, Account};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, OrFail, Result, child, redact};
use ml_dump::Programs;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How the folders begin.
const PREFIX: &str = "ml-drill-";

/// The longest path of a socket that every system takes is 103 bytes; this much of it follows the folder.
const LONGEST: usize = 103 - "/s/.s.PGSQL.5432".len();

/// A server that does not answer by then is not going to.
const PATIENCE: Duration = Duration::from_secs(90);

const SUPERUSER: &str = "postgres";

/// Nothing in it is worth a flush to disk, and nothing may load the machine beside the drill.
const SETTINGS: [&str; 13] = [
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=2GB",
    "autovacuum=off",
    "shared_buffers=64MB",
    "maintenance_work_mem=64MB",
    "max_connections=60",
    "max_locks_per_transaction=256",
    "timezone=UTC",
];

/// A running server, and its folder; both are gone when the value is.
pub struct Cluster<'a> {
    programs: &'a Programs,
    account: Option<Account>,
    folder: PathBuf,
    child: Option<Child>,
    password: String,
    /// Held as long as the folder is in use.
    _lock: File,
}

/// Where the folders are unless the call says otherwise.
pub fn default_root() -> PathBuf {
    let lasting = Path::new("/var/tmp");
    if lasting.is_dir() { lasting.to_owned() } else { std::env::temp_dir() }
}

/// The programs to make a server with: those of `major` when it is known and they are there, else the oldest that can read the archive.
///
/// # Errors
/// Class Config when there is none.
pub fn programs(found: &[Programs], major: Option<u32>, oldest: u32) -> Result<&Programs> {
    let able: Vec<&Programs> = found.iter().filter(|programs| programs.has("initdb") && programs.has("postgres")).collect();
    let wanted = major.unwrap_or(0).max(oldest);
    let newer = able.iter().filter(|programs| programs.version.major >= wanted).min_by_key(|programs| programs.version.major);
    newer.copied().ok_or_else(|| {
        let have: Vec<&str> = able.iter().map(|programs| programs.version.text.as_str()).collect();
        let have = if have.is_empty() { "no server's programs".to_owned() } else { format!("only {}", have.join(", ")) };
        Failure::new(Class::Config, format!("a private cluster of PostgreSQL {wanted} or newer cannot be made: there is {have}"))
            .hint(format!("install postgresql-{wanted} (no server of it has to run), set PG_BIN to its folder, or drill without --cluster"))
    })
}

impl<'a> Cluster<'a> {
    /// Makes and starts it in a new folder within `root`.
    ///
    /// # Errors
    /// Class Storage for the folder, Config when no server can run here, Database when it does not start.
    pub fn start(programs: &'a Programs, root: &Path, stage: &Stage) -> Result<Cluster<'a>> {
        if !cfg!(unix) {
            return Err(Failure::new(Class::Usage, "private clusters are not made on this system").hint("drill without --cluster"));
        }
        let account = Account::for_server()
            .or_fail(Class::Config, || "a server does not run as root")
            .map_err(|failure| failure.hint("make a user postgres"))?;
        let cannot = |error: &std::io::Error, path: &Path| files::storage(error, path, "cannot make");
        let root = std::path::absolute(root).map_err(|error| cannot(&error, root))?;
        let made =
            tempfile::Builder::new().prefix(PREFIX).tempdir_in(&root).map_err(|error| files::storage(&error, &root, "cannot write in"))?;
        if made.path().as_os_str().len() > LONGEST {
            return Err(Failure::new(Class::Usage, format!("{} is too long for the path of a socket", made.path().display()))
                .hint("name a folder with a shorter path: --cluster=/var/tmp"));
        }
        let lock = File::create(lock_of(made.path())).map_err(|error| cannot(&error, made.path()))?;
        lock.try_lock().or_fail(Class::Storage, || format!("locking {}", made.path().display()))?;
        // From here on our own drop stops and removes.
        let folder = made.keep();
        let mut cluster = Cluster { programs, account, folder, child: None, password: word()?, _lock: lock };
        redact::register(&cluster.password);
        cluster.init(stage)?;
        cluster.boot(stage)?;
        Ok(cluster)
    }

    fn init(&self, stage: &Stage) -> Result<()> {
        let cannot = |error: &std::io::Error| files::storage(error, &self.folder, "cannot write in");
        if self.account.is_some() {
            platform::let_through(&self.folder).map_err(|error| cannot(&error))?;
        }
        for name in ["data", "s"] {
            platform::private_folder(&self.folder.join(name)).map_err(|error| cannot(&error))?;
        }
        let password = self.folder.join("s/password");
        fs::write(&password, &self.password).map_err(|error| cannot(&error))?;
        if let Some(account) = self.account {
            for path in [&self.folder.join("data"), &self.folder.join("s"), &password] {
                account.own(path).map_err(|error| cannot(&error))?;
            }
        }
        let mut initdb = self.command("initdb");
        initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--username", SUPERUSER]);
        initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(self.folder.join("data"));
        let drain =
            |out: &mut dyn Read| std::io::copy(out, &mut std::io::sink()).map(|_| ()).or_fail(Class::General, || "reading from initdb");
        let (ended, ()) = child::run(initdb, &stage.cancel, Some(PATIENCE), drain)?;
        fs::remove_file(&password).map_err(|error| cannot(&error))?;
        if ended.status.success() {
            return Ok(());
        }
        Err(Failure::new(Class::Storage, format!("initdb failed: {}", ended.said())).hint("look at the room and the rights of that folder"))
    }

    fn boot(&mut self, stage: &Stage) -> Result<()> {
        let log = self.folder.join("log");
        let file = || File::options().create(true).append(true).open(&log);
        let cannot = |error: std::io::Error| files::storage(&error, &log, "cannot write");
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(self.folder.join("data")).arg("-k").arg(self.folder.join("s")).args(["-p", "5432"]);
        for setting in SETTINGS {
            postgres.args(["-c", setting]);
        }
        postgres.stdin(Stdio::null()).stdout(file().map_err(cannot)?).stderr(file().map_err(cannot)?);
        platform::bind_child(&mut postgres);
        self.child = Some(postgres.spawn().or_fail(Class::General, || "cannot start postgres")?);
        let options = Options { connect_deadline: Duration::from_secs(5), ..stage.pg_options()? };
        let until = Instant::now() + PATIENCE;
        loop {
            stage.cancel.check()?;
            let ended = self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            match self.target()?.connect(&options) {
                Ok(_) => return Ok(()),
                Err(failure) if ended || Instant::now() > until => {
                    let log = fs::read_to_string(&log).unwrap_or_default();
                    let last = log.lines().rev().take(3).collect::<Vec<_>>().join("; ");
                    return Err(failure.context(format!("the private cluster does not start ({last})")));
                }
                Err(_) => stage.cancel.sleep(Duration::from_millis(100))?,
            }
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = self.programs.command(name, None);
        command.current_dir(&self.folder);
        if let Some(account) = self.account {
            account.run(&mut command);
        }
        command
    }

    /// How its superuser reaches it.
    ///
    /// # Errors
    /// Class Config, when the folder's path makes no URL.
    pub fn target(&self) -> Result<Target> {
        let values = |name: &str| match name {
            "PGHOST" => Some(self.folder.join("s").display().to_string()),
            "PGPORT" => Some("5432".to_owned()),
            "PGUSER" => Some(SUPERUSER.to_owned()),
            "PGDATABASE" => Some("postgres".to_owned()),
            "PGPASSWORD" => Some(self.password.clone()),
            _ => None,
        };
        Target::resolve(None, &values)
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let mut stop = self.command("pg_ctl");
            stop.args(["stop", "--mode=immediate", "--silent", "-t", "20", "-D"]).arg(self.folder.join("data"));
            let stopped = stop.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            if !stopped.is_ok_and(|status| status.success()) {
                platform::kill_child(child.id());
            }
            let _ = child.wait();
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            log::error!("the folder {} is left behind: {error}", self.folder.display());
        }
    }
}

fn lock_of(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// Folders of clusters within `root` that no run uses any more.
pub fn leftovers(root: &Path) -> Vec<PathBuf> {
    let named = |path: &PathBuf| path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(PREFIX));
    let unused = |path: &PathBuf| match File::open(lock_of(path)) {
        Ok(file) => file.try_lock().is_ok(),
        // Killed before it was made; `remove` takes such a folder only when it is empty.
        Err(_) => fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()),
    };
    let entries = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| named(path) && platform::own_folder(path) && unused(path)).collect();
    found.sort();
    found
}

/// Removes such a folder. A server of it that is still ending holds its files open; then it is left for the next time.
///
/// # Errors
/// Class Storage.
pub fn remove(folder: &Path) -> Result<()> {
    if folder.join("data/postmaster.pid").exists() && server_runs(folder) {
        return Err(Failure::new(Class::Storage, format!("the server in {} is still running", folder.display()))
            .hint("it ends once nobody is connected any more; run ml-restore clean again"));
    }
    fs::remove_dir_all(folder).map_err(|error| files::storage(&error, folder, "cannot remove"))
}

/// Whether somebody listens at the socket.
#[cfg(unix)]
fn server_runs(folder: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(folder.join("s/.s.PGSQL.5432")).is_ok()
}

#[cfg(not(unix))]
fn server_runs(_folder: &Path) -> bool {
    false
}

/// 32 hex digits that nobody guesses.
fn word() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .or_fail(Class::Internal, || "asking for random bytes")?;
    Ok(files::hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_is_no_leftover() {
        let root = tempfile::tempdir().unwrap();
        let (used, left, empty) = (root.path().join("ml-drill-a"), root.path().join("ml-drill-b"), root.path().join("ml-drill-c"));
        for folder in [&used, &left, &empty, &root.path().join("other")] {
            fs::create_dir(folder).unwrap();
        }
        let lock = File::create(lock_of(&used)).unwrap();
        lock.try_lock().unwrap();
        File::create(lock_of(&left)).unwrap();
        fs::create_dir_all(left.join("data/base")).unwrap();
        assert_eq!(leftovers(root.path()), [left.clone(), empty]);
        remove(&left).unwrap();
        drop(lock);
        assert_eq!(leftovers(root.path()).len(), 2);
        assert_eq!(leftovers(&root.path().join("none")), Vec::<PathBuf>::new());
    }
}
