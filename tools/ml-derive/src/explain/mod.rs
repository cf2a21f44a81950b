//! The command `explain`: a proof for people. This file finds the proof; [`text`] puts it into words.

mod text;

use crate::axioms;
use crate::cli::Cli;
use crate::given::Statements;
use ml_common::people::counted;
use ml_common::people::printable;
use ml_common::pg;
use ml_common::record::{Map, Record, Step};
use ml_common::stage::{Done, InputUse, Output, Stage};
use ml_common::{Class, Failure, Result, Status};
use ml_ledger::statements::{Stored, beginning_with};
use ml_ledger::{Shape, proof_term};
use ml_logic::emit::Development;
use ml_logic::{DProof, Error, Formula, Library, Limits, System, hash, is_instance};

/// Statements with hashes that begin alike are named, at most so many.
const TOLD: usize = 5;

/// Symbols of a proof that are shown of it.
const SHOWN: usize = 200;

/// What people may be shown: nobody reads more.
const LIMITS: Limits = Limits { max_symbols: 1 << 18, max_work: 1 << 22 };

/// `ml-derive explain`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Hash of a statement, or its beginning, among the statements on standard input or else in the ledger
    #[arg(value_name = "HASH", required_unless_present = "proof")]
    pub hash: Option<String>,
    /// A D-proof instead
    #[arg(long, value_name = "DPROOF", conflicts_with = "hash")]
    pub proof: Option<String>,
    /// What the stream has told.
    #[arg(skip)]
    pub statements: Statements,
}

/// What is to be explained.
struct Subject {
    system: System,
    proof: DProof,
    /// What it should prove.
    claimed: Option<Formula>,
}

impl Args {
    /// When standard input is read.
    pub fn input(&self) -> InputUse {
        if self.proof.is_some() { InputUse::OnRequest } else { InputUse::MayBeEmpty }
    }

    /// Keeps the statement that is asked for.
    pub fn see(&mut self, record: &Record) {
        let Some(hash) = self.hash.as_ref().map(|hash| hash.to_ascii_lowercase()) else { return };
        self.statements.take(record, |statement| statement.hash.starts_with(&hash));
    }

    /// The beginning of the hash that is asked for.
    fn beginning(&self) -> Result<String> {
        let hash = self.hash.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
        if hash.is_empty() || hash.len() > 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let shown: String = printable(&hash).chars().take(80).collect();
            return Err(Failure::new(Class::Usage, format!("'{shown}' is no hash of a statement"))
                .hint("give the 64 hex digits, or the first of them; --proof takes a D-proof"));
        }
        Ok(hash)
    }
}

/// The command.
pub fn act(cli: &Cli, args: &Args, stage: &Stage) -> Result<Done> {
    let subject = match &args.proof {
        Some(text) => {
            let proof = DProof::parse(text.trim())
                .map_err(|error| Failure::new(Class::Usage, format!("no D-proof: {error}")).hint("proofs are written like DD211"))?;
            cli.without_axioms_on_stdin()?;
            Subject { system: cli.system(stage)?, proof, claimed: None }
        }
        None => {
            let hash = args.beginning()?;
            cli.without_axioms_on_stdin()?;
            let asked = cli.axioms.as_ref().map(|_| cli.system(stage)).transpose()?;
            if args.statements.seen() > 0 {
                among_statements(&args.statements, &hash, asked, cli, stage)?
            } else {
                in_the_ledger(&hash, asked, stage)?
            }
        }
    };
    let mut library = Library::new(subject.system, LIMITS);
    let line = library.add_proof(&subject.proof).map_err(|error| failure(error, library.system()))?;
    let proved = library.line(line).formula.clone();
    if let Some(claimed) = subject.claimed.filter(|claimed| !is_instance(&proved, claimed)) {
        return Err(Failure::new(Class::General, format!("the proof on record proves another statement: {proved} and not {claimed}"))
            .hint("what wrote it is at fault: ml-export statements -o - | ml-check checks all of them"));
    }
    let development = Development::new(&library, &[line], &LIMITS).map_err(|error| failure(error, library.system()))?;
    let lines = text::lines(&development, &proved).map_err(|error| failure(error, library.system()))?;
    let found = library.line(line);
    let said = if found.length as usize > SHOWN { String::new() } else { format!(" {}", subject.proof) };
    let head = format!(
        "{}\n{}\nproof{said}: {} of D-notation, height {}, {}\n",
        text::shown(&proved),
        hash::statement(&proved),
        counted(found.length, "symbol"),
        found.height,
        counted(lines.len() as u64, "line")
    );
    if stage.out().mode() == Output::Records {
        lines.iter().for_each(|line| stage.step(Status::Ok, record(line)));
    } else {
        stage.out().text(&format!("{head}\n{}", text::text(&lines)));
    }
    Ok(Done::ok(format!("{proved} is proved in {}", counted(lines.len() as u64, "line")))
        .metric("lines", lines.len())
        .metric("proof_length", found.length)
        .metric("depth", found.height))
}

fn record(line: &text::Line) -> Step {
    let mut labels =
        Map::from([("statement".into(), line.formula.to_string().into()), ("hash".into(), hash::statement(&line.formula).into())]);
    for (name, instance) in ["major", "minor"].into_iter().zip(line.by.instances()) {
        labels.insert(format!("{name}_substitution"), instance.words().into());
    }
    let mut metrics = Map::new();
    for (name, instance) in ["major", "minor"].into_iter().zip(line.by.instances()) {
        metrics.insert(name.into(), instance.number.into());
    }
    if let text::By::Necessitation(number) = line.by {
        metrics.insert("premise".into(), number.into());
    }
    let summary = format!("{}, {}", line.formula, line.by.words());
    Step { id: format!("line-{}", line.number), summary, labels, metrics, ..Step::default() }
}

/// The statement of the stream with that hash.
fn among_statements(statements: &Statements, hash: &str, asked: Option<System>, cli: &Cli, stage: &Stage) -> Result<Subject> {
    let mut found = statements.kept();
    // Of the same statement, a proof is better than none, and a short one better than a long one.
    found.sort_by_key(|(statement, _)| (statement.hash.clone(), statement.proof.as_ref().map_or(usize::MAX, String::len)));
    found.dedup_by(|next, first| next.0.hash == first.0.hash);
    let named: Vec<(&str, &str)> = found.iter().map(|(statement, _)| (statement.hash.as_str(), statement.statement.as_str())).collect();
    only_one(&named, hash, &format!("among the {} statements on standard input", statements.seen()))?;
    let (statement, axioms) = found[0];
    let text = statement.proof.as_deref().ok_or_else(|| {
        Failure::new(Class::General, format!("{} came without a proof", printable(&statement.statement)))
            .hint("proofs of more than 64 KiB are left out of records; without a stream, explain reads the ledger")
    })?;
    let system = match (asked, axioms) {
        (Some(asked), axioms) => same_axioms(asked, axioms)?,
        (None, []) => cli.system(stage)?,
        (None, axioms) => axioms::system(&axioms.join(","), text.contains('N'), Class::General)?,
    };
    let proof = DProof::parse(text).map_err(|error| no_proof(&statement.statement, &error.to_string()))?;
    Ok(Subject { system, proof, claimed: Some(formula(&statement.statement)?) })
}

/// The statement of the ledger with that hash.
fn in_the_ledger(hash: &str, asked: Option<System>, stage: &Stage) -> Result<Subject> {
    let target = stage.target()?;
    let mut client = target.connect(&pg::Options { read_only: true, ..stage.pg_options()? })?;
    let canceller = pg::canceller(&client, &target);
    let _hook = stage.cancel.when_set(canceller);
    let told = |failure| stage.cancel.check().err().unwrap_or(failure);
    let shape = Shape::discover(&mut client).map_err(told)?;
    shape.require_ledger()?;
    let found = beginning_with(&mut client, &shape, hash, TOLD as u32 + 1).map_err(told)?;
    let named: Vec<(&str, &str)> = found.iter().map(|stored| (stored.hash.as_str(), stored.canonical.as_str())).collect();
    only_one(&named, hash, "in the ledger")?;
    let stored = &found[0];
    let claimed = formula(&stored.canonical)?;
    let term = stored.proof_term.as_deref().and_then(proof_term::decode);
    let Some(term) = term else {
        return if stored.is_axiom { an_axiom(claimed) } else { Err(without_proof(stored)) };
    };
    let axioms: Vec<String> = term.axioms.iter().map(ToString::to_string).collect();
    let system = match asked {
        Some(asked) => same_axioms(asked, &axioms)?,
        None => axioms::system(&axioms.join(","), term.proof.uses_necessitation(), Class::General)?,
    };
    Ok(Subject { system, proof: term.proof, claimed: Some(claimed) })
}

/// An axiom proves itself.
fn an_axiom(claimed: Formula) -> Result<Subject> {
    let wrong = |error: Error| Failure::new(Class::Internal, format!("the axiom {claimed} cannot be explained: {error}"));
    let system = System::new("axiom", vec![claimed.clone()], false, &Limits::default()).map_err(wrong)?;
    Ok(Subject { system, proof: DProof::parse("1").map_err(wrong)?, claimed: Some(claimed) })
}

fn without_proof(stored: &Stored) -> Failure {
    let statement = printable(&stored.canonical).into_owned();
    if !stored.is_claimed() {
        let status = stored.status.as_deref().unwrap_or("unknown");
        return Failure::new(Class::General, format!("{statement} is no theorem: its status is {}", printable(status)))
            .hint("only what is proven has a proof");
    }
    match (&stored.proof_term, &stored.prover) {
        (None, _) => Failure::new(Class::General, format!("the ledger holds no proof of {statement}"))
            .hint("explain needs a proof by condensed detachment, as ml-derive records it"),
        (Some(_), prover) => {
            let by = prover.as_deref().map(|prover| format!(" by {}", printable(prover))).unwrap_or_default();
            Failure::new(Class::General, format!("the proof{by} of {statement} is not in D-notation"))
                .hint("explain knows proofs by condensed detachment, as ml-derive records them")
        }
    }
}

/// Exactly one is found.
fn only_one(found: &[(&str, &str)], hash: &str, place: &str) -> Result<()> {
    match found {
        [_] => Ok(()),
        [] => Err(Failure::new(Class::General, format!("no statement with a hash {hash}... is {place}"))
            .hint("ml-export statements -o - lists all with their hashes")),
        many => {
            let shown = many.iter().take(TOLD).map(|(hash, text)| {
                let hash: String = printable(hash).chars().take(16).collect();
                let text: String = printable(text).chars().take(80).collect();
                format!("{hash} {text}")
            });
            let more = if many.len() > TOLD { ", and more" } else { "" };
            let shown: Vec<String> = shown.collect();
            Err(Failure::new(Class::Usage, format!("several statements with a hash {hash}... are {place}: {}{more}", shown.join(", ")))
                .hint("give more digits of the hash"))
        }
    }
}

/// The axioms that were asked for, which have to be those of the proof.
fn same_axioms(asked: System, axioms: &[String]) -> Result<System> {
    let expected: Vec<String> = asked.axioms.iter().map(ToString::to_string).collect();
    if axioms.is_empty() || axioms == expected {
        return Ok(asked);
    }
    Err(Failure::new(Class::General, format!("the proof on record is from other axioms: {}", printable(&axioms.join(", "))))
        .hint("leave --axioms out: the proof says its own"))
}

fn formula(text: &str) -> Result<Formula> {
    text.parse().map_err(|error| {
        Failure::new(Class::General, format!("the statement on record is no formula: {error}")).hint("look at who wrote it")
    })
}

fn no_proof(statement: &str, error: &str) -> Failure {
    Failure::new(Class::General, format!("what came as the proof of {} is none: {error}", printable(statement)))
        .hint("proofs are in D-notation: DD211")
}

/// A proof that proves nothing, or too much to look at.
fn failure(error: Error, system: &System) -> Failure {
    let axioms: Vec<String> = system.axioms.iter().map(ToString::to_string).collect();
    match error {
        Error::Limit { .. } => Failure::new(Class::General, format!("the proof is too large: {error}")).hint("explain a part of it"),
        error => Failure::new(Class::General, format!("the proof proves nothing: {error}"))
            .hint(format!("the axioms are {}; --axioms names others", axioms.join(", "))),
    }
}
