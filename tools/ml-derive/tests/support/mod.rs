//! Ledgers to derive into.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "test code, of which each test program uses a part")]

pub mod parts;
pub mod store;

use ml_common::signal::Cancel;
use ml_ledger::chain::verify_chain;
use ml_ledger::reprove::{Report, reprove};
use ml_ledger::{Sample, Shape};
use ml_tests::{Cluster, Output, RedisServer, TestDb, Tool, ledger};
use postgres::Client;
use serde_json::Value;

/// A ledger as ml-migrate leaves it: tables and the base theory.
pub fn empty(hint: &str) -> TestDb {
    let db = Cluster::shared().database(hint);
    let mut client = db.client();
    ledger::second_generation(&mut client);
    client.batch_execute("TRUNCATE statements, proofs, dependencies, proof_parents, runs, blocks, lemma_cache, axioms CASCADE").unwrap();
    db
}

/// A small night, without a queue.
pub fn derive(db: &TestDb, args: &[&str]) -> Tool {
    Tool::new("ml-derive")
        .env("DATABASE_URL", db.url())
        .args(["--no-input", "--steps", "20", "--max-breadth", "40", "--max-total", "100"])
        .args(args)
}

/// The same with jobs on this queue, which may hold so many.
pub fn derive_and_queue(db: &TestDb, redis: &RedisServer, most: u64) -> Tool {
    derive(db, &[]).env("REDIS_URL", redis.url()).env("QUEUE_MAX", most.to_string())
}

pub fn number(client: &mut Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).unwrap().get(0)
}

pub fn count(db: &TestDb, table: &str) -> i64 {
    number(&mut db.client(), &format!("SELECT count(*) FROM {table}"))
}

/// Every row of the ledger's tables, as text in a fixed order.
pub fn rows(db: &TestDb) -> Vec<String> {
    let mut client = db.client();
    let tables = ["theories", "statements", "proofs", "dependencies", "proof_parents", "runs", "blocks", "lemma_cache", "axioms"];
    let mut rows = Vec::new();
    for table in tables {
        let found = client.query(&format!("SELECT '{table}' || t::text FROM {table} t ORDER BY 1"), &[]).unwrap();
        rows.extend(found.iter().map(|row| row.get::<_, String>(0)));
    }
    rows
}

pub fn metric(record: &Value, name: &str) -> i64 {
    record["metrics"][name].as_i64().unwrap_or_else(|| panic!("no metric {name} in {record}"))
}

/// Proves everything again, and checks the chain.
pub fn verify(db: &TestDb) -> Report {
    let mut client = db.client();
    let shape = Shape::discover(&mut client).unwrap();
    let chain = verify_chain(&mut client, &shape, &Cancel::default()).unwrap();
    assert!(chain.is_intact(), "{:?}", chain.problems);
    let report = reprove(&mut client, &shape, Sample::All, &Cancel::default()).unwrap();
    assert_eq!((report.failures, report.undecided), (0, 0), "{:?}", report.failed);
    report
}

/// What every night that went well leaves in the record.
pub fn night(output: &Output) -> (i64, &str) {
    (metric(output.end(), "new_statements"), output.end()["labels"]["stop"].as_str().unwrap())
}
