//! The command `shorten`: shorter proofs from known ones. [`shortener`] says how.

mod general;
mod known;
mod shortener;

use crate::cli::Cli;
use crate::given::{LIMITS, Statements};
use crate::proofs::rule;
use crate::refused::Refused;
use ml_common::people;
use ml_common::people::counted;
use ml_common::record::{MAX_PROOF_BYTES, Statement};
use ml_common::stage::{Done, Output, Stage};
use ml_common::{Class, Failure, Result, Status};
use ml_logic::checker::{self, Verdict};
use ml_logic::{DProof, Error, Formula, Limits, System, hash, theorems};
use shortener::Shortener;
use std::path::PathBuf;

/// Proofs between two questions whether to stop.
const PATIENCE: usize = 256;

/// `ml-derive shorten`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Known proofs: files of D-proofs, one a line, or folders with files dProofsN.txt as --dproofs writes them
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub from: Vec<PathBuf>,
    /// What the stream has told.
    #[arg(skip)]
    pub statements: Statements,
}

/// Why the work ended early.
enum Ended {
    Stopped(Failure),
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Ended {
        Ended::Failed(error)
    }
}

/// The command.
pub fn act(cli: &Cli, args: &Args, stage: &Stage) -> Result<Done> {
    let files: Vec<PathBuf> = args.from.iter().map(|path| known::files(path)).collect::<Result<Vec<_>>>()?.concat();
    let claims = cli.claims(&args.statements, stage)?;
    let mut shortener = Shortener::new(claims.system.clone(), LIMITS);
    learn(&mut shortener, &files, stage)?;
    let (mut given, mut refused) = (Vec::new(), Refused::default());
    for (count, claim) in claims.claims.iter().enumerate() {
        if count % PATIENCE == 0 {
            stage.cancel.check()?;
        }
        match shortener.learn(&claim.proof) {
            Ok(line) => match claim.contradicted(&shortener.proofs().line(line).formula) {
                None => given.push(line),
                Some(reason) => refused.push(&claim.place, &reason),
            },
            Err(error @ Error::Limit { .. }) => return Err(too_large(&claim.place, &error)),
            Err(reason) => refused.push(&claim.place, &reason.to_string()),
        }
    }
    let mut found = given.clone();
    shortener.shorten(&mut found, &mut || stage.cancel.check().map_err(Ended::Stopped)).map_err(|ended| match ended {
        Ended::Stopped(failure) => failure,
        Ended::Failed(error) => Failure::new(Class::Internal, format!("the proofs cannot be shortened: {error}")).hint("please report it"),
    })?;
    let (mut before, mut after, mut shortened) = (0u64, 0u64, 0u64);
    for (count, (&old, &new)) in given.iter().zip(&found).enumerate() {
        if count % PATIENCE == 0 {
            stage.cancel.check()?;
        }
        let (old, line) = (shortener.proofs().line(old), shortener.proofs().line(new));
        before += old.length;
        after += line.length;
        shortened += u64::from(line.length < old.length);
        let proof = shortener.proofs().proof(new, line.length as usize).map_err(|error| refusal(&old.formula, &error.to_string()))?;
        verify(&claims.system, &proof, &old.formula)?;
        tell(&claims.system, &proof, (old.length, &old.formula), (line.height, &line.formula), stage)?;
    }
    let without = match claims.without {
        0 => String::new(),
        without => format!("; {} came without a proof", counted(without, "statement")),
    };
    let done = Done::ok(format!("{shortened} of {} shortened, {before} symbols to {after}{without}", counted(given.len() as u64, "proof")))
        .metric("proofs", given.len())
        .metric("shortened", shortened)
        .metric("symbols_before", before)
        .metric("symbols_after", after)
        .metric("without_proof", claims.without);
    refused.end(done, &claims.system, given.is_empty(), stage)
}

/// Takes in the known proofs.
fn learn(shortener: &mut Shortener, files: &[PathBuf], stage: &Stage) -> Result<()> {
    let progress = people::progress("known proofs", None);
    for file in files {
        for (count, claim) in known::read(file)?.into_iter().enumerate() {
            if count % PATIENCE == 0 {
                stage.cancel.check()?;
                progress.inc(PATIENCE as u64);
            }
            shortener.learn(&claim.proof).map_err(|error| match error {
                Error::Limit { .. } => too_large(&claim.place, &error),
                error => Failure::new(Class::Usage, format!("{}: {error}", claim.place))
                    .hint("the file holds proofs from other axioms, perhaps: name them with --axioms"),
            })?;
        }
    }
    progress.finish_and_clear();
    Ok(())
}

fn too_large(place: &str, error: &Error) -> Failure {
    Failure::new(Class::General, format!("{place}: the proofs are too large to be shortened together: {error}"))
        .hint("give fewer of them at a time, or fewer known ones")
}

/// The separate checker has the last word: the new proof proves what the old one did, or more.
fn verify(system: &System, proof: &DProof, formula: &Formula) -> Result<()> {
    match checker::check(&system.rules(), proof.as_str(), formula, &Limits::default()) {
        Ok(Verdict::Exact | Verdict::MoreGeneral(_)) => Ok(()),
        Ok(Verdict::DoesNotProve(reason)) => Err(refusal(formula, &reason)),
        Err(error) => Err(refusal(formula, &error.to_string())),
    }
}

fn refusal(formula: &Formula, reason: &str) -> Failure {
    Failure::new(Class::Internal, format!("the checker refuses a shortened proof of {formula}: {reason}"))
        .hint("please report it with the proof that was given")
}

/// Writes a proof, with the length that it had and what it proved before.
fn tell(system: &System, proof: &DProof, old: (u64, &Formula), new: (u64, &Formula), stage: &Stage) -> Result<()> {
    let failed = |error| Failure::new(Class::General, format!("writing to standard output: {error}"));
    match stage.out().mode() {
        Output::Raw => stage.out().raw(format!("{proof}\n").as_bytes()).map_err(failed),
        Output::Table => {
            stage.out().text(&format!("{} -> {}  {proof}  {}", old.0, proof.len(), new.1));
            Ok(())
        }
        _ => {
            let mut label = theorems::length_label(proof.len());
            if (proof.len() as u64) < old.0 {
                label.push_str(&format!(", {} before", old.0));
            }
            if old.1 != new.1 {
                label.push_str(", of a more general statement");
            }
            let statement = Statement {
                hash: hash::statement(new.1),
                statement: new.1.to_string(),
                axioms: system.axioms.iter().map(ToString::to_string).collect(),
                rule: Some(rule(proof.as_str()).into()),
                depth: Some(new.0),
                proof: (proof.len() <= MAX_PROOF_BYTES).then(|| proof.to_string()),
                proof_length: Some(proof.len() as u64),
                label: Some(label),
                name: theorems::name(new.1).map(str::to_owned),
                ..Statement::default()
            };
            stage.statement(Status::Ok, statement);
            Ok(())
        }
    }
}
