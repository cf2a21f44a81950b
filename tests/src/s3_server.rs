//! A private S3-compatible server: JuiceFS's gateway (MinIO's front end) over a folder. It verifies signatures and knows multipart uploads;
//! it keeps no checksums.

use crate::guard::Guard;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The one bucket.
pub const BUCKET: &str = "ledger";

/// The access key.
pub const KEY: &str = "tester-of-push";

/// A running server with one empty bucket, killed on drop or with the test process.
#[derive(Debug)]
pub struct S3Server {
    child: Child,
    guard: Option<Guard>,
    dir: TempDir,
    port: u16,
    secret: String,
}

/// Where `scripts/install-deps.sh --test` puts the program.
fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.run/peers/juicefs")
}

impl S3Server {
    /// Starts a server on a free loopback port; None when the program is not installed, for the test to be skipped. Panics with its log when it
    /// does not start.
    pub fn start() -> Option<S3Server> {
        if !program().is_file() {
            return None;
        }
        let mut last = String::new();
        for _ in 0..5 {
            match Self::try_start(crate::closed_port()) {
                Ok(server) => return Some(server),
                Err(log) => last = log,
            }
        }
        panic!("the S3 server did not start: {last}");
    }

    fn try_start(port: u16) -> Result<S3Server, String> {
        let dir = tempfile::Builder::new().prefix("mls-").tempdir_in("/var/tmp").unwrap();
        let (at, secret) = (dir.path().display().to_string(), crate::random_word());
        let meta = format!("sqlite3://{at}/meta.db");
        let log = || std::fs::File::options().create(true).append(true).open(dir.path().join("log")).unwrap();
        let command = |args: &[&str]| {
            let mut command = Command::new(program());
            command.args(args).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &at).current_dir("/").process_group(0);
            command.stdin(Stdio::null()).stdout(log()).stderr(log());
            command
        };
        let bucket = format!("{at}/data/");
        let made =
            command(&["format", "--storage", "file", "--bucket", &bucket, &meta, BUCKET]).status().map_err(|error| error.to_string())?;
        assert!(made.success(), "{}", std::fs::read_to_string(dir.path().join("log")).unwrap_or_default());
        let (cache, address) = (format!("{at}/cache"), format!("127.0.0.1:{port}"));
        let mut gateway =
            command(&["gateway", "--no-usage-report", "--no-banner", "--cache-size", "0", "--cache-dir", &cache, &meta, &address]);
        // The secret is in its environment and in no process list.
        let child = gateway.env("MINIO_ROOT_USER", KEY).env("MINIO_ROOT_PASSWORD", &secret).spawn().map_err(|error| error.to_string())?;
        let guard = Guard::on_exit("kill -KILL \"$1\"; rm -rf -- \"$2\"", &[&child.id().to_string(), &at]);
        let mut server = S3Server { child, guard: Some(guard), dir, port, secret };
        if server.ready() { Ok(server) } else { Err(server.log()) }
    }

    fn ready(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            if healthy(self.port).unwrap_or(false) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The secret key, to be searched for in what was printed.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The server's process, for a test that stops or kills it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

fn healthy(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /minio/health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer.ends_with(b"200"))
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.guard.take());
    }
}
