//! Statements and files of a length; everything that is written is checked before.

use crate::engine::exhaustive::{Exhaustive, Length};
use crate::proofs::{self, height, refused_step, rule};
use ml_common::files::{self, Hashing, NewFile};
use ml_common::record::{MAX_PROOF_BYTES, Statement};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, Status};
use ml_logic::{Formula, Limits, System, hash, theorems};
use rayon::prelude::*;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Proofs that are worked out and checked before they are written.
const CHUNK: u32 = 1 << 14;

/// What is to be done with each length.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Records of statements.
    pub statements: bool,
    /// Proofs on standard output.
    pub raw: bool,
    /// A folder for files of proofs.
    pub dproofs: Option<&'a Path>,
}

/// Writes lengths.
pub struct Writer<'a> {
    /// Where records go.
    pub stage: &'a Stage,
    /// Whose conclusions they are.
    pub system: &'a System,
    /// What is written.
    pub wanted: Wanted<'a>,
    /// Whether nothing was left out that would shorten proofs.
    pub exact: bool,
}

/// A file that was written, or was there with the same content.
pub struct Written {
    /// Its path.
    pub path: PathBuf,
    /// Its hash in hexadecimal digits.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// A conclusion as text.
struct Line {
    proof: String,
    formula: Formula,
}

impl Writer<'_> {
    /// Has every kept conclusion proved once more by the checker and writes what is wanted; the file when there is one. The lengths before
    /// must have been written, as each step is checked from its premises.
    ///
    /// # Errors
    /// Class Internal when the checker refuses one; Storage when a file cannot be written.
    pub fn write(&self, engine: &Exhaustive, length: &Length) -> Result<Option<Written>> {
        let Wanted { statements, raw, dproofs } = self.wanted;
        if !statements && !raw && dproofs.is_none() {
            return Ok(None);
        }
        let mut file = dproofs.map(|folder| File::create(&file_of(folder, length.length))).transpose()?;
        let axioms: Vec<String> = self.system.axioms.iter().map(ToString::to_string).collect();
        let mut start = length.kept.start;
        while start < length.kept.end {
            self.stage.cancel.check()?;
            let end = (start + CHUNK).min(length.kept.end);
            let lines = self.checked(engine, start..end)?;
            if let Some(file) = &mut file {
                file.write(&lines)?;
            }
            if raw {
                let text: String = lines.iter().flat_map(|line| [line.proof.as_str(), "\n"]).collect();
                let written = self.stage.out().raw(text.as_bytes());
                written.map_err(|error| Failure::new(Class::General, format!("writing to standard output: {error}")))?;
            }
            for line in lines.iter().filter(|_| statements) {
                self.statement(line, &axioms, length.length);
            }
            start = end;
        }
        file.map(File::finish).transpose()
    }

    fn checked(&self, engine: &Exhaustive, ids: Range<u32>) -> Result<Vec<Line>> {
        let limits = Limits::default();
        let line = |id: u32| {
            let proof = proofs::text(id, |id| engine.step(id));
            let formula = engine.formula(id).ok_or_else(|| broken(&proof, "it is larger than formulas may be"))?;
            match refused_step(self.system, engine.step(id), |id| engine.formula(id), &formula, &limits) {
                None => Ok(Line { proof, formula }),
                Some(reason) => Err(broken(&proof, &reason)),
            }
        };
        engine.pool().install(|| ids.into_par_iter().map(line).collect())
    }

    fn statement(&self, Line { proof, formula }: &Line, axioms: &[String], length: usize) {
        // Where conclusions are left out for their size, a shorter proof may have gone through one of them.
        let label = if self.exact { format!("minimal up to {length}") } else { format!("proof of length {length} known") };
        self.stage.statement(
            Status::Ok,
            Statement {
                hash: hash::statement(formula),
                statement: formula.to_string(),
                axioms: axioms.to_vec(),
                rule: Some(rule(proof).into()),
                depth: Some(u64::from(height(proof))),
                proof: (proof.len() <= MAX_PROOF_BYTES).then(|| proof.clone()),
                proof_length: Some(proof.len() as u64),
                name: theorems::name(formula).map(str::to_owned),
                label: Some(label),
                ..Statement::default()
            },
        );
    }
}

/// A file of proofs: a line each, none at the end.
struct File {
    path: PathBuf,
    to: Hashing<std::io::BufWriter<NewFile>>,
    empty: bool,
}

impl File {
    fn create(path: &Path) -> Result<File> {
        let to = Hashing::new(std::io::BufWriter::with_capacity(1 << 18, NewFile::create(path)?));
        Ok(File { path: path.to_owned(), to, empty: true })
    }

    fn write(&mut self, lines: &[Line]) -> Result<()> {
        for line in lines {
            let ending: &[u8] = if self.empty { b"" } else { b"\n" };
            self.empty = false;
            let written = self.to.write_all(ending).and_then(|()| self.to.write_all(line.proof.as_bytes()));
            written.map_err(|error| files::storage(&error, &self.path, "cannot write"))?;
        }
        Ok(())
    }

    /// Gives it its name, unless one with the same content has it.
    fn finish(mut self) -> Result<Written> {
        let cannot = |error: std::io::Error| files::storage(&error, &self.path, "cannot write");
        self.to.flush().map_err(cannot)?;
        let (buffer, sha256, bytes) = self.to.finish();
        let file = buffer.into_inner().map_err(|error| cannot(error.into_error()))?;
        if !self.path.exists() || files::sha256(&self.path)? != (sha256.clone(), bytes) {
            file.publish()?;
        }
        Ok(Written { path: self.path, sha256, bytes })
    }
}

/// Where the proofs of a length go.
pub fn file_of(folder: &Path, length: usize) -> PathBuf {
    folder.join(format!("dProofs{length}.txt"))
}

/// A path as records have it.
pub fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn broken(proof: &str, reason: &str) -> Failure {
    let start: String = proof.chars().take(80).collect();
    Failure::new(Class::Internal, format!("the checker refuses what was derived by {start}: {reason}"))
        .hint("please report it with the command line")
}
