//! A private server whose certificate and rules of access change, and psql's word on what connects to it.

use crate::pki::Pair;
use ml_common::pg::{Options, Target};
use ml_tests::{Cluster, TempDir, TestDb};
use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub struct Server {
    pub db: TestDb,
    pub cluster: Cluster,
    pub files: TempDir,
    generation: u32,
}

/// What became of a connection.
#[derive(PartialEq, Eq)]
pub enum Outcome {
    Plain,
    Tls,
    Refused(String),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Plain => f.write_str("plain"),
            Outcome::Tls => f.write_str("TLS"),
            Outcome::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

impl Outcome {
    fn same(&self, other: &Outcome) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    fn of(ssl: &str) -> Outcome {
        if ssl.starts_with('t') { Outcome::Tls } else { Outcome::Plain }
    }
}

const SSL: &str = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

impl Server {
    pub fn start() -> Server {
        let cluster = Cluster::private();
        let files = tempfile::Builder::new().prefix("mlc-").tempdir_in("/var/tmp").unwrap();
        std::fs::set_permissions(files.path(), PermissionsExt::from_mode(0o755)).unwrap();
        Server { db: cluster.database("tls"), cluster, files, generation: 0 }
    }

    /// A file for the server or a client; `secret` ones are readable by their owner only.
    pub fn file(&self, name: &str, text: &str, secret: bool) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(if secret { 0o600 } else { 0o644 })).unwrap();
        path
    }

    /// Takes a certificate (none: no TLS), further settings and rules for the role `ml` into use.
    pub fn reload(&mut self, pair: Option<&Pair>, settings: &[(&str, &str)], rules: &str) {
        self.generation += 1;
        let (generation, data) = (self.generation, self.cluster.dir().join("data"));
        let mut sql = vec![format!("ALTER SYSTEM SET ssl = {}", if pair.is_some() { "on" } else { "off" })];
        if let Some(pair) = pair {
            let cert = self.file(&format!("server-{generation}.crt"), &pair.chain, false);
            let key = self.file(&format!("server-{generation}.key"), &pair.key, true);
            let owner = std::fs::metadata(&data).unwrap();
            chown(&key, Some(owner.uid()), Some(owner.gid())).unwrap();
            sql.push(format!("ALTER SYSTEM SET ssl_cert_file = '{}'", cert.display()));
            sql.push(format!("ALTER SYSTEM SET ssl_key_file = '{}'", key.display()));
        }
        for (name, value) in settings {
            sql.push(format!("ALTER SYSTEM SET {name} = '{value}'"));
        }
        // A mark that a new session can see, so that the reload is known to be over.
        sql.push(format!("ALTER SYSTEM SET log_line_prefix = 'generation {generation} '"));
        let hba = format!("host all postgres 127.0.0.1/32 scram-sha-256\n{rules}\n");
        std::fs::write(data.join("pg_hba.conf"), hba).unwrap();
        let mut superuser = self.cluster.superuser("postgres");
        for statement in sql {
            superuser.batch_execute(&statement).unwrap();
        }
        superuser.batch_execute("SELECT pg_reload_conf()").unwrap();
        let mark = || self.cluster.superuser("postgres").query_one("SHOW log_line_prefix", &[]).unwrap().get::<_, String>(0);
        while mark() != format!("generation {generation} ") {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!self.cluster.log().contains("not reloaded"), "{}", self.cluster.log());
    }

    pub fn url(&self, host: &str, query: &str) -> String {
        format!("postgresql://ml:{}@{host}:{}/{}?{query}", self.db.password(), self.cluster.port(), self.db.name())
    }

    pub fn psql(&self, url: &str) -> Outcome {
        let mut psql = Command::new(self.cluster.bin().join("psql"));
        psql.env_clear().env("HOME", "/nonexistent").env("PGGSSENCMODE", "disable").env("LC_ALL", "C");
        let output = psql.args(["-XAtwc", SSL, url]).output().unwrap();
        if output.status.success() {
            Outcome::of(&String::from_utf8_lossy(&output.stdout))
        } else {
            Outcome::Refused(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    pub fn ours(&self, url: &str) -> Outcome {
        let target = Target::resolve(Some(url), &|name| (name == "HOME").then(|| "/nonexistent".to_owned()));
        let client = target.and_then(|target| target.connect(&Options::new("ml-test")));
        match client {
            Ok(mut client) => Outcome::of(client.query_one(SSL, &[]).unwrap().get(0)),
            Err(failure) => {
                assert!(!failure.for_people().contains(self.db.password()), "{failure:?}");
                Outcome::Refused(failure.for_people())
            }
        }
    }

    /// Our outcome, which must be psql's.
    #[track_caller]
    pub fn agree(&self, case: &str, host: &str, query: &str) -> Outcome {
        let url = self.url(host, query);
        let (psql, ours) = (self.psql(&url), self.ours(&url));
        assert!(psql.same(&ours), "{case}, {host}, {query}\npsql: {psql:?}\nours: {ours:?}");
        ours
    }
}
