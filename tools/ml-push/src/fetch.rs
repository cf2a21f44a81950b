//! Bringing a file back with what belongs to it, held against its manifest; what it needs gets its name first, the file itself last.

use crate::act::destination;
use crate::cli::Cli;
use crate::files::{Head, is_plain};
use crate::retention::patterns;
use crate::store::{self, Store, There};
use ml_common::files::{self, Hashing, NewFile};
use ml_common::people::counted;
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A file that came, not yet under its name.
struct Came {
    file: NewFile,
    sha256: String,
    bytes: u64,
    took: u64,
}

/// Brings `wanted` (or the newest backup) back.
///
/// # Errors
/// Class Storage when it is not there, damaged, or another of its name is here.
pub fn act(cli: &Cli, wanted: &str, stage: &Stage) -> Result<Done> {
    let destination = destination(cli, stage)?;
    let shown = destination.shown();
    let folder = match &cli.into {
        Some(folder) => std::path::absolute(folder).map_err(|error| files::storage(&error, folder, "cannot use"))?,
        None => stage.settings.path("BACKUP_DIR"),
    };
    let mut store = store::open(&destination, stage)?;
    let all = store.list()?;
    let name = match wanted {
        "latest" => newest(&all, stage)?.ok_or_else(|| none(&shown, &stage.system))?,
        name if is_plain(name) => name.to_owned(),
        name => return Err(Failure::new(Class::Usage, format!("{name} is not the name of a file")).hint("give a name as ml-push wrote it")),
    };
    let Some(size) = all.iter().find(|there| there.name == name).map(|there| there.bytes) else {
        return Err(Failure::new(Class::Storage, format!("{shown} has no {name}")).hint(near(&all, &name)));
    };
    if stage.dry_run {
        let path = folder.join(&name).display().to_string();
        let summary = format!("{name} from {shown} to {path}");
        stage.step(Status::Planned, Step { id: format!("fetch.{name}"), path: Some(path), bytes: size, summary, ..Step::default() });
        return Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("would bring {name} back from {shown}")) });
    }
    let there = |name: &str| all.iter().any(|file| file.name == name);
    let mut fetch = Fetch { stage, store: store.as_mut(), folder: &folder, shown: &shown, came: Vec::new() };
    let head = fetch.companions(&name, &there)?;
    let main = fetch.one(&name)?;
    if let Some(head) = &head
        && (head.bytes, head.sha256.to_ascii_lowercase()) != (main.bytes, main.sha256.clone())
    {
        return Err(damaged(&name, &shown));
    }
    fetch.came.push(main);
    fetch.publish(head.is_some())
}

fn none(shown: &str, system: &str) -> Failure {
    Failure::new(Class::Storage, format!("{shown} has no backup of {system} with its manifest"))
        .hint("check the destination and SYSTEM (and BACKUP_NAME), or name a file")
}

fn damaged(name: &str, shown: &str) -> Failure {
    Failure::new(Class::Storage, format!("{name} of {shown} has other bytes than its manifest says (SHA-256)"))
        .hint("it is damaged there; use another backup. Nothing was written")
}

/// The newest backup that has its manifest there.
fn newest(all: &[There], stage: &Stage) -> Result<Option<String>> {
    let patterns = patterns(stage)?;
    // Archives of files go by their own names.
    let time = |name: &str| patterns.first().and_then(|pattern| pattern.read(name));
    let whole = |name: &str| all.iter().any(|file| file.name == format!("{name}.json"));
    let dated = all.iter().filter_map(|file| Some((time(&file.name)?, &file.name))).filter(|(_, name)| whole(name));
    Ok(dated.max().map(|(_, name)| name.clone()))
}

/// The names that are there, when they are few.
fn near(all: &[There], name: &str) -> String {
    let mut names: Vec<&str> = all.iter().map(|file| file.name.as_str()).filter(|name| !name.ends_with(".json")).collect();
    names.sort_by_key(|other| std::cmp::Reverse(other.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count()));
    names.truncate(3);
    if names.is_empty() {
        "nothing is there; check the destination".to_owned()
    } else {
        format!("there are, among others: {}", names.join(", "))
    }
}

struct Fetch<'a> {
    stage: &'a Stage,
    store: &'a mut dyn Store,
    folder: &'a Path,
    shown: &'a str,
    came: Vec<Came>,
}

impl Fetch<'_> {
    /// Brings what belongs to the file; gives its manifest.
    fn companions(&mut self, name: &str, there: &dyn Fn(&str) -> bool) -> Result<Option<Head>> {
        let manifest = format!("{name}.json");
        if !there(&manifest) {
            return Ok(None);
        }
        let mut came = self.one(&manifest)?;
        let text = came.read()?;
        let Some(head) = Head::parse(&text) else { return Ok(None) };
        for beside in head.beside() {
            let other = self.one(&beside.file)?;
            if !beside.sha256.is_empty() && !beside.sha256.eq_ignore_ascii_case(&other.sha256) {
                return Err(damaged(&beside.file, self.shown));
            }
            self.came.push(other);
        }
        let proof = format!("{name}.proof.json");
        if there(&proof) {
            let proof = self.one(&proof)?;
            self.came.push(proof);
        }
        self.came.push(came);
        Ok(Some(head))
    }

    fn one(&mut self, name: &str) -> Result<Came> {
        self.stage.cancel.check()?;
        let began = Instant::now();
        let mut hashing = Hashing::new(NewFile::create(&self.folder.join(name))?);
        let gone = || Failure::new(Class::Storage, format!("{} has no {name}", self.shown)).hint("use another backup");
        self.store.read(name, &mut hashing)?.ok_or_else(gone)?;
        let (file, sha256, bytes) = hashing.finish();
        Ok(Came { file, sha256, bytes, took: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX) })
    }

    /// Gives each its name, and tells of it. What is here already, byte for byte, stays.
    fn publish(self, checked: bool) -> Result<Done> {
        let (mut bytes, mut last) = (0, PathBuf::new());
        let count = self.came.len();
        for came in self.came {
            let path = came.file.path().to_owned();
            let here = path.is_file() && files::sha256(&path)? == (came.sha256.clone(), came.bytes);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut step = Step {
                id: format!("fetch.{name}"),
                path: Some(path.display().to_string()),
                sha256: Some(came.sha256),
                bytes: Some(came.bytes),
                duration_ms: Some(came.took),
                summary: format!("{name}, {}, from {}", human_bytes(came.bytes), self.shown),
                ..Step::default()
            };
            step.labels.insert("source".into(), self.shown.into());
            if here {
                step.reason = Some("it is here already, byte for byte".into());
            } else if name.ends_with(".proof.json") {
                came.file.replace()?;
            } else {
                came.file.publish()?;
            }
            bytes += came.bytes;
            last = path;
            self.stage.step(Status::Ok, step);
        }
        let mut done = Done::ok(format!("{} from {}, {}, {}", last.display(), self.shown, counted(count, "file"), human_bytes(bytes)));
        if checked {
            done.summary.push_str(", as its manifest says");
        } else {
            done.summary.push_str("; it has no manifest to be held against");
        }
        Ok(done.metric("files", count).metric("bytes", bytes))
    }
}

impl Came {
    fn read(&mut self) -> Result<Vec<u8>> {
        let path = self.file.temporary_path().to_owned();
        self.file.flush().map_err(|error| files::storage(&error, &path, "cannot write"))?;
        std::fs::read(&path).map_err(|error| files::storage(&error, &path, "cannot read"))
    }
}
