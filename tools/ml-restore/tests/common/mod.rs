//! What the tests of ml-restore share: a backup to restore, calls of the tool, and what is left in the server.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

use ml_tests::{Cluster, TempDir, TestDb, Tool};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A database and a backup of it.
pub struct Sample {
    pub db: TestDb,
    pub folder: TempDir,
    pub dump: PathBuf,
    /// Names the scratch databases of this test.
    pub system: String,
}

/// A ledger of the second generation, backed up.
pub fn ledger(hint: &str) -> Sample {
    let db = Cluster::shared().database(hint);
    ml_tests::ledger::second_generation(&mut db.client());
    sample(db, &[])
}

/// The database, backed up with these settings.
pub fn sample(db: TestDb, settings: &[(&str, &str)]) -> Sample {
    let folder = TempDir::new().unwrap();
    let dump = folder.path().join("sample.dump");
    let mut tool = Tool::new("ml-backup").env("DATABASE_URL", db.url()).arg("-o").arg(&dump);
    for (key, value) in settings {
        tool = tool.env(key, value);
    }
    tool.run().expect_code(0);
    let system = format!("s{}", db.name());
    let sample = Sample { db, folder, dump, system };
    // Stock pg_dump may have written it without.
    let options = ml_dump::check::Options { jobs: 1, ..Default::default() };
    sample.change_manifest(|manifest| {
        if manifest.data.is_empty() {
            manifest.data = ml_dump::check::file(&sample.dump, &options).unwrap().data;
        }
    });
    sample
}

impl Sample {
    /// ml-restore on the sample's server.
    pub fn restore(&self) -> Tool {
        Tool::new("ml-restore").env("DATABASE_URL", self.db.url()).env("SYSTEM", &self.system)
    }

    /// The drill on a file.
    pub fn drill(&self, dump: &Path) -> Tool {
        self.restore().arg("--scratch").arg(dump)
    }

    /// The manifest.
    pub fn manifest(&self) -> PathBuf {
        PathBuf::from(format!("{}.json", self.dump.display()))
    }

    /// Writes another manifest: with its own hash right, as only one who means it would.
    pub fn change_manifest(&self, change: impl FnOnce(&mut ml_dump::Manifest)) {
        let mut manifest = ml_dump::Manifest::of(&self.dump).unwrap().unwrap();
        change(&mut manifest);
        std::fs::remove_file(self.manifest()).unwrap();
        manifest.write(&self.dump).unwrap().publish().unwrap();
    }

    /// The databases whose name begins with this test's system or database, but for the database itself.
    pub fn leftovers(&self) -> Vec<String> {
        let rows = Cluster::shared().superuser("postgres").query("SELECT datname FROM pg_database ORDER BY 1", &[]).unwrap();
        let names = rows.into_iter().map(|row| row.get::<_, String>(0));
        names.filter(|name| (name.starts_with(&self.system) || name.starts_with(self.db.name())) && name != self.db.name()).collect()
    }
}

/// Waits until `ready`; panics after a minute.
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
