//! Making and starting a PostgreSQL cluster in a folder: initdb, a free port, the unprivileged user.

use crate::guard::Guard;
use postgres::{Client, Config, NoTls};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The cluster's superuser.
pub const SUPERUSER: &str = "postgres";

/// Ends the postmaster of the folder `$1` and removes the folder. SIGQUIT: nothing in a test cluster is worth a checkpoint.
pub const STOP_AND_REMOVE: &str = r#"
pid_file=$1/data/postmaster.pid
if read -r pid <"$pid_file"; then
    kill -QUIT "$pid"
    tries=0
    while [ -e "$pid_file" ] && kill -0 "$pid" && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
fi
for _ in 1 2 3; do rm -rf -- "$1" && break; sleep 1; done"#;

/// How to reach a started cluster; kept in its folder for the other processes of a run.
#[derive(Clone, Debug)]
pub struct Access {
    /// The cluster's folder: `data`, `log`, and the socket.
    pub dir: PathBuf,
    /// Where `initdb`, `pg_dump`, ... are.
    pub bin: PathBuf,
    /// Port on 127.0.0.1, and the socket's number.
    pub port: u16,
    /// One password for the superuser and the role `ml`.
    pub password: String,
}

impl Access {
    /// A connection as `user`; `host` is 127.0.0.1 or the socket's folder.
    pub fn config(&self, user: &str, password: &str, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(user).password(password).dbname(database);
        config.connect_timeout(Duration::from_secs(10)).application_name("ml-tests");
        config
    }

    /// The superuser's connection, or why there is none.
    ///
    /// # Errors
    /// What the server or the network says.
    pub fn superuser(&self, database: &str) -> Result<Client, postgres::Error> {
        self.config(SUPERUSER, &self.password, database).connect(NoTls)
    }

    /// Keeps the access for the other processes of the run, readable by the user alone.
    pub fn save(&self) {
        let text = format!("{}\n{}\n{}\n", self.bin.display(), self.port, self.password);
        let aside = self.dir.join("ready.tmp");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        fs::rename(aside, self.dir.join("ready")).unwrap();
    }

    /// The access that another process saved in `dir`, when its server answers.
    pub fn load(dir: &Path) -> Option<Access> {
        let text = fs::read_to_string(dir.join("ready")).ok()?;
        let mut lines = text.lines();
        let bin = PathBuf::from(lines.next()?);
        let port = lines.next()?.parse().ok()?;
        let password = lines.next()?.to_owned();
        let access = Access { dir: dir.to_owned(), bin, port, password };
        access.superuser("postgres").ok()?;
        Some(access)
    }
}

/// The programs of the newest installed PostgreSQL, or of `PG_BIN`.
pub fn bin() -> PathBuf {
    if let Some(bin) = std::env::var_os("PG_BIN") {
        return PathBuf::from(bin);
    }
    let major = |dir: &Path| dir.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = installed.filter(|dir| dir.join("bin/initdb").exists()).max_by_key(|dir| major(dir));
    newest.expect("PostgreSQL's server programs are installed (run scripts/install-deps.sh --test)").join("bin")
}

/// Makes a cluster of these programs in the empty folder `dir` and starts it with further lines of `postgresql.conf`. The caller has armed
/// its guard before.
pub fn boot(dir: &Path, bin: PathBuf, settings: &str) -> (Access, Child) {
    let user = service_user();
    let password = crate::random_word();
    for name in ["data", "s"] {
        fs::create_dir(dir.join(name)).unwrap();
        hand_over(&dir.join(name), user);
    }
    let password_file = dir.join("password");
    fs::write(&password_file, &password).unwrap();
    hand_over(&password_file, user);
    let mut initdb = Command::new(bin.join("initdb"));
    initdb.args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"]);
    initdb.arg("--username").arg(SUPERUSER).arg("--pwfile").arg(&password_file).arg("--pgdata").arg(dir.join("data"));
    let output = unprivileged(&mut initdb, user, dir).output().expect("initdb starts");
    assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(password_file).unwrap();
    let mut conf = File::options().append(true).open(dir.join("data/postgresql.conf")).unwrap();
    conf.write_all(settings.as_bytes()).unwrap();
    let (port, child) = start(dir, &bin);
    let access = Access { dir: dir.to_owned(), bin, port, password };
    let mut superuser = access.superuser("postgres").expect("the superuser connects");
    let owner = format!("CREATE ROLE ml LOGIN CREATEDB PASSWORD '{}'", access.password);
    superuser.batch_execute(&owner).expect("the role ml is made");
    (access, child)
}

/// Copies the cluster of `primary` into the empty folder `dir` and starts it as a standby that streams from there.
pub fn boot_standby(dir: &Path, primary: &Access) -> (Access, Child) {
    let user = service_user();
    for name in ["data", "s"] {
        fs::create_dir(dir.join(name)).unwrap();
        hand_over(&dir.join(name), user);
    }
    // pg_basebackup takes a folder as it is, and the server takes only a private one.
    fs::set_permissions(dir.join("data"), fs::Permissions::from_mode(0o700)).unwrap();
    let mut copy = Command::new(primary.bin.join("pg_basebackup"));
    unprivileged(&mut copy, user, dir).env("PGPASSWORD", &primary.password).args([
        "--host=127.0.0.1",
        "--checkpoint=fast",
        "--no-sync",
        "-R",
    ]);
    copy.args(["--port", &primary.port.to_string(), "--username", SUPERUSER]).arg("-D").arg(dir.join("data"));
    let output = copy.output().expect("pg_basebackup starts");
    assert!(output.status.success(), "pg_basebackup failed: {}", String::from_utf8_lossy(&output.stderr));
    let (port, child) = start(dir, &primary.bin);
    (Access { dir: dir.to_owned(), port, ..primary.clone() }, child)
}

/// Starts the server of `dir` on a free port and waits until it answers. Another program may take the port first: then on the next one.
pub fn start(dir: &Path, bin: &Path) -> (u16, Child) {
    let user = service_user();
    for _ in 0..10 {
        let port = crate::closed_port();
        let log = File::options().create(true).append(true).open(dir.join("log")).unwrap();
        let mut postgres = Command::new(bin.join("postgres"));
        postgres.arg("-D").arg(dir.join("data")).arg("-k").arg(dir.join("s")).args(["-p", &port.to_string(), "-F"]);
        for setting in
            ["listen_addresses=127.0.0.1", "max_connections=200", "synchronous_commit=off", "full_page_writes=off", "timezone=UTC"]
        {
            postgres.args(["-c", setting]);
        }
        let mut child =
            unprivileged(&mut postgres, user, dir).stdout(log.try_clone().unwrap()).stderr(log).spawn().expect("postgres starts");
        if answers(dir, port, &mut child) {
            return (port, child);
        }
    }
    panic!("PostgreSQL did not start: {}", fs::read_to_string(dir.join("log")).unwrap_or_default());
}

/// Waits until the server is ready; false when it ended instead.
fn answers(dir: &Path, port: u16, child: &mut Child) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if child.try_wait().expect("the server can be waited for").is_some() {
            return false;
        }
        // The server writes this line itself when it takes connections, so a stranger on the port is never taken for it.
        let pid_file = fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = pid_file.lines().map(str::trim).collect();
        if lines.first() == Some(&child.id().to_string().as_str()) && lines.get(7) == Some(&"ready") {
            return lines.get(3) == Some(&port.to_string().as_str());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// PostgreSQL refuses to run as root: then it is `postgres`, or `nobody` where there is none. None: the caller's own user will do.
fn service_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let id = |what: &str, name: &str| {
        let output = Command::new("id").args([what, name]).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
    };
    ["postgres", "nobody"].into_iter().find_map(|name| Some((id("-u", name)?, id("-g", name)?)))
}

fn hand_over(path: &Path, user: Option<(u32, u32)>) {
    if let Some((uid, gid)) = user {
        chown(path, Some(uid), Some(gid)).unwrap();
    }
}

/// A server program as it must run: as `user`, in a group of its own (Ctrl-C is for the tests), with an environment that decides nothing.
fn unprivileged<'a>(command: &'a mut Command, user: Option<(u32, u32)>, dir: &Path) -> &'a mut Command {
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").current_dir(dir).stdin(Stdio::null()).process_group(0);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// Arms the cleaning of `dir` for the end of this process.
pub fn guard(dir: &Path) -> Guard {
    Guard::on_exit(STOP_AND_REMOVE, &[&dir.display().to_string()])
}
