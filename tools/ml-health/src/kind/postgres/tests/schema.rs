//! Keys, indexes, sequences, dead rows, migrations.

use super::*;
use crate::kind::probing::texts;
use ml_tests::Cluster;

#[test]
fn tables_without_a_primary_key_are_named_and_may_be_excepted() {
    let db = Cluster::shared().database("keys");
    let sql = "CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE log (line text); CREATE TABLE \"Odd\" (x int UNIQUE);
        CREATE TABLE parted (id int) PARTITION BY LIST (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
        CREATE TABLE keyed (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE keyed_1 PARTITION OF keyed FOR VALUES IN (1);
        CREATE VIEW v AS SELECT 1; CREATE TEMP TABLE passing (x int)";
    let mut client = db.client();
    client.batch_execute(sql).unwrap();
    let mut probing = monitor(&db);
    let sample = seen(&mut probing, "primary-keys", &[]);
    assert_eq!(number(&sample, "count"), 3.0, "{sample:?}");
    let except = [("except", texts(&["log", "public.Odd"]))];
    let sample = seen(&mut probing, "primary-keys", &except);
    assert_eq!((number(&sample, "count"), sample.rows.len()), (1.0, 1));
    assert!(sample.rows[0].starts_with("public.parted: "), "{sample:?}");
}

#[test]
fn an_index_that_a_failed_build_left_is_told() {
    let db = Cluster::shared().database("invalid");
    let mut client = db.client();
    client.batch_execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1)").unwrap();
    let mut probing = monitor(&db);
    assert_eq!(number(&seen(&mut probing, "invalid-indexes", &[]), "count"), 0.0);
    client.execute("CREATE UNIQUE INDEX CONCURRENTLY twice ON t (id)", &[]).unwrap_err();
    for probing in [&mut probing, &mut blind(&db)] {
        let sample = seen(probing, "invalid-indexes", &[]);
        assert_eq!(number(&sample, "count"), 1.0);
        assert!(sample.rows[0].starts_with("public.twice on t: "), "{sample:?}");
    }
}

#[test]
fn an_index_that_is_being_built_is_no_finding() {
    let db = Cluster::shared().database("building");
    db.client().batch_execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").unwrap();
    // The build waits for this transaction, with its index invalid.
    let mut holder = db.client();
    holder.batch_execute("BEGIN; INSERT INTO t VALUES (2)").unwrap();
    let mut builder = db.client();
    let building = std::thread::spawn(move || builder.batch_execute("CREATE INDEX CONCURRENTLY slow ON t (id)"));
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    while db.superuser().query_one(invalid, &[]).unwrap().get::<_, i64>(0) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(number(&seen(&mut monitor(&db), "invalid-indexes", &[]), "count"), 0.0);
    let unseen = blind(&db).take("invalid-indexes", &[]).unwrap_err();
    assert!(matches!(unseen, Unseen::Privilege { .. }), "{unseen:?}");
    holder.batch_execute("COMMIT").unwrap();
    building.join().unwrap().unwrap();
}

#[test]
fn a_sequence_near_its_end_is_told_by_its_column_too() {
    let db = Cluster::shared().database("sequences");
    let sql = "CREATE TABLE a (id bigserial PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE SEQUENCE narrow OWNED BY b.id;
        CREATE SEQUENCE round MAXVALUE 10 CYCLE; CREATE SEQUENCE fresh; CREATE TABLE c (id smallint GENERATED ALWAYS AS IDENTITY);
        SELECT setval('round', 10); SELECT setval('a_id_seq', 1000); SELECT setval('c_id_seq', 16384)";
    db.client().batch_execute(sql).unwrap();
    let mut probing = monitor(&db);
    let sample = seen(&mut probing, "sequences", &[]);
    assert_eq!((number(&sample, "percent"), number(&sample, "count"), number(&sample, "left")), (50.0, 4.0, 16_383.0), "{sample:?}");
    // The sequence goes on to 2^63, the column does not.
    db.client().batch_execute("SELECT setval('narrow', 2147483000)").unwrap();
    let sample = seen(&mut probing, "sequences", &[]);
    assert_eq!((sample.values["sequence"].clone(), number(&sample, "left")), ("public.narrow".into(), 647.0));
    assert!(sample.rows[0].ends_with("fills b.id (integer)"), "{sample:?}");
}

#[test]
fn thousands_of_sequences_do_not_fill_the_table_of_locks() {
    let cluster = Cluster::private_with(ml_tests::boot::bin(), "max_locks_per_transaction = 10\n");
    let db = cluster.database("thousands");
    let all = "SELECT count(pg_sequence_last_value(c.oid)) FROM pg_class c WHERE c.relkind = 'S'";
    let make = |from: i32| format!("DO $$ BEGIN FOR i IN {from}..{from} + 499 LOOP EXECUTE 'CREATE SEQUENCE s' || i; END LOOP; END $$");
    let mut client = db.client();
    (0..20).for_each(|part| client.batch_execute(&make(part * 500)).unwrap());
    client.batch_execute("SELECT setval('s9999', 7e18::bigint)").unwrap();
    let at_once = client.query(all, &[]).unwrap_err();
    assert_eq!(at_once.code().map(postgres::error::SqlState::code), Some("53200"), "more than the server has locks for");
    // The error comes before the locks are given back; the next answer comes after.
    client.batch_execute("SELECT 1").unwrap();
    let sample = seen(&mut monitor(&db), "sequences", &[]);
    assert_eq!((number(&sample, "count"), sample.values["sequence"].clone()), (10_000.0, "public.s9999".into()));
}

#[test]
fn dead_rows_are_those_of_the_worst_table() {
    let db = Cluster::shared().database("dead");
    let sql = "CREATE TABLE few (id int) WITH (autovacuum_enabled = off); CREATE TABLE many (id int) WITH (autovacuum_enabled = off);
        INSERT INTO few SELECT generate_series(1, 20); INSERT INTO many SELECT generate_series(1, 3000)";
    db.client().batch_execute(sql).unwrap();
    db.client().batch_execute("DELETE FROM few WHERE id > 10; DELETE FROM many WHERE id > 1000").unwrap();
    let above = [("above", Arg::Number(100.0))];
    let mut probing = monitor(&db);
    let sample = until(&mut probing, "dead-rows", &above, |sample| number(sample, "total") == 2010.0);
    assert_eq!((number(&sample, "most"), number(&sample, "count")), (2000.0, 1.0), "{sample:?}");
    assert_eq!(sample.values["table"], "public.many".into());
    assert!((60.0..=70.0).contains(&number(&sample, "percent")) && !sample.values.contains_key("vacuum_age"), "{sample:?}");
    db.client().batch_execute("VACUUM many").unwrap();
    db.client().batch_execute("DELETE FROM many WHERE id > 900").unwrap();
    let sample = until(&mut probing, "dead-rows", &above, |sample| number(sample, "most") == 100.0);
    assert!(number(&sample, "vacuum_age") < 3600.0 && number(&sample, "count") == 0.0, "{sample:?}");
}

#[test]
fn a_server_that_counts_nothing_is_a_failure() {
    let db = Cluster::shared().database("uncounted");
    db.superuser().batch_execute(&format!("ALTER DATABASE {} SET track_counts = off", db.name())).unwrap();
    let failure = failed(monitor(&db).take("dead-rows", &[]));
    assert!(failure.message.contains("track_counts is off") && failure.hint.is_some());
}

#[test]
fn required_tables_are_looked_for_by_their_stored_names() {
    let db = Cluster::shared().database("required");
    let sql = "CREATE TABLE epochs (id int); CREATE TABLE \"Proofs\" (id int); CREATE SCHEMA old; CREATE TABLE old.channels (id int);
        CREATE SCHEMA closed; CREATE TABLE closed.locked (id int)";
    db.superuser().batch_execute(sql).unwrap();
    let mut probing = blind(&db);
    let tables = |names: &[&str]| [("tables", texts(names))];
    let all = seen(&mut probing, "required-tables", &tables(&["epochs", "Proofs", "old.channels"]));
    assert_eq!((number(&all, "missing"), number(&all, "present")), (0.0, 3.0), "{all:?}");
    let some = seen(&mut probing, "required-tables", &tables(&["epochs", "proofs", "channels", "old.epochs"]));
    assert_eq!((number(&some, "missing"), some.values["names"].clone()), (2.0, "proofs,old.epochs".into()), "{some:?}");
    assert!(some.hidden.as_deref().is_some_and(|hint| hint.contains("old")), "the blind role may not use the schema: {some:?}");
    let monitored = seen(&mut monitor_of(&db), "required-tables", &tables(&["channels"]));
    assert_eq!(monitored.rows, ["channels: there is one in the schema old, which is not on the search path"]);
}

/// A role that may use every schema.
fn monitor_of(db: &TestDb) -> Probing {
    let role = db.role("user", "GRANT USAGE ON SCHEMA old TO {role}");
    Probing::open(&KIND, &[("url", text(db.url_as(&role.name, &role.password)))])
}

#[test]
fn migrations_are_counted_and_compared() {
    let db = Cluster::shared().database("migrations");
    let mut probing = monitor(&db);
    let expected = [("expected", Arg::Number(12.0))];
    let none = seen(&mut probing, "migrations", &expected);
    assert_eq!((number(&none, "applied"), number(&none, "missing"), none.values["present"].clone()), (0.0, 12.0, false.into()));
    let sql = "CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations SELECT generate_series(1, 11)::text;
        CREATE SCHEMA app; CREATE TABLE app._sqlx_migrations (version int, success bool);
        INSERT INTO app._sqlx_migrations VALUES (1, true), (2, true), (3, false)";
    db.client().batch_execute(sql).unwrap();
    let sample = seen(&mut probing, "migrations", &expected);
    assert_eq!((number(&sample, "applied"), number(&sample, "missing")), (11.0, 1.0));
    let named = [("table", text("app._sqlx_migrations")), ("column", text("success"))];
    let sample = seen(&mut probing, "migrations", &named);
    assert_eq!((number(&sample, "applied"), sample.values.contains_key("missing")), (2.0, false));
    let wrong = failed(probing.take("migrations", &[("column", text("x\" OR true --"))]));
    assert!(wrong.message.contains("has no column"), "{wrong:?}");
}
