//! ml-health: one `check` record for everything that a night needs.
//!
//! | id | gate | says |
//! |---|---|---|
//! | settings | | what a person should mend in the settings |
//! | postgres.connect | yes | a session opens, and how long that takes |
//! | postgres.writable | yes | a primary, and the role may write what a derivation writes |
//! | postgres.version | | the server's version |
//! | postgres.size | | bytes of the database |
//! | postgres.connections | | per cent of the connections in use |
//! | postgres.long-queries | | queries that run for more than five minutes |
//! | ledger.schema | yes | the tables are a ledger of a known generation |
//! | ledger.tables | | its tables are there and the role may read them |
//! | ledger.migrations | | what is recorded as applied |
//! | ledger.base-theory | | the theory that all rests on is there |
//! | ledger.statements | | statements, and the depth of the deepest |
//! | ledger.success-rate | | per cent of the proofs that succeeded |
//! | ledger.error-rate | | per cent of the proofs that failed |
//! | ledger.recent-proofs | | proofs of the last hour |
//! | ledger.blocks | | height of the block chain |
//! | ledger.chain | yes | every block seals what it says and names the one before |
//! | redis.ping, redis.memory, redis.queue | | the queue's server, its memory, the jobs that wait |
//! | api.health, api.metrics | | the API answers, in time and in a known form |
//! | api.success-rate, api.queue | | what its metrics say |
//! | disk.exports, disk.backups | yes | free space where exports and backups go |
//! | backup.newest | | the age of the newest good backup |
//! | backup.proven | | the time since a drill last proved one |
//!
//! With a profile (docs/profiles.md) its checks are made, beside these or in their place; a check has further records `ID.trend` and
//! `ID.availability` when it asks for them, advice is `advice.ID`. `state` is told when what earlier runs remembered cannot be used, and
//! `config` is a mistake that `--check-config` found.
//!
//! The gates are what a later stage must not build on when it is critical. All else is told and stops nothing. It reads only: a dry run
//! makes every check as ever.
//!
//! A role that may not write the ledger fails a gate, since no derivation could work with it; a monitoring role leaves it out with
//! `--skip postgres.writable`. What a role may not see is skipped (the statistics of other sessions) or unknown (the ledger's tables), with
//! error_class `privilege`, and never ok. A check that cannot be made is critical where that is the finding (nobody answers), else unknown;
//! what needs it is skipped, with `blocked_by`. A chain too long to be checked in time is unknown and stops nothing.
//!
//! A further check is one entry in the table of its lane (`probe`) and one function; its verdict is a pure function in `verdict`.

mod act;
mod check;
mod cli;
mod junit;
mod kind;
mod lane;
mod limits;
mod nagios;
mod plan;
mod probe;
mod profile;
mod report;
mod schedule;
mod server;
mod textfile;
mod verdict;

pub use cli::Cli;
pub use kind::reference;
