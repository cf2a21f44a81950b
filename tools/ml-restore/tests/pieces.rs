//! Loading inside tables from the pieces that the manifest names.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{Sample, sample};
use ml_tests::Cluster;

const BIG: &str = "CREATE TABLE big (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text, b numeric, c text GENERATED ALWAYS AS (upper(a)) STORED);
    INSERT INTO big (a, b) SELECT md5(i::text) || repeat('x', i % 100), i / 7.0 FROM generate_series(1, 120000) i;
    CREATE TABLE wide (id int, t text); INSERT INTO wide SELECT i, string_agg(md5(i::text || j), E'\\t\\n\\\\') FROM generate_series(1, 300) i, generate_series(1, 400) j GROUP BY i;
    CREATE TABLE parent (k int, h text) PARTITION BY LIST (k); CREATE TABLE one PARTITION OF parent FOR VALUES IN (1); CREATE TABLE rest PARTITION OF parent DEFAULT;
    INSERT INTO parent SELECT i % 3, i::text FROM generate_series(1, 5000) i;
    CREATE TABLE zero (); INSERT INTO zero DEFAULT VALUES; CREATE TABLE empty (a int); SELECT lo_from_bytea(0, '\\x616263');
    CREATE TABLE refers (id bigint REFERENCES big); INSERT INTO refers SELECT id FROM big LIMIT 1000; CREATE INDEX ON big (a);
    CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM big;";

fn big(hint: &str, settings: &[(&str, &str)]) -> Sample {
    let db = Cluster::shared().database(hint);
    db.client().batch_execute(BIG).unwrap();
    sample(db, settings)
}

#[test]
fn pieces_are_loaded_side_by_side() {
    for (hint, compression) in [("pieces", "true"), ("pieces_stored", "false")] {
        let sample = big(hint, &[("BACKUP_COMPRESSION", compression)]);
        for jobs in ["2", "5"] {
            let out = sample.drill(&sample.dump).args(["--jobs", jobs]).run().expect_code(0);
            let load = out.record("step", "load");
            assert!(load["summary"].as_str().unwrap().contains("sessions inside tables"), "{load}");
            for id in ["verify.counts", "verify.fingerprints", "verify.sequences", "verify.indexes", "verify.constraints"] {
                assert_eq!(out.record("check", id)["status"], "ok", "{}", out.stdout);
            }
        }
        let out = sample.drill(&sample.dump).args(["--jobs", "1"]).run().expect_code(0);
        assert_eq!(out.record("step", "load")["reason"], "--jobs is 1");
        assert_eq!(sample.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn in_place_of_a_database_too() {
    let sample = big("pieces_swap", &[]);
    sample.db.client().batch_execute("TRUNCATE big CASCADE").unwrap();
    let out = sample.restore().arg(&sample.dump).args(["--target", sample.db.name(), "--force", "--jobs", "3"]).run().expect_code(0);
    assert!(out.record("step", "load")["summary"].as_str().unwrap().contains("sessions inside tables"));
    let count: i64 = sample.db.client().query_one("SELECT count(*) FROM big", &[]).unwrap().get(0);
    assert_eq!(count, 120_000);
    sample.restore().args(["--drop-old", sample.db.name(), "--force"]).run().expect_code(0);
}

#[test]
fn a_piece_that_is_not_the_manifests_is_refused() {
    let sample = big("pieces_bad", &[]);
    sample.change_manifest(|manifest| manifest.data.get_mut("public.big").unwrap().segments[0].sha256 = "0".repeat(64));
    let out = sample.drill(&sample.dump).args(["--jobs", "2"]).run().expect_code(4);
    assert!(out.stderr.contains("public.big") && out.stderr.contains("other bytes than its manifest says"), "{}", out.stderr);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}

#[test]
fn everything_that_a_dump_has_to_understand() {
    let db = Cluster::shared().database("torture");
    ml_tests::torture::torture(&mut db.superuser(), 20_000);
    let superuser = db.url_as("postgres", Cluster::shared().password());
    let sample = sample(db, &[("DATABASE_URL", &superuser)]);
    let root = tempfile::Builder::new().prefix("mlc").tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(root.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let private = format!("--cluster={}", root.path().display());
    for args in [&["--jobs", "1"][..], &["--jobs", "3"], &["--jobs", "3", &private]] {
        let out = sample.drill(&sample.dump).env("DATABASE_URL", &superuser).args(args).run().expect_code(0);
        for id in ["verify.counts", "verify.fingerprints", "verify.sequences", "verify.indexes", "verify.constraints"] {
            assert_eq!(out.record("check", id)["status"], "ok", "{}", out.stdout);
        }
        let load = out.record("step", "load");
        assert!(args[1] == "3" || load["reason"] == "--jobs is 1", "{load}");
    }
    // The same by plain SQL, as stock pg_dump writes it.
    let plain = sample.folder.path().join("x.sql");
    ml_tests::Tool::foreign(Cluster::shared().bin().join("pg_dump")).arg("-f").arg(&plain).arg(&superuser).run().expect_code(0);
    let out = sample.drill(&plain).env("DATABASE_URL", &superuser).run().expect_code(1);
    assert_eq!(out.record("check", "verify.counts")["status"], "ok", "{}", out.stdout);
}
