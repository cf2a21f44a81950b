//! Sessions: counted, at work for long, idle in a transaction.

use super::*;
use crate::kind::probing::texts;
use ml_tests::Cluster;
use std::time::Duration;

/// `above` in milliseconds.
fn above(ms: u64) -> (&'static str, Arg) {
    ("above", Arg::Duration(Duration::from_millis(ms)))
}

fn mentions(sample: &Sample, words: &[&str]) -> bool {
    sample.rows.iter().any(|row| words.iter().all(|word| row.contains(word)))
}

#[test]
fn a_long_statement_is_measured_shown_and_may_be_excepted() {
    let db = Cluster::shared().database("long");
    let mut sleeper = db.client();
    sleeper.batch_execute("SET application_name = 'pg_dump nightly'").unwrap();
    let pid: i32 = sleeper.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let sleeping = std::thread::spawn(move || sleeper.batch_execute("SELECT pg_sleep(600), 'secret literal'"));
    let mut probing = monitor(&db);
    let shown = format!("pid {pid},");
    let sample = until(&mut probing, "long-queries", &[above(50)], |sample| mentions(sample, &[&shown]));
    assert!(number(&sample, "longest") >= 0.05 && number(&sample, "count") >= 1.0, "{sample:?}");
    assert!(mentions(&sample, &[&shown, "role ml", "'pg_dump nightly'"]) && !mentions(&sample, &["secret"]), "{sample:?}");
    let without = seen(&mut probing, "long-queries", &[above(50), ("except", texts(&["pg_dump"]))]);
    assert!(!mentions(&without, &[&shown]), "{without:?}");
    assert!(!mentions(&seen(&mut probing, "long-queries", &[]), &[&shown]), "five minutes have not passed");
    db.superuser().execute("SELECT pg_terminate_backend($1)", &[&pid]).unwrap();
    assert!(sleeping.join().unwrap().is_err());
}

#[test]
fn an_idle_transaction_is_measured_counted_and_holds_the_horizon() {
    let db = Cluster::shared().database("idle");
    let mut idler = db.client();
    idler.batch_execute("CREATE TABLE t (id int)").unwrap();
    idler.batch_execute("BEGIN; INSERT INTO t VALUES (1)").unwrap();
    let pid: i32 = idler.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let shown = format!("pid {pid},");
    let mut probing = monitor(&db);
    let sample = until(&mut probing, "idle-transactions", &[above(30)], |sample| mentions(sample, &[&shown]));
    assert!(number(&sample, "oldest") >= 0.03 && number(&sample, "transaction") >= number(&sample, "oldest"), "{sample:?}");
    assert!(mentions(&sample, &[&shown, "idle in transaction", "role ml"]), "{sample:?}");
    let mut writer = db.client();
    for _ in 0..30 {
        writer.batch_execute("INSERT INTO t VALUES (2)").unwrap();
    }
    let xmin = seen(&mut probing, "xmin", &[]);
    assert!(number(&xmin, "backend") >= 30.0 && number(&xmin, "age") >= 30.0, "{xmin:?}");
    let connections = seen(&mut probing, "connections", &[]);
    assert!(number(&connections, "idle_in_transaction") >= 1.0 && mentions(&connections, &["role ml"]), "{connections:?}");
    assert!(number(&connections, "used") <= number(&connections, "limit"));
    idler.batch_execute("ROLLBACK").unwrap();
    let after = seen(&mut probing, "idle-transactions", &[above(0)]);
    assert!(!mentions(&after, &[&shown]), "{after:?}");
}

#[test]
fn who_waits_for_a_lock_is_counted() {
    let db = Cluster::shared().database("waits");
    let mut holder = db.client();
    holder.batch_execute("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    holder.batch_execute("BEGIN; LOCK t IN ACCESS EXCLUSIVE MODE").unwrap();
    let mut waiter = db.client();
    let waiting = std::thread::spawn(move || waiter.batch_execute("SELECT * FROM t"));
    let mut probing = monitor(&db);
    until(&mut probing, "connections", &[], |sample| number(sample, "waiting") >= 1.0);
    // A locked table stops nobody who measures the others.
    let sizes = seen(&mut probing, "tables", &[]);
    assert!(number(&sizes, "locked") == 1.0 && !sizes.values.contains_key("total") && mentions(&sizes, &["public.t: locked"]), "{sizes:?}");
    holder.batch_execute("ROLLBACK").unwrap();
    waiting.join().unwrap().unwrap();
    assert!(seen(&mut probing, "tables", &[]).values.contains_key("total"));
}
