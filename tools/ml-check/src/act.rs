//! The work: records as they pass, or lines of files.

use crate::cli::Cli;
use crate::judge::{Claim, Judge, Verdict};
use crate::lines::{self, Line, MAX_LINE};
use crate::tally::Tally;
use encoding_rs_io::DecodeReaderBytes;
use ml_common::record::Statement;
use ml_common::{Class, Done, Failure, Result, Stage};
use ml_logic::{Limits, System, hash};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// A judge and what it has found so far.
#[derive(Debug)]
pub struct Bench {
    judge: Judge,
    tally: Tally,
}

impl Bench {
    /// With the axioms of the command line or the settings.
    ///
    /// # Errors
    /// Class Usage or Config when they make no sense.
    pub fn new(cli: &Cli, stage: &Stage) -> Result<Bench> {
        let (text, class) = match &cli.axioms {
            Some(text) => (text.as_str(), Class::Usage),
            None => (stage.settings.text("DERIVE_AXIOMS"), Class::Config),
        };
        let wrong = |error| Failure::new(class, format!("the axioms cannot be used: {error}")).hint(System::how_to_write());
        let system = System::read(text, cli.necessitation, &Limits::default()).map_err(wrong)?;
        Ok(Bench { judge: Judge::new(system, cli.axioms.is_some()), tally: Tally::default() })
    }

    /// Judges a record.
    pub fn statement(&mut self, statement: &Statement, stage: &Stage) {
        let claim = Claim {
            proof: statement.proof.as_deref(),
            proof_length: statement.proof_length,
            statement: Some(&statement.statement),
            hash: Some(&statement.hash),
            axioms: &statement.axioms,
        };
        let verdict = self.judge.judge(&claim);
        // What stands for a hash may be anything.
        let well_formed = statement.hash.len() == 64 && statement.hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = if well_formed { statement.hash.clone() } else { hash::statement_text(&statement.statement) };
        self.tell(id, verdict, stage);
    }

    fn tell(&mut self, id: String, verdict: Verdict, stage: &Stage) {
        let (status, check) = self.tally.take(id, verdict);
        stage.check(status, check);
    }

    /// Judges the lines of an input; `name` is what their ids begin with.
    fn proofs(&mut self, input: impl Read, name: &str, stage: &Stage) -> Result<()> {
        let mut input = BufReader::with_capacity(1 << 16, DecodeReaderBytes::new(input));
        let failed = |error| Failure::new(Class::General, format!("reading {name} failed: {error}")).hint("see that it can be read");
        let mut number = 0u64;
        while let Some(line) = lines::next(&mut input).map_err(failed)? {
            stage.cancel.check()?;
            // Nobody reads the verdicts any more.
            if stage.out().error().is_some() {
                break;
            }
            number += 1;
            let verdict = match &line {
                Line::Empty => continue,
                Line::TooLong => Verdict::TooLarge(format!("a limit was reached: the line is longer than {} MiB", MAX_LINE >> 20)),
                Line::Proof(proof, formula) => {
                    self.judge.judge(&Claim { proof: Some(proof), statement: formula.as_deref(), ..Claim::default() })
                }
            };
            let id = if name == STDIN { format!("line-{number}") } else { format!("{name}:{number}") };
            self.tell(id, verdict, stage);
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, stage: &Stage) -> Result<()> {
        let name = path.display().to_string();
        let unread =
            |error| Failure::new(Class::Usage, format!("cannot read {name}: {error}")).hint("name existing files of D-proofs, one a line");
        if path.is_dir() {
            return Err(unread(std::io::ErrorKind::IsADirectory.into()));
        }
        let mut input = BufReader::new(File::open(path).map_err(unread)?);
        let start = input.fill_buf().map_err(unread)?;
        if start.trim_ascii_start().starts_with(b"{") {
            return Err(
                Failure::new(Class::Usage, format!("{name} holds records and not D-proofs")).hint(format!("ml-check --input {name}"))
            );
        }
        self.proofs(input, &name, stage)
    }
}

const STDIN: &str = "standard input";

/// Everything that did not come as records, and the end.
///
/// # Errors
/// Class Usage for files that cannot be read, or what stopped it.
pub fn act(cli: &Cli, mut bench: Bench, stage: &Stage) -> Result<Done> {
    for path in &cli.files {
        bench.file(path, stage)?;
    }
    if cli.proofs_on_stdin() {
        bench.proofs(std::io::stdin(), STDIN, stage)?;
    }
    Ok(bench.tally.done(&bench.judge))
}
