//! Backups of real databases: what is written is what there was.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{backup, dumps, ledger, manifest, names};
use ml_tests::{Cluster, TempDir, Tool};
use std::path::Path;

/// Restores with stock pg_restore and gives the counts of some tables.
fn restored(dump: &Path, queries: &[&str]) -> Vec<i64> {
    let cluster = Cluster::shared();
    let db = cluster.database("stock");
    let restore = Tool::foreign(cluster.bin().join("pg_restore")).args(["--exit-on-error", "--no-owner", "-d"]).arg(db.url()).arg(dump);
    restore.run().expect_code(0);
    let mut client = db.client();
    queries.iter().map(|sql| client.query_one(*sql, &[]).unwrap().get(0)).collect()
}

#[test]
fn a_ledger_of_the_second_generation() {
    let (db, folder) = (ledger("second"), TempDir::new().unwrap());
    let out = backup(&db.url(), folder.path()).run().expect_code(0);
    assert_eq!(out.stderr, "");
    let dump = &dumps(folder.path())[0];
    let step = out.record("step", "dump");
    assert_eq!(step["path"], dump.to_str().unwrap());
    assert_eq!(step["status"], "ok");
    let manifest = manifest(dump);
    assert_eq!(manifest["sha256"], step["sha256"]);
    assert_eq!(manifest["bytes"], std::fs::metadata(dump).unwrap().len());
    assert_eq!(manifest["tables"]["public.statements"], 7);
    assert_eq!(manifest["tables"]["public.blocks"], 2);
    assert_eq!(manifest["database"], db.name());
    assert_eq!(manifest["properties"]["owner"], "ml");
    assert_eq!(manifest["compression"], "gzip");
    assert_eq!(manifest["rows"], step["rows"]);
    assert!(manifest["lsn"].as_str().unwrap().contains('/') && manifest["snapshot"].as_str().unwrap().contains('-'));
    assert_eq!(out.record("step", "verify")["rows"], step["rows"]);
    let name = dump.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("mathledger-20") && name.len() == "mathledger-20250108-020000.dump".len(), "{name}");
    assert_eq!(names(folder.path()).len(), 4, "the dump, its manifest, its globals, and the pointer to it");
    assert_eq!(restored(dump, &["SELECT count(*) FROM statements", "SELECT count(*) FROM proofs WHERE success"]), [7, 3]);
    assert!(out.end()["summary"].as_str().unwrap().contains("verified"));
}

#[test]
fn a_ledger_of_the_first_generation_and_without_compression() {
    let (db, folder) = (Cluster::shared().database("first"), TempDir::new().unwrap());
    ml_tests::ledger::first_generation(&mut db.client());
    let out = backup(&db.url(), folder.path()).env("BACKUP_COMPRESSION", "false").env("SYSTEM", "other-one").run().expect_code(0);
    let dump = &dumps(folder.path())[0];
    assert!(dump.file_name().unwrap().to_str().unwrap().starts_with("other-one-"));
    assert_eq!(manifest(dump)["compression"], "none");
    assert_eq!(out.record("step", "dump")["system"], "other-one");
    let bytes = std::fs::read(dump).unwrap();
    assert!(bytes.windows(5).any(|window| window == b"DD211"), "the rows are in plain sight");
    assert_eq!(restored(dump, &["SELECT count(*) FROM statements"]), [7]);
}

/// Names and rows that a careless reader would stumble over.
const ODD: &str = r#"
    CREATE SCHEMA "Sch ema"; CREATE SCHEMA "s""q";
    CREATE TABLE "Sch ema"."Ta ""ble" ("A b" int, "c;d" bytea, e text);
    INSERT INTO "Sch ema"."Ta ""ble" SELECT i, decode(repeat('00ff0a0d5c', i), 'hex'), E'a\nb\\.' FROM generate_series(1, 50) i;
    INSERT INTO "Sch ema"."Ta ""ble" VALUES (NULL, NULL, NULL), (0, '', '\.'), (0, '', E'\\\\.'), (0, '', E'\n'), (0, '', '');
    CREATE TABLE "s""q"."größe" (a text); INSERT INTO "s""q"."größe" VALUES ('\.'), ('');
    CREATE TABLE "new
line; COPY x FROM stdin;" (a int); INSERT INTO "new
line; COPY x FROM stdin;" VALUES (1), (2);
    CREATE TABLE empty (a int);
    CREATE TABLE zero (); INSERT INTO zero DEFAULT VALUES; INSERT INTO zero DEFAULT VALUES; INSERT INTO zero DEFAULT VALUES;
    CREATE TABLE made (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c int GENERATED ALWAYS AS IDENTITY); INSERT INTO made (a) VALUES (1);
    CREATE TABLE parent (a int) PARTITION BY RANGE (a); CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (9);
    INSERT INTO parent VALUES (1), (2);
    CREATE TABLE base (a int); CREATE TABLE heir () INHERITS (base); INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2), (3);
    CREATE UNLOGGED TABLE fast (a int); INSERT INTO fast VALUES (1);
    CREATE VIEW seen AS SELECT 1 AS a; CREATE MATERIALIZED VIEW kept AS SELECT generate_series(1, 5) AS a;
    CREATE FUNCTION trap() RETURNS text LANGUAGE sql AS $$ SELECT 'COPY public.empty (a) FROM stdin;
1
\.
'::text $$;
    SELECT lo_from_bytea(0, '\x00ff'), lo_from_bytea(0, ''), lo_from_bytea(0, decode(repeat('ab', 100000), 'hex'));
"#;

#[test]
fn odd_names_and_rows() {
    let (db, folder) = (Cluster::shared().database("odd"), TempDir::new().unwrap());
    db.client().batch_execute(ODD).unwrap();
    for compression in ["true", "false"] {
        let out = backup(&db.url(), folder.path()).env("BACKUP_COMPRESSION", compression).run().expect_code(0);
        let dump = out.record("step", "dump")["path"].as_str().unwrap().to_owned();
        let manifest = manifest(Path::new(&dump));
        let expected = serde_json::json!({
            "\"Sch ema\".\"Ta \"\"ble\"": 55, "\"s\"\"q\".\"größe\"": 2, "public.\"new\nline; COPY x FROM stdin;\"": 2, "public.empty": 0,
            "public.zero": 3, "public.made": 1, "public.child": 2, "public.base": 1, "public.heir": 2, "public.fast": 1
        });
        assert_eq!(manifest["tables"], expected);
        assert_eq!(manifest["large_objects"], 3);
        assert_eq!(restored(Path::new(&dump), &["SELECT count(*) FROM \"Sch ema\".\"Ta \"\"ble\"", "SELECT count(*) FROM zero"]), [55, 3]);
    }
}

#[test]
fn a_database_with_another_encoding_and_a_name_that_needs_quotes() {
    let (cluster, folder) = (Cluster::shared(), TempDir::new().unwrap());
    let name = format!("Odd name='x' {}", std::process::id());
    let mut superuser = cluster.superuser("postgres");
    superuser.batch_execute(&format!("CREATE DATABASE \"{name}\" OWNER ml TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")).unwrap();
    let mut client = cluster.superuser(&name);
    client.batch_execute("CREATE TABLE \"größe\" (a text); INSERT INTO \"größe\" VALUES ('ü')").unwrap();
    drop(client);
    let url = format!(
        "host=127.0.0.1 port={} user=postgres password={} dbname='{}'",
        cluster.port(),
        cluster.password(),
        name.replace('\'', "\\'")
    );
    let out = backup(&url, folder.path()).run();
    superuser.batch_execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).unwrap();
    let out = out.expect_code(0);
    let manifest = manifest(Path::new(out.record("step", "dump")["path"].as_str().unwrap()));
    assert_eq!(manifest["tables"]["public.\"größe\""], 1);
    assert_eq!((manifest["properties"]["encoding"].as_str(), manifest["database"].as_str()), (Some("LATIN1"), Some(name.as_str())));
}

#[test]
fn a_role_that_may_only_read() {
    let (db, folder) = (ledger("readonly"), TempDir::new().unwrap());
    let role = db
        .role("reader", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}");
    let url = db.url_as(&role.name, &role.password);
    backup(&url, folder.path()).run().expect_code(0);
    db.superuser().batch_execute(&format!("REVOKE SELECT ON proofs FROM {}", role.name)).unwrap();
    let out = backup(&url, folder.path()).run().expect_code(2);
    assert!(out.stderr.contains("permission denied for table proofs") && out.stderr.contains("hint: "), "{}", out.stderr);
    let missing = db.role("half", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    let out = backup(&db.url_as(&missing.name, &missing.password), folder.path()).run().expect_code(2);
    assert!(out.stderr.contains("permission denied for sequence") && out.stderr.contains("ALL SEQUENCES"), "{}", out.stderr);
    assert_eq!(dumps(folder.path()).len(), 1);
}

#[test]
fn rows_hidden_by_a_policy_are_not_left_out_silently() {
    let (db, folder) = (ledger("rls"), TempDir::new().unwrap());
    let sql = "ALTER TABLE proofs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY own ON proofs USING (success)";
    db.client().batch_execute(sql).unwrap();
    let out = backup(&db.url(), folder.path()).run().expect_code(2);
    assert!(out.stderr.contains("row-level security policy for table \"proofs\""), "{}", out.stderr);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn a_named_file_is_written_there_and_nothing_is_tidied() {
    let (db, folder) = (ledger("named"), TempDir::new().unwrap());
    let old = folder.path().join("mathledger-20200101-000000.dump");
    std::fs::write(&old, "old").unwrap();
    let to = folder.path().join("new/before upgrade.dump");
    let out = backup(&db.url(), folder.path()).arg("-o").arg(&to).run().expect_code(0);
    assert_eq!(out.record("step", "dump")["path"], to.to_str().unwrap());
    assert_eq!(manifest(&to)["file"], "before upgrade.dump");
    assert!(old.exists());
    let out = backup(&db.url(), folder.path()).arg("-o").arg(&to).run().expect_code(4);
    assert!(out.stderr.contains("never replaced"), "{}", out.stderr);
    backup(&db.url(), folder.path()).arg("-o").arg(folder.path()).run().expect_code(64);
    // A relative path starts at the caller's folder, as a person on the command line means it.
    backup(&db.url(), folder.path()).args(["-o", "here.dump"]).cwd(folder.path()).run().expect_code(0);
    assert!(folder.path().join("here.dump.json").exists());
}

#[test]
fn a_dry_run_leaves_no_trace() {
    let (db, folder) = (ledger("dry"), TempDir::new().unwrap());
    let inside = folder.path().join("not/yet");
    let out = backup(&db.url(), &inside).arg("--dry-run").run().expect_code(0);
    assert!(out.record("step", "dump")["path"].as_str().unwrap().starts_with(inside.to_str().unwrap()));
    assert_eq!(names(folder.path()), Vec::<String>::new());
    backup(&db.url(), folder.path()).stdin(r#"{"v":1,"kind":"start","tool":"ml-health","stage":"h","system":"s","run":"r","ts":"2025-01-01T00:00:00.000Z","host":"h","status":"ok","planned_ids":[],"dry_run":true}"#).run();
    assert_eq!(names(folder.path()), Vec::<String>::new(), "a dry stage before makes this one dry");
}
