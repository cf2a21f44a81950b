//! What a drill came to, and the evidence of it.

use crate::check_command::{self, Outcome};
use crate::source::{Source, millis};
use crate::verify::Verdict;
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::record::{Status, Step, timestamp};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::manifest::Manifest;
use ml_dump::{Proof, proof};
use std::time::Instant;

/// A drill that has been run.
pub struct Drill<'a> {
    /// What was restored.
    pub source: &'a Source,
    /// What the checks came to.
    pub verdict: Verdict,
    /// What the application's own test came to; none when there is none, or nothing to test.
    pub command: Option<Outcome>,
    /// When it began.
    pub began: Instant,
}

impl Drill<'_> {
    /// The end of the drill; the evidence is written when everything was good.
    pub fn done(&self, stage: &Stage, server: u32, proven: Timestamp) -> Done {
        let took = format!("{:.1} s", self.began.elapsed().as_secs_f64());
        let told = self.verdict.told.join(", ");
        let name = self.source.name();
        let mut done = Done::ok(format!("{name} restored into a scratch database and verified in {took}: {told}"))
            .metric("rows", self.verdict.rows)
            .metric("restore_ms", millis(self.began));
        let command = self.command.as_ref().filter(|outcome| !outcome.good);
        if !self.verdict.is_good() {
            done.summary = format!("{name} was restored in {took} but does not check out: {told}");
            done.hint = Some("the checks above say what is wrong".into());
            (done.exit, done.status) = (Class::Storage.exit(), Some(Status::Crit));
        } else if let Some(outcome) = command {
            let failure = check_command::failed(outcome);
            done.summary = format!("{name} was restored in {took}, but {}", failure.message);
            done.hint = failure.hint;
            (done.exit, done.status) = (Class::Storage.exit(), Some(Status::Crit));
        } else if let Some(manifest) = &self.source.manifest {
            if let Err(failure) = self.prove(stage, manifest, server, proven) {
                done.reason = Some("the evidence could not be written".into());
                (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
                let (summary, hint, class) = (failure.message, failure.hint, failure.class.name().to_owned());
                stage.step(Status::Warn, Step { id: "proof".into(), summary, hint, error_class: Some(class), ..Step::default() });
            }
        } else {
            done.reason = Some("it has no manifest to be held against, so nothing is proven".into());
            (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
        }
        done
    }

    fn prove(&self, stage: &Stage, manifest: &Manifest, server: u32, proven: Timestamp) -> Result<()> {
        let mut checks = self.verdict.checks.clone();
        checks.extend(self.command.as_ref().map(|_| check_command::ID.to_owned()));
        let proof = Proof {
            format: proof::FORMAT,
            tool: format!("{} {}", stage.tool, env!("CARGO_PKG_VERSION")),
            system: stage.system.clone(),
            run: stage.run.clone(),
            file: self.source.name(),
            sha256: manifest.sha256.clone(),
            proven: timestamp(proven),
            server: format!("PostgreSQL {server}"),
            rows: self.verdict.rows,
            tables: self.verdict.tables,
            fingerprints: self.verdict.fingerprints,
            theorems: self.verdict.theorems,
            checks,
            check_command: self.command.as_ref().map(|outcome| outcome.told.clone()),
            duration_ms: millis(self.began),
        };
        let path = proof
            .write(&self.source.path)
            .map_err(|failure: Failure| failure.context("the backup is proven, but that cannot be written down"))?;
        let path = path.display().to_string();
        let summary = format!("{path}: proven {}", proof.proven);
        stage.step(Status::Ok, Step { id: "proof".into(), path: Some(path), summary, ..Step::default() });
        Ok(())
    }
}
