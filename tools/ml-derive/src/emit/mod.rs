//! Theorems with their proofs for other checkers: the command `emit`, and `--emit` of a derivation.

mod write;

use crate::cli::Cli;
use crate::given::{Claim, LIMITS, Statements};
use crate::refused::Refused;
use clap::ValueEnum;
use ml_common::people::counted;
use ml_common::record;
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result, Status};
use ml_logic::dag::Step;
use ml_logic::emit::Development;
use ml_logic::{DProof, Error, Library, System};
use std::path::PathBuf;
pub use write::planned_ids;

/// Proofs between two questions whether to stop.
const PATIENCE: usize = 256;

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Format {
    /// A database for the metamath program
    Metamath,
    /// A project for Lean 4, without any library
    Lean,
    /// A problem for each theorem, for automated provers
    Tptp,
}

/// `ml-derive emit`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// What to write; several with commas between them
    #[arg(value_enum, value_name = "FORMAT", value_delimiter = ',', required = true)]
    pub formats: Vec<Format>,
    /// Folder to write in [default: EXPORTS_DIR]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What the stream has told.
    #[arg(skip)]
    pub statements: Statements,
}

/// The command: writes the theorems of standard input.
pub fn act(cli: &Cli, args: &Args, stage: &Stage) -> Result<Done> {
    let claims = cli.claims(&args.statements, stage)?;
    let given = claims.claims.len();
    let (mut collection, mut refused) = (Collection::new(claims.system.clone()), Refused::default());
    for (count, claim) in claims.claims.iter().enumerate() {
        if count % PATIENCE == 0 {
            stage.cancel.check()?;
        }
        if let Err(reason) = collection.take(claim)? {
            refused.push(&claim.place, &reason);
        }
    }
    let mut theorems = 0;
    let nothing = collection.lines.is_empty();
    if !nothing {
        theorems = collection.write(&Wish { formats: args.formats.clone(), dir: args.dir.clone() }, stage)?;
    }
    let without = match claims.without {
        0 => String::new(),
        without => format!("; {} came without a proof", counted(without, "statement")),
    };
    let would = if stage.dry_run { "would be written" } else { "written" };
    let mut done =
        Done::ok(format!("{} {would} out from {}{without}", counted(theorems as u64, "theorem"), counted(given as u64, "proof")))
            .metric("proofs", given)
            .metric("theorems", theorems)
            .metric("without_proof", claims.without);
    if stage.dry_run {
        done.status = Some(Status::Planned);
    }
    refused.end(done, &claims.system, nothing, stage)
}

/// The lines of the proofs that are to be written out.
pub struct Collection {
    proofs: Library,
    lines: Vec<u32>,
}

impl Collection {
    /// Nothing yet.
    pub fn new(system: System) -> Collection {
        Collection { proofs: Library::new(system, LIMITS), lines: Vec::new() }
    }

    /// Adds the conclusion of a step whose premises are the numbers of what was added before.
    ///
    /// # Errors
    /// Class Internal for a step that proves nothing.
    pub fn push(&mut self, step: Step) -> Result<()> {
        let line = |at: u32| self.lines.get(at as usize).copied().unwrap_or(u32::MAX);
        let step = match step {
            Step::Axiom(number) => Step::Axiom(number),
            Step::Detach { major, minor } => Step::Detach { major: line(major), minor: line(minor) },
            Step::Necessitate(premise) => Step::Necessitate(line(premise)),
        };
        self.lines.push(self.proofs.add(step).map_err(failure)?);
        Ok(())
    }

    /// Adds what a proof proves. Inside, why it is refused.
    fn take(&mut self, claim: &Claim) -> Result<std::result::Result<(), String>> {
        let line = match self.proofs.add_proof(&claim.proof) {
            Ok(line) => line,
            Err(error @ Error::Limit { .. }) => return Err(failure(error)),
            Err(reason) => return Ok(Err(reason.to_string())),
        };
        if let Some(reason) = claim.contradicted(&self.proofs.line(line).formula) {
            return Ok(Err(reason));
        }
        self.lines.push(line);
        Ok(Ok(()))
    }

    /// Writes all that was added, with what it rests on; the number of theorems.
    ///
    /// # Errors
    /// Class Storage when that is not possible, Internal when the checker refuses a step.
    pub fn write(&self, wish: &Wish, stage: &Stage) -> Result<usize> {
        let development = Development::new(&self.proofs, &self.lines, &LIMITS).map_err(failure)?;
        stage.cancel.check()?;
        write::all(wish, &development, stage)?;
        Ok(development.theorems.len())
    }
}

/// What is to be written, and where.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The formats; none is no wish.
    pub formats: Vec<Format>,
    /// The folder, unless it is EXPORTS_DIR.
    pub dir: Option<PathBuf>,
}

impl Wish {
    /// Writes what a derivation has collected, if it has anything.
    ///
    /// # Errors
    /// As [`Collection::write`].
    pub fn fulfil(&self, collection: Option<&Collection>, stage: &Stage) -> Result<()> {
        if let Some(collection) = collection {
            let recorded = if stage.dry_run { "writing out the theorems" } else { "the theorems are recorded, but not written out" };
            return collection.write(self, stage).map(drop).map_err(|failure| failure.context(recorded));
        }
        for id in planned_ids(&self.formats) {
            let (summary, reason) = ("nothing is new, so nothing is written out".into(), Some("nothing is new".into()));
            stage.step(Status::Skipped, record::Step { id, summary, reason, ..record::Step::default() });
        }
        Ok(())
    }

    /// Says what would be written, where that is not known yet.
    pub fn plan(&self, stage: &Stage) {
        let dir = self.dir.clone().unwrap_or_else(|| stage.settings.path("EXPORTS_DIR"));
        for id in planned_ids(&self.formats) {
            let summary = format!("would write the theorems into {}", dir.display());
            stage.step(Status::Planned, record::Step { id, summary, ..record::Step::default() });
        }
    }
}

/// Proofs by number, the higher resting on the lower: those of these numbers, with what they rest on. `step` gives the last step of one, or its
/// D-proof where that is all there is.
///
/// # Errors
/// Class Internal for a proof that proves nothing.
pub fn collect<'p>(system: &System, numbers: &[u32], step: impl Fn(u32) -> Source<'p>) -> Result<Collection> {
    let mut collection = Collection::new(system.clone());
    let mut needed: std::collections::BTreeSet<u32> = numbers.iter().copied().collect();
    let mut todo: Vec<u32> = numbers.to_vec();
    while let Some(number) = todo.pop() {
        if let Source::Step(last) = step(number) {
            todo.extend(ml_logic::library::premises(last).filter(|&premise| needed.insert(premise)));
        }
    }
    let mut lines = std::collections::HashMap::new();
    for number in needed {
        let line = |number: u32| lines.get(&number).copied().unwrap_or(u32::MAX);
        let added = match step(number) {
            Source::Proof(text) => DProof::parse(text).and_then(|proof| collection.proofs.add_proof(&proof)),
            Source::Step(Step::Axiom(axiom)) => collection.proofs.add(Step::Axiom(axiom)),
            Source::Step(Step::Detach { major, minor }) => collection.proofs.add(Step::Detach { major: line(major), minor: line(minor) }),
            Source::Step(Step::Necessitate(premise)) => collection.proofs.add(Step::Necessitate(line(premise))),
        };
        lines.insert(number, added.map_err(failure)?);
    }
    collection.lines = numbers.iter().filter_map(|number| lines.get(number).copied()).collect();
    Ok(collection)
}

/// Where a proof comes from.
pub enum Source<'p> {
    /// Its last step.
    Step(Step),
    /// Its text.
    Proof(&'p str),
}

/// What cannot be written out.
fn failure(error: Error) -> Failure {
    match error {
        Error::Limit { .. } => Failure::new(Class::General, format!("these proofs cannot be written out: {error}"))
            .hint("write fewer theorems out at a time, or those with shorter proofs"),
        error => Failure::new(Class::Internal, format!("these proofs cannot be written out: {error}"))
            .hint("please report it with the command line"),
    }
}
