//! Ledgers that are well, broken, empty, of either generation, or none at all; roles that may little.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use ml_tests::{Cluster, TestDb, ledger};
use support::{World, all_well, bad, failed_gates, not_ok, status};

fn around(hint: &str, make: impl FnOnce(&TestDb)) -> World {
    let db = Cluster::shared().database(hint);
    make(&db);
    World::around(db)
}

#[test]
fn a_ledger_with_which_nothing_is_wrong_is_ok() {
    let world = World::new("healthy");
    let output = world.run(0);
    assert_eq!(not_ok(&output), Vec::<String>::new());
    assert_eq!(output.end().get("hint"), None);
    let value = |id: &str| output.record("check", id)["value"].clone();
    assert_eq!((value("ledger.statements"), value("ledger.blocks"), value("ledger.success-rate")), (7.into(), 2.into(), 100.0.into()));
    assert_eq!(output.record("check", "ledger.chain")["summary"], "2 blocks are intact");
    assert_eq!(output.record("check", "ledger.migrations")["value"], 4);
}

#[test]
fn the_first_generation_is_a_ledger_too() {
    let world = around("first", |db| {
        ledger::first_generation(&mut db.client());
        all_well(db);
    });
    let output = world.run(0);
    assert_eq!(not_ok(&output), ["ledger.migrations skipped"]);
    assert_eq!(output.record("check", "ledger.schema")["labels"]["generation"], "first");
    assert_eq!(output.record("check", "ledger.statements")["value"], 7);
}

#[test]
fn a_low_success_rate_is_a_warning_and_stops_nothing() {
    for (hint, make) in [("low_1", ledger::first_generation as fn(&mut postgres::Client)), ("low_2", ledger::second_generation)] {
        let world = around(hint, |db| make(&mut db.client()));
        let output = world.run(1);
        assert_eq!(bad(&output), ["ledger.success-rate warn", "ledger.error-rate warn"]);
        let rate = output.record("check", "ledger.success-rate");
        assert_eq!((&rate["value"], &rate["warn"], &rate["unit"]), (&42.86.into(), &"85:".into(), &"%".into()));
        assert_eq!(output.record("check", "ledger.error-rate")["value"], 57.14);
        assert!(failed_gates(&output).is_empty() && status(output.end()) == "warn");
        let lenient = world.tool().env("SUCCESS_RATE_THRESHOLD", "40").env("ERROR_RATE_THRESHOLD", "60").run();
        lenient.expect_code(0);
        world.tool().args(["--fail-on", "crit"]).run().expect_code(0);
    }
}

#[test]
fn a_quiet_hour_is_a_warning_and_stops_nothing() {
    let world = World::new("quiet");
    world.db.client().batch_execute("UPDATE proofs SET created_at = now() - interval '61 minutes'").unwrap();
    let output = world.run(1);
    assert_eq!(bad(&output), ["ledger.recent-proofs warn"]);
    assert!(failed_gates(&output).is_empty());
}

#[test]
fn an_empty_ledger_is_no_alert() {
    let world = World::new("empty");
    world.db.client().batch_execute("TRUNCATE statements, proofs, blocks, runs, dependencies, proof_parents, lemma_cache CASCADE").unwrap();
    let output = world.run(0);
    let skipped = ["ledger.success-rate skipped", "ledger.error-rate skipped", "ledger.recent-proofs skipped"];
    assert_eq!(not_ok(&output), skipped);
}

#[test]
fn a_block_that_was_tampered_with_is_a_critical_gate() {
    for change in [
        "UPDATE blocks SET merkle_root = repeat('0', 64) WHERE block_number = 1",
        "UPDATE blocks SET prev_hash = 'GENESIS' WHERE block_number = 2",
        "UPDATE blocks SET statements = statements - 0 WHERE block_number = 2",
        "DELETE FROM blocks WHERE block_number = 1",
    ] {
        let world = World::new("tampered");
        world.db.client().batch_execute(change).unwrap();
        let output = world.run(5);
        assert_eq!(bad(&output), ["ledger.chain crit"], "{change}");
        assert_eq!(failed_gates(&output), ["ledger.chain"]);
        let chain = output.record("check", "ledger.chain");
        assert!(!chain["evidence"].as_array().unwrap().is_empty(), "{chain}");
    }
}

#[test]
fn a_database_that_is_no_ledger_is_a_critical_gate() {
    for sql in ["", "CREATE TABLE statements (id int, hash text)", "CREATE TABLE customers (id int)"] {
        let world = around("no_ledger", |db| db.client().batch_execute(sql).unwrap());
        let output = world.run(5);
        assert_eq!((bad(&output), failed_gates(&output)), (vec!["ledger.schema crit".to_owned()], vec!["ledger.schema"]), "{sql}");
        assert_eq!(output.record("check", "ledger.chain")["blocked_by"], "ledger.schema");
    }
}

#[test]
fn a_ledger_without_its_base_theory_is_critical() {
    let world = World::new("no_base");
    world.db.client().batch_execute("UPDATE theories SET name = 'Other', slug = 'other'").unwrap();
    assert_eq!(bad(&world.run(5)), ["ledger.base-theory crit"]);
}

#[test]
fn what_is_missing_is_a_warning_that_names_it() {
    let world = World::new("missing");
    world.db.client().batch_execute("DROP TABLE lemma_cache; ALTER TABLE proofs DROP COLUMN kernel_version").unwrap();
    let output = world.run(1);
    assert_eq!(bad(&output), ["ledger.schema warn", "ledger.tables warn"]);
    assert_eq!(output.record("check", "ledger.schema")["evidence"][0], "proofs.kernel_version");
    assert_eq!(output.record("check", "ledger.tables")["evidence"][0], "lemma_cache");
}

#[test]
fn a_role_that_may_only_read_fails_the_gate_and_never_takes_what_it_cannot_see_for_ok() {
    let world = World::new("read_only");
    // A session of another role: what it does is hidden.
    let _other = world.db.client();
    let url = world.db.read_only_url();
    let output = world.tool().env("DATABASE_URL", url).run().expect_code(5);
    world.holds(&output);
    assert_eq!((bad(&output), failed_gates(&output)), (vec!["postgres.writable crit".to_owned()], vec!["postgres.writable"]));
    let hidden = output.record("check", "postgres.long-queries");
    assert_eq!((status(hidden), &hidden["error_class"]), ("skipped", &"privilege".into()));
    assert!(hidden["summary"].as_str().unwrap().starts_with("skipped: privilege"));
}

#[test]
fn pg_monitor_shows_what_is_hidden() {
    let world = World::new("monitor");
    let _other = world.db.client();
    let role = world.db.role("monitor", "GRANT pg_monitor TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    let output = world.tool().env("DATABASE_URL", world.db.url_as(&role.name, &role.password)).run();
    assert_eq!(status(output.record("check", "postgres.long-queries")), "ok");
}

#[test]
fn tables_that_may_not_be_read_are_one_finding() {
    let world = World::new("unreadable");
    let role = world.db.role("blind", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; REVOKE SELECT ON blocks FROM {role}");
    let tool = world.tool().env("DATABASE_URL", world.db.url_as(&role.name, &role.password)).args(["--only", "ledger"]);
    let output = tool.run().expect_code(1);
    world.holds(&output);
    assert_eq!(bad(&output), ["ledger.tables unknown"]);
    assert_eq!(output.record("check", "ledger.tables")["error_class"], "privilege");
    assert_eq!(output.record("check", "ledger.chain")["blocked_by"], "ledger.tables");
}

#[test]
fn read_only_transactions_fail_the_gate_wherever_they_come_from() {
    let world = World::new("ro_default");
    let name = world.db.name();
    world.db.superuser().batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).unwrap();
    assert_eq!(failed_gates(&world.run(5)), ["postgres.writable"]);
}

#[test]
fn a_lock_that_is_not_got_is_unknown_and_the_next_checks_are_made() {
    let world = World::new("locked").with("LOCK_TIMEOUT_MS", "300");
    let mut holder = world.db.client();
    holder.batch_execute("BEGIN; LOCK TABLE proofs IN ACCESS EXCLUSIVE MODE").unwrap();
    let output = world.run(1);
    assert_eq!(bad(&output), ["ledger.statements unknown"]);
    assert_eq!(status(output.record("check", "ledger.chain")), "ok");
}

#[test]
fn a_statement_that_takes_too_long_is_told_as_such() {
    let world = World::new("slow").with("CHECK_DEADLINE_MS", "1500").with("LOCK_TIMEOUT_MS", "100000");
    let mut holder = world.db.client();
    holder.batch_execute("BEGIN; LOCK TABLE blocks IN ACCESS EXCLUSIVE MODE").unwrap();
    let output = world.tool().args(["--only", "ledger"]).run().expect_code(1);
    assert_eq!(bad(&output), ["ledger.statements unknown", "ledger.chain unknown"]);
    for id in ["ledger.statements", "ledger.chain"] {
        assert_eq!(output.record("check", id)["error_class"], "timeout");
    }
}

#[test]
fn it_changes_nothing() {
    let world = World::new("unchanged");
    // Every row of every table with its place and its writer, and where the sequences stand.
    let state = || {
        let mut client = world.db.superuser();
        let tables = "SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
        let sum = |client: &mut postgres::Client, table: &str| {
            let sql = format!("SELECT count(*)::text || ' ' || coalesce(sum(hashtext(t::text || t.ctid || t.xmin)), 0) FROM {table} t");
            format!("{table} {}", client.query_one(&sql, &[]).unwrap().get::<_, String>(0))
        };
        let names: Vec<String> = client.query(tables, &[]).unwrap().iter().map(|row| row.get(0)).collect();
        let rows: Vec<String> = names.iter().map(|name| sum(&mut client, name)).collect();
        let sequences = client.query("SELECT sequencename || ' ' || coalesce(last_value, 0) FROM pg_sequences ORDER BY 1", &[]).unwrap();
        (rows, sequences.iter().map(|row| row.get(0)).collect::<Vec<String>>())
    };
    let before = state();
    assert!(before.0.len() > 10 && before.1.len() > 3, "{before:?}");
    world.run(0);
    assert_eq!(state(), before);
}
