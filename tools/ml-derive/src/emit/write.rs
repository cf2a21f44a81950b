//! The files: which there are, in which order they appear, and the records that tell of them.

use super::{Format, Wish, failure};
use clap::ValueEnum;
use ml_common::files::{self, Hashing, NewFile, name_stamp};
use ml_common::people::counted;
use ml_common::record::Step;
use ml_common::stage::Stage;
use ml_common::{Result, Status};
use ml_logic::emit::metamath::Metamath;
use ml_logic::emit::{Development, Premise, Rule, Theorem, lean, tptp};
use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Theorems between two questions whether to stop.
const PATIENCE: usize = 64;

/// A module of Lean has so many theorems, and about so many bytes, at most.
const PART_THEOREMS: usize = 500;
const PART_BYTES: usize = 1 << 18;

/// Last of a folder of problems: the hash of each.
const SUMS: &str = "SHA256SUMS";

impl Format {
    /// The id of the step.
    fn id(self) -> String {
        format!("emit-{}", self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default())
    }

    /// What comes behind the time in the name of the file or folder.
    fn ending(self) -> &'static str {
        match self {
            Format::Metamath => ".mm",
            Format::Lean => "-lean",
            Format::Tptp => "-tptp",
        }
    }
}

/// The ids of the main steps.
pub fn planned_ids(formats: &[Format]) -> Vec<String> {
    let mut formats = formats.to_vec();
    formats.sort_unstable();
    formats.dedup();
    formats.into_iter().map(Format::id).collect()
}

/// Writes the development in each of these formats.
pub fn all(wish: &Wish, development: &Development, stage: &Stage) -> Result<()> {
    let formats = &wish.formats;
    let dir = wish.dir.clone().unwrap_or_else(|| stage.settings.path("EXPORTS_DIR"));
    let dir = std::path::absolute(&dir).unwrap_or(dir);
    let base = free_base(formats, &dir);
    let rows = development.theorems.len() as u64;
    let wanted = development.theorems.iter().filter(|theorem| theorem.wanted).count() as u64;
    for format in <Format as ValueEnum>::value_variants().iter().copied().filter(|format| formats.contains(format)) {
        let path = dir.join(format!("{base}{}", format.ending()));
        let mut files = Files { stage, id: format.id() };
        if stage.dry_run {
            let summary = format!("would write {} as {}", counted(rows, "theorem"), path.display());
            stage.step(
                Status::Planned,
                Step { id: files.id, path: Some(path.display().to_string()), rows: Some(rows), summary, ..Step::default() },
            );
            continue;
        }
        match format {
            Format::Metamath => files.metamath(&path, development, rows)?,
            Format::Lean => files.lean(&path, development, rows)?,
            Format::Tptp => files.tptp(&path, development, wanted)?,
        }
    }
    Ok(())
}

/// A name with the time that nothing in the folder has yet.
fn free_base(formats: &[Format], dir: &Path) -> String {
    let stamp = name_stamp(jiff::Timestamp::now());
    let taken = |base: &str| formats.iter().any(|format| dir.join(format!("{base}{}", format.ending())).exists());
    let mut base = format!("theorems-{stamp}");
    for number in 2.. {
        if !taken(&base) {
            break;
        }
        base = format!("theorems-{stamp}-{number}");
    }
    base
}

/// Where the pieces of a file go.
type Put<'p> = &'p mut dyn FnMut(&str) -> Result<()>;

struct Files<'a> {
    stage: &'a Stage,
    id: String,
}

impl Files<'_> {
    /// Writes a file; its SHA-256 and size.
    fn write(&self, path: &Path, pieces: impl FnOnce(Put<'_>) -> Result<()>) -> Result<(String, u64)> {
        let mut file = NewFile::create(path)?;
        let mut to = Hashing::new(BufWriter::new(&mut file));
        let failed = |error: std::io::Error| files::storage(&error, path, "cannot write");
        pieces(&mut |text| to.write_all(text.as_bytes()).map_err(failed))?;
        to.flush().map_err(failed)?;
        let (writer, sha256, bytes) = to.finish();
        drop(writer);
        file.publish()?;
        Ok((sha256, bytes))
    }

    /// The same, and tells of it; `part` tells the files of one format apart.
    fn file(&self, part: &str, path: &Path, rows: Option<u64>, what: &str, pieces: impl FnOnce(Put<'_>) -> Result<()>) -> Result<()> {
        let (sha256, bytes) = self.write(path, pieces)?;
        let path = path.display().to_string();
        let id = if part.is_empty() { self.id.clone() } else { format!("{}.{part}", self.id) };
        let summary = format!("{what} in {path}");
        let step = Step { id, path: Some(path), sha256: Some(sha256), bytes: Some(bytes), rows, summary, ..Step::default() };
        self.stage.step(Status::Ok, step);
        Ok(())
    }

    fn patient(&self, count: usize) -> Result<()> {
        if count.is_multiple_of(PATIENCE) { self.stage.cancel.check() } else { Ok(()) }
    }

    fn metamath(&mut self, path: &Path, development: &Development, rows: u64) -> Result<()> {
        let what = format!("a Metamath database of {}", counted(rows, "theorem"));
        self.file("", path, Some(rows), &what, |put| {
            let mut metamath = Metamath::default();
            put(&metamath.head(development))?;
            for (count, theorem) in development.theorems.iter().enumerate() {
                self.patient(count)?;
                put(&metamath.theorem(development, theorem).map_err(failure)?)?;
            }
            Ok(())
        })
    }

    /// The project's own file comes last: without it there is no project.
    fn lean(&mut self, folder: &Path, development: &Development, rows: u64) -> Result<()> {
        let modules = folder.join(lean::LIBRARY);
        let module = |name: &str| modules.join(format!("{name}.lean"));
        let line = |text: String| move |put: Put<'_>| put(&text);
        self.file("basic", &module(lean::BASIC), None, "formulas, axioms and rules", line(lean::basic(development)))?;
        let mut parts = Parts { part_of: Vec::with_capacity(development.theorems.len()), ..Parts::default() };
        for (count, theorem) in development.theorems.iter().enumerate() {
            self.patient(count)?;
            let text = lean::theorem(development, theorem).map_err(failure)?;
            if !parts.has_room(text.len()) {
                self.part(&mut parts, &module)?;
            }
            parts.push(theorem, text);
        }
        if parts.theorems > 0 {
            self.part(&mut parts, &module)?;
        }
        let root = folder.join(format!("{}.lean", lean::LIBRARY));
        self.file("root", &root, None, "the root module", line(lean::root(parts.number)))?;
        self.file("toolchain", &folder.join("lean-toolchain"), None, "the version of Lean", line(lean::toolchain()))?;
        let what = format!("a Lean project of {}", counted(rows, "theorem"));
        self.file("", &folder.join("lakefile.toml"), Some(rows), &what, line(lean::lakefile()))
    }

    fn part(&self, parts: &mut Parts, module: &dyn Fn(&str) -> PathBuf) -> Result<()> {
        let Parts { number, theorems, text, uses, .. } = parts;
        let name = lean::part(*number);
        let what = counted(*theorems as u64, "theorem");
        self.file(&format!("part-{}", *number + 1), &module(&name), Some(*theorems as u64), &what, |put| {
            put(&lean::head(uses))?;
            put(text)?;
            put(&lean::foot())
        })?;
        *number += 1;
        *theorems = 0;
        text.clear();
        uses.clear();
        Ok(())
    }

    /// The sums come last: with them the folder is complete.
    fn tptp(&mut self, folder: &Path, development: &Development, rows: u64) -> Result<()> {
        let mut sums = Vec::new();
        for (count, theorem) in development.theorems.iter().filter(|theorem| theorem.wanted).enumerate() {
            self.patient(count)?;
            let name = format!("{}.p", theorem.name);
            let (sha256, _) = self.write(&folder.join(&name), |put| put(&tptp::problem(development, theorem)))?;
            sums.push((name, sha256));
        }
        sums.sort_unstable();
        let text: String = sums.iter().map(|(name, sha256)| format!("{sha256}  {name}\n")).collect();
        let what = format!("{} beside the sums", counted(rows, "TPTP problem"));
        self.file("", &folder.join(SUMS), Some(rows), &what, |put| put(&text))
    }
}

/// The part of a Lean project that is being filled.
#[derive(Default)]
struct Parts {
    /// Its number; so many are written.
    number: usize,
    theorems: usize,
    text: String,
    /// Earlier parts that it refers to.
    uses: BTreeSet<usize>,
    /// The part of each theorem.
    part_of: Vec<usize>,
}

impl Parts {
    fn has_room(&self, bytes: usize) -> bool {
        self.theorems == 0 || (self.theorems < PART_THEOREMS && self.text.len() + bytes <= PART_BYTES)
    }

    fn push(&mut self, theorem: &Theorem, text: String) {
        let premises = match theorem.rule {
            Rule::Detach { major, minor } => [Some(major), Some(minor)],
            Rule::Necessitate(premise) => [Some(premise), None],
        };
        for premise in premises.into_iter().flatten() {
            if let Premise::Theorem(at) = premise {
                self.uses.extend(self.part_of.get(at).copied().filter(|&part| part != self.number));
            }
        }
        self.part_of.push(self.number);
        self.theorems += 1;
        self.text.push_str(&text);
    }
}
