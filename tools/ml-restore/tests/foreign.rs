//! Dumps that ml-backup did not make: of every format that pg_dump has, compressed, as PowerShell redirected them, encrypted; and hostile ones.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{Sample, ledger};
use ml_tests::{Cluster, Tool};
use std::fs;
use std::path::{Path, PathBuf};

const ODD: &str =
    "CREATE TABLE \"odd \"\"'; name\" (a text, b bytea); INSERT INTO \"odd \"\"'; name\" VALUES (E'\\\\.\\n\\t\\\\! x', '\\x00ff');
    CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$ SELECT 'it''s \\! ;' $_$; COMMENT ON FUNCTION f() IS E'a\\\\b''c';
    CREATE VIEW v AS SELECT 'x;\\'::text AS y; SELECT lo_from_bytea(0, '\\x616263'); GRANT SELECT ON statements TO PUBLIC;";

fn pg_dump(sample: &Sample, args: &[&str], to: &Path) {
    let bin = Cluster::shared().bin().join("pg_dump");
    Tool::foreign(bin).args(args).arg("-f").arg(to).arg(sample.db.url()).run().expect_code(0);
}

fn shell(script: &str, folder: &Path) {
    Tool::foreign("sh").args(["-ec", script]).cwd(folder).run().expect_code(0);
}

/// The drill of a dump without manifest: a warning, and everything that could be checked is good.
fn drilled(sample: &Sample, dump: &Path) -> ml_tests::Output {
    let out = sample.drill(dump).run().expect_code(1);
    assert_eq!(out.record("check", "verify.counts")["status"], "ok", "{}", out.stdout);
    assert_eq!(out.record("check", "verify.chain")["status"], "ok");
    assert_eq!(out.record("step", "validate")["status"], "warn");
    assert_eq!(sample.leftovers(), Vec::<String>::new());
    assert!(!PathBuf::from(format!("{}.proof.json", dump.display())).exists());
    out
}

#[test]
fn every_format_of_pg_dump() {
    let sample = ledger("formats");
    sample.db.client().batch_execute(ODD).unwrap();
    let folder = sample.folder.path();
    for (name, args) in [
        ("plain.sql", &["-Fp"][..]),
        ("inserts.sql", &["-Fp", "--inserts"]),
        ("custom.dump", &["-Fc"]),
        ("stored.dump", &["-Fc", "-Z0"]),
        ("tar.tar", &["-Ft"]),
        ("folder", &["-Fd"]),
    ] {
        pg_dump(&sample, args, &folder.join(name));
    }
    shell("gzip -k plain.sql; gzip -k stored.dump; gzip -k tar.tar", folder);
    for name in ["plain.sql", "plain.sql.gz", "custom.dump", "stored.dump.gz", "tar.tar", "tar.tar.gz", "folder", "inserts.sql"] {
        let out = drilled(&sample, &folder.join(name));
        let said = out.record("check", "verify.sequences")["status"].as_str().unwrap().to_owned();
        assert_eq!(said, if name.contains("sql") { "skipped" } else { "ok" }, "{name}");
    }
    // Cut off: found before anything is made, wherever pg_dump says where a dump ends.
    let whole = fs::read(folder.join("plain.sql")).unwrap();
    for part in [1, 3, 5, 8] {
        fs::write(folder.join("cut.sql"), &whole[..whole.len() * part / 9]).unwrap();
        sample.drill(&folder.join("cut.sql")).run().expect_code(4);
    }
    let packed = fs::read(folder.join("plain.sql.gz")).unwrap();
    fs::write(folder.join("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    sample.drill(&folder.join("cut.gz")).run().expect_code(4);
}

#[test]
fn a_plain_dump_in_place_of_a_database() {
    let sample = ledger("plainswap");
    sample.db.client().batch_execute(ODD).unwrap();
    let dump = sample.folder.path().join("x.sql");
    pg_dump(&sample, &["-Fp"], &dump);
    let rows = |sample: &Sample| -> i64 { sample.db.client().query_one("SELECT count(*) FROM \"odd \"\"'; name\"", &[]).unwrap().get(0) };
    sample.db.client().batch_execute("DELETE FROM \"odd \"\"'; name\"").unwrap();
    let out = sample.restore().arg(&dump).args(["--target", sample.db.name(), "--force"]).run().expect_code(1);
    assert_eq!(out.record("step", "swap")["status"], "ok", "{}", out.stderr);
    assert_eq!(out.record("step", "load.rights")["status"], "ok", "{}", out.stdout);
    assert_eq!(rows(&sample), 1);
    let acl: String = sample.db.client().query_one("SELECT relacl::text FROM pg_class WHERE relname = 'statements'", &[]).unwrap().get(0);
    assert!(acl.contains("=r/ml"), "{acl}");
    sample.restore().args(["--drop-old", sample.db.name(), "--force"]).run().expect_code(0);
}

#[test]
fn as_powershell_redirected_it() {
    let sample = ledger("utf16");
    let dump = sample.folder.path().join("x.sql");
    pg_dump(&sample, &["-Fp"], &dump);
    let text = fs::read_to_string(&dump).unwrap().replace('\n', "\r\n");
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    fs::write(&dump, bytes).unwrap();
    let out = drilled(&sample, &dump);
    assert!(out.record("step", "validate")["summary"].as_str().unwrap().contains("PowerShell"));
    fs::write(&dump, text).unwrap();
    drilled(&sample, &dump);
}

#[test]
fn a_hostile_dump_runs_nothing() {
    let sample = ledger("hostile");
    let folder = sample.folder.path();
    let dump = folder.join("x.sql");
    let mark = folder.join("mark");
    for text in [
        format!("\\! touch {}\n", mark.display()),
        format!("SELECT 1 \\! touch {}\n", mark.display()),
        format!("COPY (SELECT 1) TO stdout \\g |touch {}\n", mark.display()),
        // What looks harmless until the server changes how quotes are read.
        format!(
            "SELECT set_config('standard_conforming_strings', 'off', false);\nSELECT 'a\\';\nSELECT ' \n\\! touch {}\n';\n",
            mark.display()
        ),
        "\\connect postgres\n".to_owned(),
        "DROP DATABASE postgres;\n".to_owned(),
    ] {
        fs::write(&dump, format!("CREATE TABLE t (a int);\n{text}")).unwrap();
        let out = sample.drill(&dump).run();
        assert!([2, 4].contains(&out.code), "{text}: {}{}", out.stdout, out.stderr);
        assert!(!mark.exists(), "{text}");
    }
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}

#[test]
fn an_error_of_a_plain_dump_ends_it() {
    let sample = ledger("plainerror");
    let dump = sample.folder.path().join("x.sql");
    fs::write(&dump, "CREATE TABLE t (a int);\nCREATE TABLE t (a int);\nCREATE TABLE u (a int);\n").unwrap();
    let out = sample.drill(&dump).run().expect_code(2);
    assert!(out.stderr.contains("already exists") && out.stderr.contains("psql failed: line "), "{}", out.stderr);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}
