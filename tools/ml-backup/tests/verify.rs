//! `ml-backup verify`: whatever happened to a backup is found, and good ones are good.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{backup, dumps, ledger, manifest};
use ml_tests::{Cluster, Output, TempDir, Tool};
use std::fs;
use std::path::{Path, PathBuf};

/// Verifies with neither server nor programs of PostgreSQL's in reach.
fn verify(folder: &Path, paths: &[&Path]) -> Tool {
    let tool = Tool::new("ml-backup").env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none").env("BACKUP_DIR", folder).arg("verify");
    paths.iter().fold(tool, |tool, path| tool.arg(path))
}

fn beside(dump: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", dump.display()))
}

/// A folder with a backup.
fn backed_up(hint: &str, compression: &str) -> (TempDir, PathBuf) {
    let (db, folder) = (ledger(hint), TempDir::new().unwrap());
    db.client().batch_execute("CREATE TABLE extra AS SELECT i, md5(i::text) AS t FROM generate_series(1, 300) i").unwrap();
    backup(&db.url(), folder.path()).env("BACKUP_COMPRESSION", compression).run().expect_code(0);
    let dump = dumps(folder.path()).pop().unwrap();
    (folder, dump)
}

fn said(out: &Output, id: &str) -> String {
    out.record("step", id)["summary"].as_str().unwrap().to_owned()
}

#[test]
fn a_good_one_is_good_by_name_and_as_the_newest() {
    let (folder, dump) = backed_up("good", "true");
    for paths in [vec![], vec![dump.as_path()]] {
        let out = verify(folder.path(), &paths).run().expect_code(0);
        let step = out.record("step", "verify");
        assert_eq!((step["path"].as_str(), step["status"].as_str()), (dump.to_str(), Some("ok")));
        assert_eq!(step["rows"], manifest(&dump)["rows"]);
        assert_eq!(step["sha256"], manifest(&dump)["sha256"]);
        assert!(step["labels"]["extent"].as_str().unwrap().starts_with("every byte"), "{}", out.stdout);
        for id in ["globals", "latest"] {
            assert_eq!(out.record("step", id)["status"], "ok");
        }
        assert_eq!(out.stderr, "");
    }
    // As `verify backups/*` names them.
    let all: Vec<PathBuf> = ["", ".json", ".globals.sql"].iter().map(|ending| beside(&dump, ending)).collect();
    let all: Vec<&Path> = all.iter().map(PathBuf::as_path).collect();
    let out = verify(folder.path(), &all).run().expect_code(0);
    assert_eq!(out.kind("step").filter(|step| step["id"] == "verify").count(), 1, "{}", out.stdout);
    let planned = verify(folder.path(), &[]).arg("--dry-run").run().expect_code(0);
    assert_eq!(planned.record("step", "verify")["status"], "planned");
    let empty = TempDir::new().unwrap();
    let out = verify(empty.path(), &[]).run().expect_code(4);
    assert!(out.stderr.contains("there is no good backup of mathledger"), "{}", out.stderr);
    let out = verify(folder.path(), &[&empty.path().join("none"), &dump]).run().expect_code(4);
    let statuses: Vec<_> = out.kind("step").filter(|step| step["id"] == "verify").map(|step| step["status"].clone()).collect();
    assert_eq!(statuses, ["crit", "ok"], "one that is not there does not hide the other");
    verify(folder.path(), &[]).env("SYSTEM", "a/b").run().expect_code(78);
    verify(folder.path(), &[]).args(["-o", "x"]).run().expect_code(64);
}

/// Flips a bit of a file, verifies, and flips it back.
fn flipped(folder: &Path, dump: &Path, victim: &Path, bit: usize) -> Output {
    let mut bytes = fs::read(victim).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(victim, &bytes).unwrap();
    let out = verify(folder, &[dump]).run();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(victim, &bytes).unwrap();
    out
}

#[test]
fn every_flipped_bit_is_found() {
    for compression in ["true", "false"] {
        let (folder, dump) = backed_up("flips", compression);
        for victim in [dump.clone(), beside(&dump, ".json"), beside(&dump, ".globals.sql")] {
            let bits = usize::try_from(fs::metadata(&victim).unwrap().len()).unwrap() * 8;
            // Spread over the file, each time at another bit of its byte.
            for i in 0..60 {
                let out = flipped(folder.path(), &dump, &victim, i * (bits / 60) + i % 8);
                assert_eq!(out.code, 4, "{} {i}: {}", victim.display(), out.stdout);
                assert!(out.kind("step").any(|step| step["status"] == "crit"), "{}", out.stdout);
            }
        }
        verify(folder.path(), &[&dump]).run().expect_code(0);
    }
}

#[test]
fn truncation_and_missing_or_swapped_files_are_found() {
    let (folder, dump) = backed_up("swapped", "true");
    let dir = folder.path();
    let whole = fs::read(&dump).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&dump, &whole[..length]).unwrap();
        let out = verify(dir, &[&dump]).run().expect_code(4);
        assert!(said(&out, "verify").contains("it was cut off"), "{}", out.stdout);
    }
    fs::write(&dump, [whole.as_slice(), b"x"].concat()).unwrap();
    verify(dir, &[&dump]).run().expect_code(4);
    fs::write(&dump, &whole).unwrap();
    // Another dump with its manifest, and the manifests in each other's place.
    let (other_folder, other) = backed_up("other", "false");
    fs::copy(beside(&other, ".json"), beside(&dump, ".json.other")).unwrap();
    let own = fs::read(beside(&dump, ".json")).unwrap();
    fs::rename(beside(&dump, ".json.other"), beside(&dump, ".json")).unwrap();
    verify(dir, &[&dump]).run().expect_code(4);
    fs::write(beside(&dump, ".json"), "").unwrap();
    verify(dir, &[&dump]).run().expect_code(4);
    // Without a manifest: as far as it goes, and that is said. The pointer knows that there was one.
    fs::remove_file(beside(&dump, ".json")).unwrap();
    let out = verify(dir, &[&dump]).run().expect_code(4);
    assert!(said(&out, "latest").contains("has no manifest"), "{}", out.stdout);
    assert!(said(&out, "verify").contains("it has no manifest") && out.record("step", "verify")["status"] == "warn", "{}", out.stdout);
    assert!(out.record("step", "verify")["labels"]["extent"].as_str().unwrap().starts_with("read to its end"), "{}", out.stdout);
    // The newest is not there as the pointer says.
    let out = verify(dir, &[]).run().expect_code(4);
    assert!(out.stderr.contains("there is no good backup"), "{}", out.stderr);
    fs::write(beside(&dump, ".json"), own).unwrap();
    // Both renamed: they fit, and it is said.
    let renamed = dir.join("mathledger-20200101-000000.dump");
    for ending in ["", ".json"] {
        fs::copy(beside(&dump, ending), beside(&renamed, ending)).unwrap();
    }
    let out = verify(dir, &[&renamed]).run().expect_code(1);
    assert!(said(&out, "verify").contains("made under another name"), "{}", out.stdout);
    // The pointer's dump is gone, and an older one is there: the pointer is a lie, and the older one good.
    fs::remove_file(&dump).unwrap();
    let out = verify(dir, &[]).run().expect_code(4);
    assert_eq!(out.record("step", "latest")["status"], "crit");
    assert!(said(&out, "latest").contains("is not there"), "{}", out.stdout);
    fs::write(dir.join("mathledger-latest.json"), "{").unwrap();
    let out = verify(dir, &[]).run().expect_code(4);
    assert_eq!(out.record("step", "latest")["status"], "crit");
    // What belongs to it.
    let globals = beside(&other, ".globals.sql");
    fs::remove_file(&globals).unwrap();
    let out = verify(other_folder.path(), &[&other]).run().expect_code(4);
    assert!(out.record("step", "globals")["status"] == "crit" && out.record("step", "verify")["status"] == "ok", "{}", out.stdout);
    let proof = ml_dump::Proof { format: 1, sha256: "ab".repeat(32), proven: "2025-01-01T00:00:00Z".into(), ..ml_dump::Proof::default() };
    proof.write(&other).unwrap();
    let out = verify(other_folder.path(), &[&other]).run().expect_code(4);
    assert_eq!(out.record("step", "proof")["status"], "warn");
}

#[test]
fn a_manifest_that_fits_its_file_but_not_its_rows() {
    let (folder, dump) = backed_up("rows", "true");
    let text = fs::read_to_string(beside(&dump, ".json")).unwrap();
    let mut manifest: ml_dump::Manifest = serde_json::from_str(&text).unwrap();
    manifest.tables.insert("public.extra".into(), 299);
    fs::remove_file(beside(&dump, ".json")).unwrap();
    manifest.write(&dump).unwrap().publish().unwrap();
    let out = verify(folder.path(), &[&dump]).run().expect_code(4);
    assert!(said(&out, "verify").contains("public.extra has 300 rows and should have 299"), "{}", out.stdout);
}

#[test]
fn dumps_of_older_scripts_are_read_as_far_as_they_go() {
    let (db, folder) = (ledger("scripts"), TempDir::new().unwrap());
    let dir = folder.path();
    let bin = Cluster::shared().bin();
    let dump = |name: &str, args: &str| {
        let path = dir.join(name);
        let script = format!("'{}'/pg_dump {args} \"$1\" >\"$2\" || exit 1", bin.display());
        Tool::foreign("bash")
            .args(["-o", "pipefail", "-c", &script.replace("\"$1\"", "-d \"$1\""), "x"])
            .arg(db.url())
            .arg(&path)
            .run()
            .expect_code(0);
        path
    };
    let plain = dump("a.sql", "");
    let pack = |command: &str, from: &Path, name: &str| {
        let path = dir.join(name);
        Tool::foreign("bash").args(["-c", &format!("{command} <\"$1\" >\"$2\""), "x"]).arg(from).arg(&path).run().expect_code(0);
        path
    };
    let packed = pack("gzip", &plain, "a.sql.gz");
    let custom = dump("a.dump", "-Fc");
    let raw = dump("b.dump", "-Fc -Z0");
    let double = pack("gzip", &raw, "b.dump.gz");
    for (path, rows, extent) in [
        (&plain, false, "read to the mark at the end of its SQL; its rows were not counted; bytes that have changed"),
        (&packed, false, "unpacked (gzip) and read to the mark at the end of its SQL; its rows were not counted"),
        (&custom, true, "read to its end, "),
        (&raw, true, "bytes that have changed without breaking its form could not be seen"),
        (&double, true, "unpacked (gzip) and read to its end, "),
    ] {
        let out = verify(dir, &[path]).run().expect_code(1);
        let step = out.record("step", "verify");
        let told = step["labels"]["extent"].as_str().unwrap();
        assert!(told.contains(extent) && step["rows"].is_u64() == rows, "{}: {told}", path.display());
        assert_eq!(told.contains("bytes that have changed"), *path == plain || *path == raw, "{told}");
        let whole = fs::read(path).unwrap();
        for cut in [whole.len() / 2, whole.len() - 20] {
            fs::write(path, &whole[..cut]).unwrap();
            let out = verify(dir, &[path]).run().expect_code(4);
            assert_eq!(out.record("step", "verify")["status"], "crit", "{}", path.display());
        }
    }
    // What only pg_restore reads.
    let tar = dump("c.tar", "-Ft");
    let packed = pack("gzip", &tar, "c.tar.gz");
    let parts = dir.join("parts");
    Tool::foreign(bin.join("pg_dump")).arg("-Fd").arg("-f").arg(&parts).arg("-d").arg(db.url()).run().expect_code(0);
    for (path, extent) in [(&tar, "with pg_restore"), (&parts, "with pg_restore"), (&packed, "its tar file was not looked at")] {
        let out = verify(dir, &[path]).env("PG_BIN", bin).run().expect_code(1);
        let step = out.record("step", "verify");
        assert!(step["labels"]["extent"].as_str().unwrap().contains(extent), "{}", out.stdout);
        assert_eq!(step["rows"].is_u64(), *path != packed);
    }
    let whole = fs::read(&tar).unwrap();
    fs::write(&tar, &whole[..whole.len() / 2]).unwrap();
    verify(dir, &[&tar]).env("PG_BIN", bin).run().expect_code(4);
    verify(dir, &[dir]).run().expect_code(4);
    for (name, text) in [("empty.dump", ""), ("page.dump", "<html>"), ("text.sql", "SELECT 1;\n")] {
        fs::write(dir.join(name), text).unwrap();
        verify(dir, &[&dir.join(name)]).run().expect_code(4);
    }
}
