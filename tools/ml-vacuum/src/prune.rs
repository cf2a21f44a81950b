//! Removing failed proofs: oldest first, a short transaction for each batch, and never a row that somebody else holds.

use crate::sessions::{self, AGAINST_DELETE, Holder};
use ml_common::record::{Map, Step};
use ml_common::stage::Stage;
use ml_common::{Failure, Result, Status, pg};
use ml_ledger::Shape;
use ml_ledger::shape::quote;
use postgres::types::ToSql;
use postgres::{Client, Transaction};
use std::time::{Duration, Instant};

/// Keys that are looked up at a time: each look may read the whole table, and each key costs some 100 bytes.
const KEYS: i64 = 50_000;

/// After so many batches in a row that could not get their locks, the rest waits for the next night.
const GIVE_UP: u64 = 3;

/// The longest pause between two batches; usually it is as long as the batch took.
const PAUSE: Duration = Duration::from_secs(1);

/// A table whose rows go with the proofs that they refer to.
struct Cascade {
    name: String,
    sql: String,
    column: String,
}

/// The queries, made for this ledger.
pub struct Pruner<'a> {
    stage: &'a Stage,
    shape: &'a Shape,
    days: u64,
    batch: usize,
    /// Name of the primary key's column.
    key: &'a str,
    key_type: &'a str,
    cutoff: String,
    cascades: Vec<Cascade>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Proofs removed.
    pub rows: u64,
    batches: u64,
    with_them: Vec<(String, u64)>,
    /// Failed proofs past their time that are still there.
    pub left: u64,
    holder: Option<Holder>,
}

impl<'a> Pruner<'a> {
    /// Looks up the cutoff by the server's clock, and what refers to proofs.
    ///
    /// # Errors
    /// Class Database.
    pub fn new(client: &mut Client, stage: &'a Stage, shape: &'a Shape, days: u64, batch: u32) -> Result<Pruner<'a>> {
        let failed = |error| pg::failure(&error, "preparing to prune");
        let key = shape.tables.get("proofs").and_then(|table| table.primary_key.first()).map_or("id", String::as_str);
        let key_type = shape.column("proofs", key).map_or("text", |column| column.type_name.as_str());
        let since = i64::try_from(days).unwrap_or(i64::MAX);
        let cutoff = "SELECT (now() - $1::bigint * interval '24 hours')::text";
        let cutoff = client.query_one(cutoff, &[&since]).and_then(|row| row.try_get(0)).map_err(failed)?;
        let cascades = "SELECT n.nspname::text, r.relname::text, a.attname::text FROM pg_catalog.pg_constraint c
            JOIN pg_catalog.pg_class r ON r.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            WHERE c.contype = 'f' AND c.confdeltype = 'c' AND c.conparentid = 0 AND c.confrelid = $1::text::pg_catalog.regclass ORDER BY 2, 3";
        let cascades = client.query(cascades, &[&shape.sql("proofs")]).map_err(failed)?;
        let cascade = |row: &postgres::Row| {
            let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let sql = format!("{}.{}", quote(&schema), quote(&name));
            Ok(Cascade { name, sql, column: quote(&row.try_get::<_, String>(2)?) })
        };
        let cascades = cascades.iter().map(cascade).collect::<std::result::Result<_, _>>().map_err(failed)?;
        Ok(Pruner { stage, shape, days, batch: batch as usize, key, key_type, cutoff, cascades })
    }

    /// Rows of `p` that failed and are past their time; the cutoff is parameter 1. A row without a time never is.
    fn doomed(&self) -> String {
        format!(
            "{} IN ('failure', 'timeout') AND p.created_at < {}",
            self.shape.outcome("p"),
            self.shape.cast("proofs", "created_at", "$1")
        )
    }

    /// Parameter `n`, an array of keys as text, as an array of the key's type.
    fn keys(&self, n: u8) -> String {
        format!("${n}::text[]::{}[]", self.key_type)
    }

    /// How many would go.
    ///
    /// # Errors
    /// Class Database.
    pub fn count(&self, client: &mut Client) -> Result<Pruned> {
        let failed = |error| pg::failure(&error, "counting the failed proofs");
        let (proofs, doomed, key) = (self.shape.sql("proofs"), self.doomed(), quote(self.key));
        let mut number = |sql: &str| -> Result<u64> {
            let count: i64 = client.query_one(sql, &[&self.cutoff]).and_then(|row| row.try_get(0)).map_err(failed)?;
            Ok(count.unsigned_abs())
        };
        let rows = number(&format!("SELECT count(*) FROM {proofs} p WHERE {doomed}"))?;
        let mut pruned = Pruned { rows, ..Pruned::default() };
        for cascade in &self.cascades {
            let sql = format!("SELECT count(*) FROM {} c JOIN {proofs} p ON p.{key} = c.{} WHERE {doomed}", cascade.sql, cascade.column);
            pruned.with_them.push((cascade.name.clone(), number(&sql)?));
        }
        Ok(pruned)
    }

    /// Removes them. What was removed when it failed is told, too.
    pub fn prune(&self, client: &mut Client) -> (Pruned, Option<Failure>) {
        let mut pruned = Pruned { with_them: self.cascades.iter().map(|cascade| (cascade.name.clone(), 0)).collect(), ..Pruned::default() };
        let failure = self.batches(client, &mut pruned).err().map(|failure| self.stage.cancel.check().err().unwrap_or(failure));
        if failure.is_some() {
            return (pruned, failure);
        }
        let failure = self.left(client, &mut pruned).err();
        (pruned, failure)
    }

    fn batches(&self, client: &mut Client, pruned: &mut Pruned) -> Result<()> {
        let mut last: Option<(String, String)> = None;
        let mut refused = 0;
        loop {
            let keys = self.look_up(client, last.as_ref())?;
            let Some((created, key)) = keys.last() else { return Ok(()) };
            last = Some((created.clone(), key.clone()));
            for batch in keys.chunks(self.batch) {
                self.stage.cancel.check()?;
                let began = Instant::now();
                let keys: Vec<&str> = batch.iter().map(|(_, key)| key.as_str()).collect();
                match self.remove(client, &keys, pruned) {
                    Ok(()) => refused = 0,
                    Err(error) if is_in_the_way(&error) => {
                        refused += 1;
                        pruned.holder = self.holder(client)?;
                        if refused == GIVE_UP {
                            return Ok(());
                        }
                    }
                    Err(error) => return Err(pg::failure(&error, "pruning failed proofs")),
                }
                self.stage.cancel.sleep(began.elapsed().min(PAUSE))?;
            }
        }
    }

    /// The next keys, oldest first, after the last one.
    fn look_up(&self, client: &mut Client, last: Option<&(String, String)>) -> Result<Vec<(String, String)>> {
        let key = quote(self.key);
        let mut sql = format!("SELECT p.created_at::text, p.{key}::text FROM {} p WHERE {}", self.shape.sql("proofs"), self.doomed());
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&self.cutoff];
        if let Some((created, id)) = last {
            let (created_sql, id_sql) = (self.shape.cast("proofs", "created_at", "$2"), self.shape.cast("proofs", self.key, "$3"));
            sql.push_str(&format!(" AND (p.created_at, p.{key}) > ({created_sql}, {id_sql})"));
            parameters.extend([created as &(dyn ToSql + Sync), id]);
        }
        sql.push_str(&format!(" ORDER BY p.created_at, p.{key} LIMIT {KEYS}"));
        let failed = |error| pg::failure(&error, "looking up the failed proofs");
        let rows = client.query(&sql, &parameters).map_err(failed)?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, postgres::Error>>().map_err(failed)
    }

    /// One short transaction. The condition is asked again under the lock: a proof may have succeeded in the meantime.
    fn remove(&self, client: &mut Client, keys: &[&str], pruned: &mut Pruned) -> Result<(), postgres::Error> {
        let mut tx = client.transaction()?;
        let (proofs, key) = (self.shape.sql("proofs"), quote(self.key));
        let lock = format!(
            "SELECT p.{key}::text FROM {proofs} p WHERE p.{key} = ANY({}) AND {} FOR UPDATE SKIP LOCKED",
            self.keys(2),
            self.doomed()
        );
        let rows = tx.query(&lock, &[&self.cutoff, &keys])?;
        let locked: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let with_them = self.with(&mut tx, &locked)?;
        let rows = tx.execute(&format!("DELETE FROM {proofs} p WHERE p.{key} = ANY({})", self.keys(1)), &[&locked])?;
        tx.commit()?;
        pruned.rows += rows;
        pruned.batches += 1;
        for ((_, sum), count) in pruned.with_them.iter_mut().zip(with_them) {
            *sum += count;
        }
        Ok(())
    }

    /// How many rows of other tables go with these proofs. Nobody can add one: their proofs are locked.
    fn with(&self, tx: &mut Transaction<'_>, locked: &[String]) -> Result<Vec<u64>, postgres::Error> {
        let count = |cascade: &Cascade| {
            let sql = format!("SELECT count(*) FROM {} c WHERE c.{} = ANY({})", cascade.sql, cascade.column, self.keys(1));
            tx.query_one(&sql, &[&locked]).and_then(|row| row.try_get::<_, i64>(0)).map(i64::unsigned_abs)
        };
        self.cascades.iter().map(count).collect()
    }

    fn left(&self, client: &mut Client, pruned: &mut Pruned) -> Result<()> {
        pruned.left = self.count(client)?.rows;
        if pruned.left > 0 && pruned.holder.is_none() {
            pruned.holder = self.holder(client)?;
        }
        Ok(())
    }

    fn holder(&self, client: &mut Client) -> Result<Option<Holder>> {
        let names: Vec<&str> = self.cascades.iter().map(|cascade| cascade.sql.as_str()).collect();
        let tables = "SELECT $1::text::pg_catalog.regclass::oid UNION SELECT t::pg_catalog.regclass::oid FROM unnest($2::text[]) t";
        let failed = |error| pg::failure(&error, "looking for who holds the proofs");
        let rows = client.query(tables, &[&self.shape.sql("proofs"), &names]).map_err(failed)?;
        let oids: Vec<u32> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)?;
        sessions::holder(client, &oids, AGAINST_DELETE)
    }

    /// The step that tells it.
    pub fn step(&self, pruned: &Pruned, failure: Option<&Failure>) -> (Status, Step) {
        let mut metrics = Map::from([("days".to_owned(), self.days.into())]);
        if !self.stage.dry_run {
            metrics.extend([("batches".to_owned(), pruned.batches.into()), ("left".to_owned(), pruned.left.into())]);
        }
        metrics.extend(pruned.with_them.iter().map(|(table, rows)| (format!("cascade_{table}"), (*rows).into())));
        let with_them: Vec<String> = pruned.with_them.iter().map(|(table, rows)| format!(", with {rows} rows of {table}")).collect();
        let verb = if self.stage.dry_run { "would be removed" } else { "removed" };
        let mut step = Step {
            id: "prune.proofs".into(),
            rows: Some(pruned.rows),
            summary: format!("{} failed proofs older than {} days {verb}{}", pruned.rows, self.days, with_them.concat()),
            metrics,
            ..Step::default()
        };
        step.labels.insert("cutoff".into(), self.cutoff.as_str().into());
        if let Some(failure) = failure {
            (step.reason, step.hint) = (Some(failure.message.clone()), failure.hint.clone());
            step.error_class = Some(failure.class.name().into());
            return (Status::Crit, step);
        }
        if pruned.left == 0 || self.stage.dry_run {
            return (Status::Ok, step);
        }
        let holder = pruned.holder.clone().unwrap_or_else(Holder::unknown);
        step.summary.push_str(&format!("; {} stayed, held by {}", pruned.left, holder.who));
        step.reason = Some(format!("{} rows were locked by {}", pruned.left, holder.who));
        step.hint = Some(holder.hint);
        (Status::Warn, step)
    }
}

/// The lock was not to be had in time, or taking it would have been a deadlock.
fn is_in_the_way(error: &postgres::Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code(), "55P03" | "40P01"))
}

/// Whether this role may do it: DELETE, and UPDATE for locking the rows.
///
/// # Errors
/// Class Database.
pub fn permitted(client: &mut Client, shape: &Shape) -> Result<bool> {
    let sql = "SELECT bool_and(pg_catalog.has_table_privilege($1::text, privilege)) FROM unnest(ARRAY['SELECT', 'UPDATE', 'DELETE']) AS privilege";
    let row = client.query_one(sql, &[&shape.sql("proofs")]);
    row.and_then(|row| row.try_get(0)).map_err(|error| pg::failure(&error, "asking for the rights on proofs"))
}
