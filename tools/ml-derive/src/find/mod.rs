//! The command `find`: the shortest proof of a formula, or of something more general, among all there are up to a length.
//!
//! What instances the lengths leave out loses nothing here: whatever follows from an instance, or is one, is an instance of what follows
//! from the more general conclusion by a proof that is no longer.

mod answer;
mod asked;
mod search;

use crate::cli::Cli;
use crate::engine::Stop;
use crate::engine::exhaustive::Exhaustive;
use crate::exhaustive::outlook::Outlook;
use crate::exhaustive::run::{self, Run};
use crate::exhaustive::store::{Identity, Store};
use crate::given::Statements;
use answer::{Answer, Tally};
use asked::Asked;
use ml_common::stage::{Done, InputUse, Stage};
use ml_common::{Class, Failure, Result, Status};
use ml_logic::{Formula, System};
use search::{Lengths, Search};
use std::path::{Path, PathBuf};

/// Without a store, so far: a second or less for most systems.
const WITHOUT_STORE: usize = 15;

/// `ml-derive find`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// What to find, in any notation [default: the formulas on standard input, one a line, or the statements there]
    #[arg(value_name = "FORMULA")]
    pub formulas: Vec<String>,
    /// Look through what `ml-derive --no-ledger --store DIR` has generated; otherwise everything is generated anew, in memory
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Longest proof, in symbols of D-notation [default: all that is in the store; 15 without a store]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_length: Option<u16>,
    /// What the stream has told.
    #[arg(skip)]
    pub statements: Statements,
}

/// What is looked through.
struct Ground {
    system: System,
    /// Whether what is not there has no proof.
    complete: bool,
    /// Greatest length.
    end: usize,
}

impl Args {
    /// When standard input is read; `given` looks at it.
    pub fn input(&self, given: impl FnOnce() -> InputUse) -> InputUse {
        if self.formulas.is_empty() { given() } else { InputUse::OnRequest }
    }
}

/// The command.
pub fn act(cli: &Cli, args: &Args, stage: &Stage) -> Result<Done> {
    cli.without_axioms_on_stdin()?;
    let asked = asked::all(cli, args)?;
    let row = cli.necessitation_row();
    let most = args.max_length.map(usize::from);
    let resources = cli.exhaustive.resources;
    let stop = || stage.cancel.is_set();
    let (ground, mut lengths) = match &args.store {
        Some(folder) => {
            let identity = identity(cli, folder, stage)?;
            let system = identity.system().map_err(|error| {
                Failure::new(Class::Storage, format!("the axioms of the store in {} cannot be used: {error}", folder.display()))
                    .hint("copy store.json back, or generate the store again")
            })?;
            let store = Store::open(folder, &identity, false)?;
            let there = store.lengths()?;
            if there == 0 {
                return Err(Failure::new(Class::General, format!("no length is in the store in {} yet", folder.display()))
                    .hint("ml-derive --no-ledger --max-length N --store DIR generates them"));
            }
            let engine = Exhaustive::new(&system.axioms, resources.options(&system, identity.row())).map_err(run::stopped)?;
            let ground = Ground { complete: identity.is_complete(), end: most.map_or(there, |most| most.min(there)), system };
            (ground, Lengths::Stored(engine, store))
        }
        None => {
            let system = cli.system(stage)?;
            let engine = Exhaustive::new(&system.axioms, resources.options(&system, row)).map_err(run::stopped)?;
            let run = Run { engine, store: None, stop: &stop, progress: true, outlook: Outlook::default() };
            (Ground { complete: row.is_none(), end: most.unwrap_or(WITHOUT_STORE), system }, Lengths::Generated(run))
        }
    };
    let answers: Vec<Option<Answer>> = asked.iter().map(|asked| before(asked, &ground.system, stage)).collect::<Result<_>>()?;
    let open: Vec<usize> = (0..asked.len()).filter(|&at| answers[at].is_none()).collect();
    let formulas: Vec<Formula> = open.iter().filter_map(|&at| asked[at].formula.clone().ok()).collect();
    let mut search = Search::new(&formulas, stage);
    let stopped = search.all(&mut lengths, ground.end)?;
    let mut searched = formulas.iter().enumerate().map(|(number, formula)| search.answer(number, formula, &ground.system, ground.complete));
    let mut tally = Tally::default();
    for (number, (asked, answer)) in asked.iter().zip(answers).enumerate() {
        stage.cancel.check()?;
        let answer = match answer {
            Some(answer) => answer,
            None => searched.next().transpose()?.unwrap_or_else(|| Answer::NoFormula("it is none".into())),
        };
        tally.tell(number + 1, asked, &answer, &ground.system, stage)?;
    }
    Ok(end(tally, stopped, search.reached, args, &ground, most))
}

/// What is known without a search.
fn before(asked: &Asked, system: &System, stage: &Stage) -> Result<Option<Answer>> {
    stage.cancel.check()?;
    Ok(match &asked.formula {
        Err(error) => Some(Answer::NoFormula(error.clone())),
        Ok(formula) => answer::refutation(formula, system).map(Answer::Refuted),
    })
}

/// Of what the store is; the axioms of the command line have to be its own.
fn identity(cli: &Cli, folder: &Path, stage: &Stage) -> Result<Identity> {
    let identity = Identity::read(folder)?;
    if cli.axioms.is_none() && cli.necessitation.is_none() {
        return Ok(identity);
    }
    let system = cli.system(stage)?;
    if !identity.is_of(&system, cli.necessitation_row()) {
        return Err(Failure::new(Class::Storage, format!("the store in {} is of other axioms or rules: {identity}", folder.display()))
            .hint("leave --axioms and --necessitation out: the store says its own"));
    }
    Ok(identity)
}

fn end(tally: Tally, stopped: Option<Stop>, reached: usize, args: &Args, ground: &Ground, most: Option<usize>) -> Done {
    let unreadable = tally.no_formula > 0;
    let open = tally.not_derivable + tally.not_found > 0;
    let mut done = tally.done(&ground.system, reached);
    if let Some(stop) = stopped {
        done.exit = Class::General.exit();
        done.status = Some(Status::Warn);
        done.reason = Some(format!("stopped before length {}: {stop}", reached + 1));
        done.hint = Some("what was found holds, and no proof up to that length was passed over; allow more with --memory-limit".into());
    } else if unreadable {
        done.exit = Class::General.exit();
        done.status = Some(Status::Warn);
        done.hint = Some("the checks above say which; the others were looked for".into());
    } else if open && args.store.is_some() && most.is_some_and(|most| most > ground.end) {
        done.reason = Some(format!("the store ends at {}", ground.end));
    }
    done
}
