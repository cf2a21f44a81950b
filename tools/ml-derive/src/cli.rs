//! The command line.

use crate::emit::Wish;
use crate::given::{self, Claims, Given, Statements};
use crate::nightly::{self, plan};
use crate::{axioms, emit, exhaustive, explain, find, shard, shorten};
use ml_common::record::Record;
use ml_common::settings::Settings;
use ml_common::stage::{After, Common, Done, InputUse, Output, Stage};
use ml_common::{Class, Failure, Result, Tool, pg};
use std::cell::OnceCell;
use std::io::Read;
use std::path::PathBuf;

/// Axioms on standard input end here, in bytes.
const MOST_AXIOMS: u64 = 1 << 20;

/// Derive theorems: into the ledger within the nightly limits, or exhaustively without a database
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-derive", about)]
pub struct Cli {
    /// A named system (docs/systems.md lists them), formulas with commas between them, or `-` to read formulas from
    /// standard input [default: DERIVE_AXIOMS]
    #[arg(long, value_name = "SYSTEM", global = true)]
    pub axioms: Option<String>,
    /// Let `[]A` follow from A (the modal systems do so by themselves), K times in a row at most
    #[arg(long, global = true, value_name = "K", num_args = 0..=1, value_parser = clap::value_parser!(u32).range(1..))]
    pub necessitation: Option<Option<u32>>,
    /// The mode without a ledger.
    #[command(flatten)]
    pub exhaustive: exhaustive::args::Args,
    /// Steps at most [default: DERIVE_STEPS]
    #[arg(long, value_name = "N", conflicts_with = "no_ledger", value_parser = plan::limit(), help_heading = "Nightly")]
    pub steps: Option<u32>,
    /// Height of proofs at most; axioms have 0 [default: DERIVE_DEPTH_MAX]
    #[arg(long, value_name = "N", conflicts_with = "no_ledger", value_parser = plan::limit(), help_heading = "Nightly")]
    pub depth_max: Option<u32>,
    /// New statements of one step at most [default: DERIVE_MAX_BREADTH]
    #[arg(long, value_name = "N", conflicts_with = "no_ledger", value_parser = plan::limit(), help_heading = "Nightly")]
    pub max_breadth: Option<u32>,
    /// New statements of the run at most [default: DERIVE_MAX_TOTAL]
    #[arg(long, value_name = "N", conflicts_with = "no_ledger", value_parser = plan::limit(), help_heading = "Nightly")]
    pub max_total: Option<u32>,
    /// Write the theorems with their proofs as databases and files for other checkers
    #[arg(long, value_enum, value_name = "FORMAT", value_delimiter = ',')]
    pub emit: Vec<emit::Format>,
    /// Folder for --emit [default: EXPORTS_DIR]
    #[arg(long, value_name = "DIR", requires = "emit")]
    pub emit_dir: Option<PathBuf>,
    /// Something else than deriving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
    /// What standard input holds, once looked at.
    #[arg(skip)]
    pub given: OnceCell<Given>,
}

/// What can be done with theorems that are there already. Each has its flags and its work in a file of its own.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Write the theorems on standard input (D-proofs, one a line, or statements) as a Metamath database, a Lean project, TPTP problems
    Emit(emit::Args),
    /// Print a proof for people, step by step, with the substitutions
    Explain(explain::Args),
    /// Find the shortest proof of a formula, or of something more general, in a store of all that has short proofs
    Find(find::Args),
    /// Put the parts of a length together, which `shard` has done
    Merge(shard::Merge),
    /// Do a part of a length of a store, for machines that share its folder
    Shard(shard::Shard),
    /// Shorten the proofs on standard input (D-proofs, one a line, or statements): shorter known ones take the place of their parts
    Shorten(shorten::Args),
    /// Do and merge parts beside other workers, one length after the other; leases go through Redis where REDIS_URL is set
    Work(shard::Work),
}

impl Tool for Cli {
    const NAME: &'static str = "ml-derive";
    const OUTPUTS: &'static [Output] = &[Output::Raw];
    const AFTER: After = After::Ok;
    const LOCK: Option<&'static str> = Some("ml-derive");

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        match self.command {
            Some(Command::Emit(_) | Command::Shorten(_)) => return self.given().input(),
            Some(Command::Explain(ref args)) => return args.input(),
            Some(Command::Merge(_) | Command::Shard(_) | Command::Work(_)) => return InputUse::OnRequest,
            Some(Command::Find(ref args)) => return args.input(|| self.given().input()),
            None => {}
        }
        // Then it holds formulas.
        if self.axioms.as_deref() == Some("-") { InputUse::OnRequest } else { InputUse::Optional }
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        match &self.command {
            Some(Command::Merge(args)) => return args.planned_id().into_iter().collect(),
            Some(Command::Shard(args)) => return args.planned_id().into_iter().collect(),
            _ => {}
        }
        let ids: &[&str] = if self.needs_ledger() { &["stock", "block", "queue"] } else { &[] };
        let formats = match &self.command {
            Some(Command::Emit(args)) => &args.formats,
            _ => &self.emit,
        };
        ids.iter().map(|id| (*id).to_owned()).chain(emit::planned_ids(formats)).collect()
    }

    fn lock(&self) -> Option<&'static str> {
        Self::LOCK.filter(|_| self.needs_ledger())
    }

    fn see(&mut self, record: &Record, _stage: &Stage) -> Result<()> {
        match &mut self.command {
            Some(Command::Emit(args)) => args.statements.take(record, |_| true),
            Some(Command::Explain(args)) => args.see(record),
            Some(Command::Find(args)) => args.statements.take(record, |_| true),
            Some(Command::Shorten(args)) => args.statements.take(record, |_| true),
            Some(Command::Merge(_) | Command::Shard(_) | Command::Work(_)) | None => {}
        }
        Ok(())
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        self.without_stray_flags()?;
        match &self.command {
            Some(Command::Emit(args)) => return emit::act(self, args, stage),
            Some(Command::Explain(args)) => return explain::act(self, args, stage),
            Some(Command::Find(args)) => return find::act(self, args, stage),
            Some(Command::Merge(args)) => return shard::merge(self, args, stage),
            Some(Command::Shard(args)) => return shard::shard(self, args, stage),
            Some(Command::Shorten(args)) => return shorten::act(self, args, stage),
            Some(Command::Work(args)) => return shard::work(self, args, stage),
            None => {}
        }
        let system = self.system(stage)?;
        match self.exhaustive.max_length {
            Some(max_length) => exhaustive::act(self, &system, usize::from(max_length), stage),
            None => nightly::act(&system, &plan::budget(self, &stage.settings)?, &self.wish(), stage),
        }
    }

    fn target(&self, stage: &Stage) -> Result<Option<pg::Target>> {
        if self.needs_ledger() { stage.target().map(Some) } else { Ok(None) }
    }
}

impl Cli {
    /// What is to be written out beside the derivation.
    pub fn wish(&self) -> Wish {
        Wish { formats: self.emit.clone(), dir: self.emit_dir.clone() }
    }

    /// How often necessitation may follow itself; `None` for any number of times.
    pub fn necessitation_row(&self) -> Option<u32> {
        self.necessitation.flatten()
    }

    /// Whether this call derives into the ledger.
    fn needs_ledger(&self) -> bool {
        !self.exhaustive.no_ledger && self.command.is_none()
    }

    /// What standard input holds.
    pub fn given(&self) -> Given {
        *self.given.get_or_init(|| Given::look(&self.common))
    }

    /// Flags of a derivation mean nothing to a command.
    fn without_stray_flags(&self) -> Result<()> {
        let derives = self.exhaustive.no_ledger
            || !self.emit.is_empty()
            || [self.steps, self.depth_max, self.max_breadth, self.max_total].iter().any(Option::is_some);
        if self.command.is_some() && derives {
            return Err(Failure::new(Class::Usage, "a command derives nothing, and flags of a derivation stand before it")
                .hint("leave them out; --help of the command says what it takes"));
        }
        Ok(())
    }

    /// The proofs on standard input, whichever way they came.
    ///
    /// # Errors
    /// Class Usage or Config when there are none, or they or the axioms make no sense.
    pub fn claims(&self, statements: &Statements, stage: &Stage) -> Result<Claims> {
        self.without_axioms_on_stdin()?;
        let claims = match self.given() {
            Given::Nothing => None,
            Given::Lines => {
                let system = self.system(stage)?;
                Some(Claims { system, claims: given::read_lines(std::io::stdin().lock(), "")?, without: 0 })
            }
            Given::Records => {
                let asked = self.axioms.as_ref().map(|_| self.system(stage)).transpose()?;
                Some(statements.claims(asked.as_ref(), || self.system(stage), self.necessitation.is_some())?)
            }
        };
        claims.filter(|claims| !claims.claims.is_empty() || claims.without > 0).ok_or_else(|| {
            Failure::new(Class::Usage, "there are no proofs on standard input")
                .hint("give D-proofs, one a line, or statements: ml-export statements -o - | ml-derive ...")
        })
    }

    /// Commands have another use for standard input.
    ///
    /// # Errors
    /// Class Usage.
    pub fn without_axioms_on_stdin(&self) -> Result<()> {
        if self.axioms.as_deref() == Some("-") {
            return Err(Failure::new(Class::Usage, "--axioms - and proofs both come on standard input").hint("write the axioms out"));
        }
        Ok(())
    }

    /// The axiom system of this call.
    ///
    /// # Errors
    /// Class Usage or Config for axioms that make no sense.
    pub fn system(&self, stage: &Stage) -> Result<ml_logic::System> {
        match self.axioms.as_deref() {
            None => axioms::system(stage.settings.text("DERIVE_AXIOMS"), self.necessitation.is_some(), Class::Config),
            Some("-") if self.common.input.as_deref().is_some_and(|input| input.as_os_str() == "-") => {
                Err(Failure::new(Class::Usage, "--axioms - and --input - both read standard input").hint("name a file for one of them"))
            }
            Some("-") => {
                let mut text = String::new();
                let read = std::io::stdin().take(MOST_AXIOMS).read_to_string(&mut text);
                read.map_err(|error| Failure::new(Class::Usage, format!("reading axioms from standard input: {error}")))?;
                axioms::system(&text, self.necessitation.is_some(), Class::Usage)
            }
            Some(text) => axioms::system(text, self.necessitation.is_some(), Class::Usage),
        }
    }
}
