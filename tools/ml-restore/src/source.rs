//! The dump: is it what its manifest says, can it be read, and what should a restore of it hold?

use crate::cli::Cli;
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step};
use ml_common::signal::Cancel;
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, files};
use ml_dump::contents::{self, Contents};
use ml_dump::manifest::Match;
use ml_dump::programs;
use ml_dump::properties::{self, Properties};
use ml_dump::{Archive, Manifest, Programs, Tally};
use std::path::PathBuf;
use std::time::Instant;

/// A dump that is what it says it is, as far as that can be told without restoring it.
#[derive(Debug)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What is known of it beside.
    pub manifest: Option<Manifest>,
    /// Its table of contents.
    pub archive: Archive,
}

impl Source {
    /// Opens the file and holds it against its manifest, byte by byte, and against what the stream said of it.
    ///
    /// # Errors
    /// Class Storage when it is missing, damaged, or not what manifest or stream say.
    pub fn open(cli: &Cli, stage: &Stage) -> Result<Source> {
        let (given, streamed) = match (cli.given(stage)?, &cli.streamed) {
            (Some(path), _) => (path, None),
            (None, Some(streamed)) => (streamed.path.clone(), streamed.sha256.as_deref()),
            (None, None) => return Err(Failure::new(Class::Usage, "no dump is named")),
        };
        let path = std::path::absolute(&given).map_err(|error| files::storage(&error, &given, "cannot use"))?;
        let archive = Archive::open(&path);
        // A folder or a missing file has no hash; anything else is held against the manifest first, which says more than a damaged head.
        let hashed = files::sha256(&path);
        let (Ok((sha256, bytes)), manifest) = (&hashed, Manifest::of(&path)) else {
            return Err(archive.err().or(hashed.err()).unwrap_or_else(|| Failure::new(Class::Storage, "the dump cannot be read")));
        };
        let manifest = manifest?;
        if streamed.is_some_and(|told| !told.eq_ignore_ascii_case(sha256)) {
            return Err(changed(&path.display().to_string(), "other bytes than ml-backup upstream has just written"));
        }
        match manifest.as_ref().map(|manifest| (manifest.compare(sha256, *bytes), manifest.bytes)) {
            Some((Match::Size, expected)) => {
                return Err(changed(&path.display().to_string(), &format!("{bytes} bytes, and its manifest says {expected}")));
            }
            Some((Match::Hash, _)) => return Err(changed(&path.display().to_string(), "other bytes than its manifest says (SHA-256)")),
            Some((Match::Same, _)) | None => {}
        }
        Ok(Source { bytes: *bytes, path, manifest, archive: archive? })
    }

    /// All programs that there are.
    ///
    /// # Errors
    /// Those of [`Programs::all`].
    pub fn found(&self, cli: &Cli, stage: &Stage) -> Result<Vec<Programs>> {
        Programs::all(&cli.via.clone().unwrap_or_default(), stage.settings.path_if_set("PG_BIN").as_deref(), &stage.cancel)
    }

    /// Those that can read it and suit the server.
    ///
    /// # Errors
    /// Those of [`programs::for_restore`].
    pub fn programs(&self, found: &[Programs], server: u32) -> Result<Programs> {
        programs::for_restore(found, self.archive.oldest_reader(), server).cloned()
    }

    /// Major version of the server that was dumped.
    pub fn major(&self) -> Option<u32> {
        programs::Version::parse(&self.archive.server).map(|version| version.major)
    }

    /// Reads the archive to its last byte and holds its rows against the manifest.
    ///
    /// # Errors
    /// Class Storage when it is damaged or holds other rows.
    pub fn read(&self, programs: &Programs, cancel: &Cancel) -> Result<Contents> {
        let contents = contents::read(programs, &self.path, cancel)?;
        let differences = self.manifest.as_ref().map(|manifest| manifest.tally().differences(&contents.tally)).unwrap_or_default();
        match differences.first() {
            None => Ok(contents),
            Some(first) => Err(changed(&self.path.display().to_string(), &format!("other rows than its manifest says: {first}"))),
        }
    }

    /// Tells what was found out. `contents` when it was read whole.
    pub fn report(&self, stage: &Stage, contents: Option<&Contents>, began: Instant) {
        let size = human_bytes(self.bytes);
        let mut step = Step {
            id: "validate".into(),
            bytes: Some(self.bytes),
            path: Some(self.path.display().to_string()),
            rows: self.manifest.as_ref().map(|manifest| manifest.rows).or(contents.map(|contents| contents.tally.rows())),
            duration_ms: Some(millis(began)),
            ..Step::default()
        };
        if let Some(manifest) = &self.manifest {
            step.sha256 = Some(manifest.sha256.clone());
            step.summary = format!("{size}, as its manifest says: {} of {}, {} rows", manifest.database, manifest.started, manifest.rows);
            return stage.step(Status::Ok, step);
        }
        step.summary = format!("{size}, but there is no manifest: what is compared is only what the file itself holds");
        step.reason = Some("no manifest".into());
        step.hint =
            Some(format!("was {} made by ml-backup? then find its manifest; flipped bits in it may go unseen", self.path.display()));
        stage.step(Status::Warn, step);
    }

    /// What a restore has to hold: by the manifest, else by the archive as it was read.
    pub fn expected(&self, contents: Option<&Contents>) -> Tally {
        self.manifest.as_ref().map(Manifest::tally).or(contents.map(|contents| contents.tally.clone())).unwrap_or_default()
    }

    /// Encoding and locale, and from a manifest also owner, rights and settings.
    ///
    /// # Errors
    /// Class Storage when the archive's own statement is not understood.
    pub fn properties(&self) -> Result<Properties> {
        match (&self.manifest, self.archive.entry("DATABASE")) {
            (Some(manifest), _) if !manifest.properties.encoding.is_empty() => Ok(manifest.properties.clone()),
            (_, Some(entry)) => properties::of_statement(&entry.defn),
            _ => Ok(Properties {
                encoding: self.archive.encoding().unwrap_or_default(),
                connection_limit: -1,
                allow_connections: true,
                ..Properties::default()
            }),
        }
    }

    /// Size of the database when it was dumped.
    pub fn database_bytes(&self) -> Option<u64> {
        self.manifest.as_ref().map(|manifest| manifest.database_bytes).filter(|bytes| *bytes > 0)
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

fn changed(path: &str, how: &str) -> Failure {
    Failure::new(Class::Storage, format!("{path} has {how}"))
        .hint("the file or its manifest was damaged, cut off or swapped: use another backup")
}

/// Milliseconds since then.
pub fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
