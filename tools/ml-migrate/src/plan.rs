//! What the database is, and what each migration comes to: pure decisions over what was observed.

use crate::catalog::{Extension, Observed};
use crate::migrations::{MIGRATIONS, Migration, PREFIX};
use ml_common::{Class, Failure};
use ml_ledger::Generation;

/// gen_random_uuid without an extension, trusted extensions.
const OLDEST_SERVER: i32 = 130_000;

/// Who made the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreatedBy {
    /// ml-migrate: `schema_migrations` has entries of ours.
    Ours,
    /// MathLedger's own migrations: a ledger, but no entry of ours.
    MathLedger,
    /// Somebody else: not empty, and no ledger.
    Unknown,
    /// Nobody: there is nothing.
    Empty,
}

impl CreatedBy {
    /// The word in the record.
    pub fn name(self) -> &'static str {
        match self {
            CreatedBy::Ours => "ours",
            CreatedBy::MathLedger => "mathledger",
            CreatedBy::Unknown => "unknown",
            CreatedBy::Empty => "empty",
        }
    }
}

/// What `up` does about one migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Apply it.
    Apply,
    /// It was applied at this time.
    Applied(String),
    /// The tables are not ours to change.
    NotOurs,
    /// It is optional, and the role may not; reason and remedy.
    Lacking(String, String),
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Who made the tables.
    pub created_by: CreatedBy,
    /// Which ledger they make.
    pub generation: Generation,
    /// All migrations in order.
    pub steps: Vec<(&'static Migration, Todo)>,
    /// How the ledger differs from one that this program made, for people.
    pub differences: Vec<String>,
    /// Why nothing may be built on the database, nor changed in it.
    pub refusal: Option<Failure>,
    /// A ledger is there, with its base theory.
    pub usable: bool,
}

impl Plan {
    /// The migrations that `up` would apply.
    pub fn pending(&self) -> usize {
        self.steps.iter().filter(|(_, todo)| *todo == Todo::Apply).count()
    }

    /// The migrations that are in.
    pub fn applied(&self) -> usize {
        self.steps.iter().filter(|(_, todo)| matches!(todo, Todo::Applied(_))).count()
    }

    /// The reason and the remedy of the first migration that a right is missing for.
    pub fn lacking(&self) -> Option<(&str, &str)> {
        self.steps.iter().find_map(|(_, todo)| match todo {
            Todo::Lacking(reason, hint) => Some((reason.as_str(), hint.as_str())),
            _ => None,
        })
    }

    /// What the database is, in a sentence for people.
    pub fn summary(&self) -> String {
        let ledger = format!("a ledger of the {} generation", self.generation.name());
        let text = match (self.created_by, &self.refusal, self.pending()) {
            (_, Some(refusal), _) => return refusal.message.clone(),
            (CreatedBy::Empty, ..) => "the database is empty".to_owned(),
            (CreatedBy::Ours, None, 0) => format!("{ledger} with {} migrations", self.applied()),
            (CreatedBy::Ours, None, 1) => format!("{ledger}; 1 migration is pending"),
            (CreatedBy::Ours, None, pending) => format!("{ledger}; {pending} migrations are pending"),
            _ => format!("{ledger}, made by MathLedger's own migrations"),
        };
        match self.differences.as_slice() {
            [] => text,
            [one] => format!("{text}; it differs: {one}"),
            [first, rest @ ..] => format!("{text}; it differs: {first}, and {} more", rest.len()),
        }
    }
}

/// Decides.
pub fn plan(observed: &Observed) -> Plan {
    let created_by = match observed {
        Observed { applied, .. } if !applied.is_empty() => CreatedBy::Ours,
        Observed { generation: Generation::First | Generation::Second, .. } => CreatedBy::MathLedger,
        Observed { relations, .. } if relations.is_empty() => CreatedBy::Empty,
        _ => CreatedBy::Unknown,
    };
    let steps: Vec<_> = MIGRATIONS.iter().map(|migration| (migration, todo(observed, created_by, migration))).collect();
    let refusal = refusal(observed, created_by);
    let usable = refusal.is_none() && observed.generation != Generation::NotALedger && observed.base_theory;
    Plan { created_by, generation: observed.generation, steps, differences: differences(observed, created_by), refusal, usable }
}

fn todo(observed: &Observed, created_by: CreatedBy, migration: &Migration) -> Todo {
    match (created_by, observed.applied.get(migration.name)) {
        (_, Some(at)) => Todo::Applied(at.clone()),
        (CreatedBy::MathLedger | CreatedBy::Unknown, None) => Todo::NotOurs,
        (CreatedBy::Ours | CreatedBy::Empty, None) => {
            let lacking = migration.extensions.iter().find_map(|name| lacking(observed, name));
            lacking.map_or(Todo::Apply, |(reason, hint)| Todo::Lacking(reason, hint))
        }
    }
}

fn lacking(observed: &Observed, name: &str) -> Option<(String, String)> {
    match observed.extensions.get(name)? {
        Extension::Created | Extension::Creatable => None,
        Extension::Forbidden => Some((
            format!("the role {} may not create the extension {name}", observed.role),
            format!(
                "let a superuser run CREATE EXTENSION {name} in this database, then run ml-migrate up again; the tools work without it"
            ),
        )),
        Extension::Absent => Some((
            format!("the server does not have the extension {name}"),
            "install the server's contrib package (postgresql-contrib), then run ml-migrate up again; the tools work without it".to_owned(),
        )),
    }
}

/// Why the database is neither to be used nor to be changed.
fn refusal(observed: &Observed, created_by: CreatedBy) -> Option<Failure> {
    let refused = |message: String, hint: &str| Some(Failure::new(Class::Database, message).hint(hint));
    match created_by {
        CreatedBy::Empty => None,
        CreatedBy::Unknown => refused(
            format!("the database is not empty and not a ledger: it holds {}", observed.relations.join(", ")),
            "correct DATABASE_URL, or make a database of its own for the ledger (createdb)",
        ),
        CreatedBy::MathLedger if !observed.base_theory => refused(
            "the ledger's tables are there, but not its base theory Propositional".to_owned(),
            "it is half made or half restored: run MathLedger's own migrations, or restore it again",
        ),
        CreatedBy::MathLedger => None,
        CreatedBy::Ours => {
            let newer = observed.applied.keys().find(|name| MIGRATIONS.iter().all(|migration| migration.name != name.as_str()));
            if let Some(name) = newer {
                return refused(
                    format!("the ledger is newer than this program: it has the migration {PREFIX}{name}"),
                    "use the version of the tools that upgraded it, or a later one",
                );
            }
            let broken = |what: String| {
                refused(format!("{what}, although schema_migrations says it was made"), "restore the ledger from a backup (ml-restore)")
            };
            let skipped = MIGRATIONS
                .windows(2)
                .find(|pair| !observed.applied.contains_key(pair[0].name) && observed.applied.contains_key(pair[1].name));
            match (skipped, observed.missing.first()) {
                (Some([one, other]), _) if other.extensions.is_empty() => refused(
                    format!("schema_migrations has {} but not {} before it", other.version(), one.version()),
                    "restore schema_migrations from a backup, or add the entry if its tables are there",
                ),
                (_, Some(missing)) => broken(format!("{missing} is missing")),
                _ if observed.applied.contains_key("0002_base_theory") && !observed.base_theory => {
                    broken("the base theory Propositional is missing".to_owned())
                }
                _ => None,
            }
        }
    }
}

/// Why `up` cannot apply what is pending.
pub fn cannot_apply(observed: &Observed) -> Option<Failure> {
    if observed.server < OLDEST_SERVER {
        let version = format!("{}.{}", observed.server / 10_000, observed.server % 10_000);
        return Some(
            Failure::new(Class::Database, format!("the server is PostgreSQL {version}, and the ledger needs 13 or later"))
                .hint("upgrade the server"),
        );
    }
    let Some(schema) = &observed.schema else {
        return Some(
            Failure::new(Class::Database, "no schema of the search_path exists")
                .hint("create one (CREATE SCHEMA public), or set the role's search_path"),
        );
    };
    (!observed.may_create).then(|| {
        let message = format!("the role {} may not create tables in schema {schema}", observed.role);
        Failure::new(Class::Database, message)
            .hint(format!("GRANT CREATE ON SCHEMA {schema} TO {}, or connect as the database's owner", observed.role))
    })
}

fn differences(observed: &Observed, created_by: CreatedBy) -> Vec<String> {
    if !matches!(created_by, CreatedBy::MathLedger | CreatedBy::Ours) || observed.generation == Generation::NotALedger {
        return Vec::new();
    }
    let mut differences: Vec<String> = Vec::new();
    if observed.generation == Generation::First {
        differences.push("ml-derive cannot write into the first generation".to_owned());
    }
    differences.extend(observed.missing.iter().map(|name| format!("{name} is missing")));
    differences
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
