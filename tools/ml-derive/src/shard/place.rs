//! A length of a store, with all lengths before it in the engine.

use super::parts::{Made, end};
use crate::cli::Cli;
use crate::engine::exhaustive::Exhaustive;
use crate::exhaustive::journal::Journal;
use crate::exhaustive::outlook::Outlook;
use crate::exhaustive::run::{self, Run};
use crate::exhaustive::store::{Identity, Store};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result};
use std::path::{Path, PathBuf};

/// Where a step is done.
pub struct Place<'a> {
    /// The engine, which has the lengths before.
    pub run: Run<'a>,
    /// The store.
    pub store: Store,
    /// As it was named.
    pub folder: PathBuf,
    /// Records and cancellation.
    pub stage: &'a Stage,
    /// Whether necessitation is a rule.
    pub necessitation: bool,
    /// The hash of the candidates that the engine has taken up.
    pub taken_up: Option<String>,
    /// What is known of the merged candidates of a length.
    merged: Option<(usize, Merged)>,
}

/// What is to be known of merged candidates, without their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The hash of the keys.
    pub hash: String,
    /// How many of them are to be looked at: all, or none where instances are kept.
    pub queries: usize,
}

impl<'a> Place<'a> {
    /// The store in a folder, which says itself of what it is, read by this process and written by nobody.
    ///
    /// # Errors
    /// Class Storage when there is none, or it is not of the axioms that the command line has.
    pub fn open(cli: &Cli, folder: &Path, stage: &'a Stage, stop: &'a (dyn Fn() -> bool + Sync)) -> Result<Place<'a>> {
        let identity = Identity::read(folder)?;
        let unusable = |error| {
            Failure::new(Class::Storage, format!("the axioms of the store in {} cannot be used: {error}", folder.display()))
                .hint("use the program that wrote it, or generate it again")
        };
        let system = identity.system().map_err(unusable)?;
        if cli.axioms.is_some() || cli.necessitation.is_some() {
            cli.without_axioms_on_stdin()?;
            let asked = match cli.axioms {
                Some(_) => cli.system(stage)?,
                None => ml_logic::System { necessitation: true, ..system.clone() },
            };
            if !identity.is_of(&asked, cli.necessitation_row()) {
                return Err(Failure::new(Class::Storage, format!("the store in {} is of other axioms or rules", folder.display()))
                    .hint("leave --axioms and --necessitation out: the store says itself of what it is"));
            }
        }
        let options = identity.options(cli.exhaustive.resources.options(&system, identity.row()));
        let engine = Exhaustive::new(&system.axioms, options).map_err(run::stopped)?;
        let store = Store::open(folder, &identity, false)?;
        let run = Run { engine, store: None, stop, progress: true, outlook: Outlook::default() };
        Ok(Place { run, store, folder: folder.to_owned(), stage, necessitation: system.necessitation, taken_up: None, merged: None })
    }

    /// The length that is next.
    pub fn length(&self) -> usize {
        self.run.engine.lengths() + 1
    }

    /// The journal of the next length.
    pub fn journal(&self) -> Journal {
        Journal::new(self.store.progress(self.length()), self.store.last())
    }

    /// The merged candidates of the next length; their file is read through only once.
    pub fn merged(&mut self) -> Option<Merged> {
        let length = self.length();
        if self.merged.as_ref().is_none_or(|(of, _)| *of != length) {
            let found = self.journal().candidates(None)?;
            let queries = if self.run.engine.filters_next() { found.keys.len() } else { 0 };
            self.merged = Some((length, Merged { hash: found.hash, queries }));
        }
        self.merged.as_ref().map(|(_, merged)| merged.clone())
    }

    /// Takes the store for writing, unless nothing is to be written.
    ///
    /// # Errors
    /// Class Locked when another process writes there; Storage.
    pub fn hold(&mut self) -> Result<()> {
        if self.stage.dry_run { Ok(()) } else { self.store.hold() }
    }

    /// Goes to that length, or the first one that is not there; what is to be said when it is there already.
    ///
    /// # Errors
    /// Class General when a length before is missing or nothing can follow; Storage for a file that is damaged.
    pub fn find(&mut self, length: Option<usize>) -> Result<Option<Made>> {
        let Some(length) = length else {
            while self.read()? {}
            return self.pass_empty(None).map(|()| None);
        };
        if self.store.path(length).exists() {
            return Ok(Some(Made::there(format!("length-{length}"), format!("length {length} is in the store"))));
        }
        while self.length() < length && self.read()? {}
        self.pass_empty(Some(length))?;
        if self.length() == length {
            return Ok(None);
        }
        Err(Failure::new(Class::General, format!("length {} is not in the store, and {length} comes after it", self.length()))
            .hint(format!("finish it first; the next length of this store is {}, which --length need not name", self.length())))
    }

    /// Reads the next length; whether it was there.
    ///
    /// # Errors
    /// Class Storage for a file that is damaged; General when it needs too much memory; Interrupted.
    pub fn read(&mut self) -> Result<bool> {
        self.stage.cancel.check()?;
        Ok(self.store.restore(&mut self.run.engine)?.is_some())
    }

    /// Whether the next length has no candidates, and so no proofs: without necessitation each even one.
    pub fn is_empty(&self) -> bool {
        self.length() > 1 && self.run.engine.candidates() == 0
    }

    /// Goes past lengths without candidates, which need not be in the store, up to `until` or the first with some.
    ///
    /// # Errors
    /// Class General when none can follow.
    fn pass_empty(&mut self, until: Option<usize>) -> Result<()> {
        let engine = &self.run.engine;
        let greatest = (1..=engine.lengths()).rev().find(|&length| !engine.of_length(length).is_empty()).unwrap_or(1);
        while self.is_empty() && until.is_none_or(|until| self.length() < until) {
            if until.is_none() && self.length() > 2 * greatest + 1 {
                return Err(Failure::new(Class::General, "nothing new can be derived: all lengths to come are empty")
                    .hint("the store has everything that there is"));
            }
            let length = self.run.engine.next_length(self.run.stop).map_err(|stop| end(self.stage, stop.into()))?;
            self.store.pass(&length)?;
        }
        Ok(())
    }
}
