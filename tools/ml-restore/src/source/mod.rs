//! The dump: is it what its manifest says, can it be read, and what should a restore of it hold?

mod feed;

pub use feed::Feed;
pub use ml_dump::layers::Form;

use crate::cli::Cli;
use crate::plain::{self, Scanned};
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step};
use ml_common::signal::Cancel;
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, files};
use ml_dump::contents::Contents;
use ml_dump::layers::Layers;
use ml_dump::manifest::Match;
use ml_dump::programs;
use ml_dump::properties::{self, Properties};
use ml_dump::{Archive, Manifest, Programs, Tally, check};
use std::io::Read;
use std::path::{Path, PathBuf};
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
    /// Its table of contents; of a plain dump only what its comments say.
    pub archive: Archive,
    /// What a plain dump was seen to hold.
    pub plain: Option<Scanned>,
    layers: Layers,
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
        let identity = cli.identity.clone().or_else(|| stage.settings.path_if_set("BACKUP_AGE_IDENTITY_FILE"));
        if path.is_dir() {
            let layers = Layers::of(&path, identity)?;
            let bytes =
                std::fs::read_dir(&path).into_iter().flatten().flatten().filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
            return Source { path, bytes, manifest: None, archive: Archive::default(), plain: None, layers }.read_head();
        }
        // The file is held against the manifest first, which says more than a damaged head.
        let (sha256, bytes) = files::sha256(&path)?;
        let manifest = Manifest::of(&path)?;
        if streamed.is_some_and(|told| !told.eq_ignore_ascii_case(&sha256)) {
            return Err(changed(&path.display().to_string(), "other bytes than ml-backup upstream has just written"));
        }
        match manifest.as_ref().map(|manifest| (manifest.compare(&sha256, bytes), manifest.bytes)) {
            Some((Match::Size, expected)) => {
                return Err(changed(&path.display().to_string(), &format!("{bytes} bytes, and its manifest says {expected}")));
            }
            Some((Match::Hash, _)) => return Err(changed(&path.display().to_string(), "other bytes than its manifest says (SHA-256)")),
            Some((Match::Same, _)) | None => {}
        }
        let layers = Layers::of(&path, identity)?;
        Source { path, bytes, manifest, archive: Archive::default(), plain: None, layers }.read_head()
    }

    /// The head of the dump; a plain one is looked through whole.
    fn read_head(mut self) -> Result<Source> {
        let named = |failure: Failure| failure.context(self.path.display());
        let mut bytes = self.layers.open()?;
        match self.layers.form {
            Form::Custom => self.archive = Archive::read(bytes).map_err(named)?,
            Form::Folder => self.archive = Archive::read_any(bytes).map_err(named)?,
            Form::Tar => {
                // The first file is the table of contents.
                let mut head = [0; 512];
                bytes.read_exact(&mut head).map_err(|error| files::storage(&error, &self.path, "cannot read"))?;
                self.archive = Archive::read_any(bytes).map_err(named)?;
            }
            Form::Plain => {
                let scanned = plain::scan(bytes).map_err(named)?;
                (self.archive.server, self.archive.pg_dump) = (scanned.seen.server.clone(), scanned.seen.pg_dump.clone());
                self.plain = Some(scanned);
            }
        }
        Ok(self)
    }

    /// What it is.
    pub fn form(&self) -> Form {
        self.layers.form
    }

    /// The dump itself, from its beginning, out of whatever it lies in.
    ///
    /// # Errors
    /// Class Storage when it cannot be read, Config when it is encrypted and there is no identity.
    pub fn stream(&self) -> Result<Box<dyn Read + Send>> {
        self.layers.open()
    }

    /// Where programs find it by themselves; `None` when it has to be given to them as a stream.
    pub fn direct(&self) -> Option<&Path> {
        self.layers.is_bare().then_some(self.path.as_path())
    }

    /// The roles that own something in it.
    pub fn owners(&self) -> Vec<&str> {
        match &self.plain {
            Some(scanned) => scanned.seen.owners.iter().map(String::as_str).collect(),
            None => self.archive.owners(),
        }
    }

    /// The table of contents, if it is one to compare with.
    pub fn contents_table(&self) -> Option<&Archive> {
        self.plain.is_none().then_some(&self.archive)
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
        programs::for_restore(found, self.oldest_reader(), server).cloned()
    }

    /// The lowest major version of PostgreSQL's programs that can read it.
    pub fn oldest_reader(&self) -> u32 {
        if self.plain.is_some() { 0 } else { self.archive.oldest_reader() }
    }

    /// Major version of the server that was dumped.
    pub fn major(&self) -> Option<u32> {
        programs::Version::parse(&self.archive.server).map(|version| version.major)
    }

    /// Reads the dump to its last byte and holds its rows against the manifest.
    ///
    /// # Errors
    /// Class Storage when it is damaged or holds other rows.
    pub fn read(&self, programs: &Programs, jobs: usize, cancel: &Cancel) -> Result<Contents> {
        let contents = match (&self.plain, self.form()) {
            (Some(scanned), _) => scanned.contents.clone(),
            (None, Form::Custom) if readable(&self.archive) => {
                let none = Default::default();
                let options = check::Options::new(jobs, cancel, self.manifest.as_ref().map_or(&none, |manifest| &manifest.data));
                let checked = check::read(self.stream()?, &options).map_err(|failure| failure.context(self.path.display()))?;
                let text_bytes = checked.data.values().map(|table| table.copy_bytes).sum::<u64>() + checked.object_bytes;
                Contents { tally: checked.tally, data: checked.data, text_bytes }
            }
            _ => feed::contents(self, programs, cancel)?,
        };
        let differences = self.manifest.as_ref().map(|manifest| manifest.tally().differences(&contents.tally)).unwrap_or_default();
        match differences.first() {
            None => Ok(contents),
            Some(first) => Err(changed(&self.path.display().to_string(), &format!("other rows than its manifest says: {first}"))),
        }
    }

    /// Tells what was found out. `contents` when it was read whole.
    pub fn report(&self, stage: &Stage, contents: Option<&Contents>, began: Instant) {
        let size = human_bytes(self.bytes);
        let kind = match self.form() {
            Form::Custom => "",
            Form::Tar => " as a tar file",
            Form::Folder => " as a folder",
            Form::Plain => " of plain SQL",
        };
        let around = self.layers.around.iter().fold(kind.to_owned(), |told, layer| format!("{told}, in {layer}"));
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
            step.summary =
                format!("{size}{around}, as its manifest says: {} of {}, {} rows", manifest.database, manifest.started, manifest.rows);
            return stage.step(Status::Ok, step);
        }
        step.summary = format!("{size}{around}, but there is no manifest: what is compared is only what the file itself holds");
        if self.plain.as_ref().is_some_and(|scanned| scanned.seen.inserts) {
            step.summary.push_str("; rows in INSERT statements are not counted");
        }
        if self.layers.around.contains(&"UTF-16") {
            step.summary.push_str("; as PowerShell wrote it, characters that are not ASCII may have been changed");
        }
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
            _ => Ok(Properties { encoding: self.encoding(), connection_limit: -1, allow_connections: true, ..Properties::default() }),
        }
    }

    /// The encoding of its texts, and of the database.
    pub fn encoding(&self) -> String {
        let plain = self.plain.as_ref().and_then(|scanned| scanned.seen.encoding.clone());
        plain.or_else(|| self.archive.encoding()).unwrap_or_default()
    }

    /// Size of the database when it was dumped.
    pub fn database_bytes(&self) -> Option<u64> {
        self.manifest.as_ref().map(|manifest| manifest.database_bytes).filter(|bytes| *bytes > 0)
    }

    /// Size of its rows as text, as far as it is known.
    pub fn text_bytes(&self, contents: Option<&Contents>) -> u64 {
        let by_manifest = || self.manifest.as_ref().map_or(0, |manifest| manifest.data.values().map(|data| data.copy_bytes).sum());
        contents.map_or_else(by_manifest, |contents| contents.text_bytes)
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Whether it is an archive that is read here, without pg_restore.
fn readable(archive: &Archive) -> bool {
    archive.int_size == 4 && archive.compression != "lz4"
}

fn changed(path: &str, how: &str) -> Failure {
    Failure::new(Class::Storage, format!("{path} has {how}"))
        .hint("the file or its manifest was damaged, cut off or swapped: use another backup")
}

/// Milliseconds since then.
pub fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
