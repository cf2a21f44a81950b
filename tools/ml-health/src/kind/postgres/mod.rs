//! A PostgreSQL server, as profiles ask for it: everything over one read-only session a probe, no statement longer than its look.
//!
//! A view is a constant that the manual is made from, a query, and a pure function from its rows to a sample. What the role may not see is
//! said as such ([`Sample::hidden`]): a role without pg_monitor sees other sessions as if they did nothing.

mod activity;
mod counters;
mod horizon;
mod query;
mod schema;
mod sequences;
mod session;
mod settings;
mod statements;
mod tables;
mod wal;

#[cfg(all(test, unix))]
mod tests;

use super::{Args, Kind, Look, Opening, Param, ParamKind, Probe, Sample, Unseen};
use crate::server::Held;
use ml_common::{Result, pg};
use session::{Session, Trouble};

/// So many offending rows travel with a sample.
const EVIDENCE: usize = 10;

/// What to grant for the statistics of others.
const GRANT_STATS: &str = "GRANT pg_read_all_stats (or pg_monitor) to the role";

/// `kind = "postgres"`.
pub static KIND: Kind = Kind {
    name: "postgres",
    doc: "A PostgreSQL server (12 or later), over one read-only session for all checks of the probe. Grant its role pg_monitor: what a role may \
          not see is skipped, with `privilege`, and never ok.",
    params: &[
        Param {
            name: "url",
            kind: ParamKind::Url,
            required: false,
            default: None,
            doc: "A URL or `key=value` words, as psql takes them. Without it DATABASE_URL, and without that PGHOST and the like.",
        },
        Param { name: "database", kind: ParamKind::Text, required: false, default: None, doc: "Another database of the same server." },
    ],
    views: &[
        counters::CONNECT,
        activity::CONNECTIONS,
        activity::LONG_QUERIES,
        activity::IDLE_TRANSACTIONS,
        horizon::XMIN,
        horizon::FREEZE,
        wal::REPLICATION,
        wal::SLOTS,
        wal::ARCHIVER,
        counters::CACHE,
        counters::DEADLOCKS,
        counters::SIZE,
        tables::DEAD_ROWS,
        tables::SIZES,
        schema::PRIMARY_KEYS,
        schema::INVALID_INDEXES,
        schema::REQUIRED_TABLES,
        schema::MIGRATIONS,
        sequences::SEQUENCES,
        statements::SLOW_STATEMENTS,
        settings::SETTINGS,
        query::QUERY,
    ],
    open,
};

/// A parameter of a view that need not be given.
const fn optional(name: &'static str, kind: ParamKind, default: Option<&'static str>, doc: &'static str) -> Param {
    Param { name, kind, required: false, default, doc }
}

fn open(args: &Args, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let url = args.text("url").or_else(|| opening.settings.get("DATABASE_URL"));
    let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let target = pg::Target::resolve(url, &|name| variable(name).or_else(|| opening.settings.get(name).map(str::to_owned)))?;
    let target = args.text("database").map_or(target.clone(), |name| target.with_database(name));
    Ok(Box::new(Server { session: Session::new(target, opening.application) }))
}

struct Server {
    session: Session,
}

impl Probe for Server {
    fn server(&self) -> Option<crate::server::Server> {
        Some(self.session.server())
    }

    fn release(&mut self) -> Option<Held> {
        self.session.release()
    }

    fn adopt(&mut self, held: Held) {
        self.session.adopt(held);
    }

    fn take(&mut self, view: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        self.session.look(look, |db, look| match view {
            "connect" => counters::connect(db),
            "connections" => activity::connections(db),
            "long-queries" => activity::long_queries(db, args),
            "idle-transactions" => activity::idle_transactions(db, args),
            "xmin" => horizon::xmin(db),
            "freeze" => horizon::freeze(db),
            "replication" => wal::replication(db),
            "slots" => wal::slots(db),
            "archiver" => wal::archiver(db),
            "cache" => counters::cache(db, args),
            "deadlocks" => counters::deadlocks(db, args),
            "size" => counters::size(db),
            "dead-rows" => tables::dead_rows(db, args),
            "tables" => tables::sizes(db),
            "primary-keys" => schema::primary_keys(db, args),
            "invalid-indexes" => schema::invalid_indexes(db),
            "required-tables" => schema::required_tables(db, args),
            "migrations" => schema::migrations(db, args),
            "sequences" => sequences::sequences(db),
            "slow-statements" => statements::slow_statements(db, args, look),
            "settings" => settings::settings(db, args),
            "query" => query::query(db, args),
            _ => Err(Trouble::internal(format!("there is no view {view}"))),
        })
    }
}
