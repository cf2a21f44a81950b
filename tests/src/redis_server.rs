//! A private Redis server for one test.

use crate::guard::Guard;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running server with a password, killed on drop or with the test process.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    guard: Option<Guard>,
    dir: TempDir,
    port: u16,
    password: String,
}

impl RedisServer {
    /// Starts a server on a free loopback port and a socket of its own. Panics with its log when it does not start.
    pub fn start() -> RedisServer {
        let mut last = String::new();
        for _ in 0..10 {
            match Self::try_start(crate::closed_port()) {
                Ok(server) => return server,
                Err(log) => last = log,
            }
        }
        panic!("redis-server did not start (run scripts/install-deps.sh --test): {last}");
    }

    fn try_start(port: u16) -> Result<RedisServer, String> {
        let dir = tempfile::Builder::new().prefix("mlr-").tempdir_in("/var/tmp").unwrap();
        let password = crate::random_word();
        let at = dir.path().display();
        // The settings come through stdin, so that the password is in no process list.
        let settings = format!(
            "bind 127.0.0.1\nport {port}\nunixsocket {at}/s\nrequirepass {password}\ndir {at}\nlogfile {at}/log\nsave \"\"\nappendonly no\n"
        );
        let mut command = Command::new("redis-server");
        command.arg("-").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").process_group(0);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let guard = Guard::on_exit("kill -KILL \"$1\"; rm -rf -- \"$2\"", &[&child.id().to_string(), &at.to_string()]);
        child.stdin.take().unwrap().write_all(settings.as_bytes()).map_err(|error| error.to_string())?;
        let mut server = RedisServer { child, guard: Some(guard), dir, port, password };
        if server.ready() { Ok(server) } else { Err(server.log()) }
    }

    /// Asks over the socket, which is ours for sure: a stranger may have taken the port first, and then the server ends.
    fn ready(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            let answer =
                redis::Client::open(self.socket_url()).and_then(|client| redis::cmd("PING").query::<String>(&mut client.get_connection()?));
            if answer.is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Its URL over TCP, with the password.
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/0", self.password, self.port)
    }

    /// Its URL over the unix socket, with the password.
    pub fn socket_url(&self) -> String {
        format!("redis+unix://{}?pass={}", self.dir.path().join("s").display(), self.password)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password, to be searched for in what was printed.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// A connection that has given the password.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("the URL is well-formed");
        client.get_connection().expect("the private Redis answers")
    }

    /// The server's folder, gone when the server is.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.guard.take());
    }
}
