//! Encrypted backups, opened with the stock `age` program; never plain text on a disk.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test cannot do fails it")]

mod common;

use common::{backup, ledger, manifest, names};
use ml_tests::{Cluster, TempDir, TestDb, Tool};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What every encrypted file begins with.
const MAGIC: &[u8] = b"age-encryption.org/";

/// Stands in every row, and must be in no file.
const MARK: &str = "plain-text-of-a-row";

/// An identity and its public key; `None` where age is not installed.
fn identity(folder: &Path, name: &str) -> Option<(PathBuf, String)> {
    let path = folder.join(name);
    std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| folder.join("age-keygen").exists())?;
    Tool::foreign("age-keygen").arg("-o").arg(&path).run().expect_code(0);
    let text = fs::read_to_string(&path).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    Some((path, public))
}

fn marked(hint: &str, rows: u32) -> TestDb {
    let db = ledger(hint);
    let sql = format!("CREATE TABLE marked AS SELECT i, '{MARK} ' || md5(i::text) AS t FROM generate_series(1, {rows}) i");
    db.client().batch_execute(&sql).unwrap();
    db
}

fn sealed(folder: &Path) -> PathBuf {
    let name = names(folder).into_iter().find(|name| name.ends_with(".dump.age")).expect("there is an encrypted dump");
    folder.join(name)
}

/// Statements that stock pg_restore makes of a dump; a key made anew each time apart.
fn statements(dump: &Path) -> Vec<String> {
    let text = Tool::foreign(Cluster::shared().bin().join("pg_restore")).args(["-f", "-"]).arg(dump).run().expect_code(0).stdout;
    text.lines().filter(|line| !line.contains("restrict ")).map(str::to_owned).collect()
}

fn opened(file: &Path, identity: &Path, to: &Path) {
    Tool::foreign("age").arg("-d").arg("-i").arg(identity).arg("-o").arg(to).arg(file).run().expect_code(0);
}

#[test]
fn stock_age_and_pg_restore_open_it() {
    let (db, folder, keys) = (marked("sealed", 2000), TempDir::new().unwrap(), TempDir::new().unwrap());
    let (Some((ada, ada_public)), Some((bob, bob_public))) = (identity(keys.path(), "ada"), identity(keys.path(), "bob")) else {
        ml_tests::skip!("age is not installed: scripts/install-deps.sh --test");
    };
    let list = keys.path().join("recipients");
    fs::write(&list, format!("# on call\n{bob_public}\n")).unwrap();
    let plain = TempDir::new().unwrap();
    backup(&db.url(), plain.path()).run().expect_code(0);
    let expected = statements(&common::dumps(plain.path())[0]);
    for (round, compression) in ["true", "false"].into_iter().enumerate() {
        let dir = folder.path().join(compression);
        let call = || {
            backup(&db.url(), &dir)
                .env("BACKUP_COMPRESSION", compression)
                .env("BACKUP_AGE_RECIPIENTS", &ada_public)
                .env("BACKUP_AGE_RECIPIENTS_FILE", &list)
        };
        let dry = call().arg("--dry-run").run().expect_code(0);
        assert!(dry.record("step", "dump")["path"].as_str().unwrap().ends_with(".dump.age"), "{}", dry.stdout);
        let out = call().run().expect_code(0);
        let dump = sealed(&dir);
        assert_eq!(out.record("step", "dump")["path"], dump.to_str().unwrap());
        let manifest = manifest(&dump);
        assert_eq!((manifest["encryption"].as_str(), manifest["tables"]["public.marked"].as_u64()), (Some("age"), Some(2000)));
        assert_eq!(manifest["sha256"], out.record("step", "dump")["sha256"]);
        assert_eq!(manifest["bytes"], fs::metadata(&dump).unwrap().len());
        assert_eq!(manifest["data"]["public.marked"]["segments"], serde_json::json!([]));
        assert!(manifest["data"]["public.marked"]["fingerprint"].as_str().is_some_and(|print| print.len() == 32), "{manifest}");
        // Nothing in the folder tells a row, or a role.
        for name in names(&dir) {
            let bytes = fs::read(dir.join(&name)).unwrap();
            assert!(!bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes()), "{name}");
            assert!(name.ends_with(".json") || bytes.starts_with(MAGIC), "{name}");
        }
        // Each recipient opens it, with nothing of ours.
        let identity = if round == 0 { &ada } else { &bob };
        let clear = folder.path().join(format!("clear-{compression}"));
        opened(&dump, identity, &clear);
        assert_eq!(statements(&clear), expected);
        let globals = PathBuf::from(format!("{}.globals.sql.age", dump.display()));
        let roles = folder.path().join(format!("roles-{compression}"));
        opened(&globals, identity, &roles);
        assert!(fs::read_to_string(roles).unwrap().contains("CREATE ROLE ml;"));
    }
}

fn verify(folder: &Path, path: &Path) -> Tool {
    Tool::new("ml-backup").env("BACKUP_DIR", folder).args(["verify"]).arg(path)
}

#[test]
fn it_is_verified_with_and_without_the_identity() {
    let (db, folder, keys) = (marked("verified", 500), TempDir::new().unwrap(), TempDir::new().unwrap());
    let (Some((ada, public)), Some((other, _))) = (identity(keys.path(), "ada"), identity(keys.path(), "other")) else {
        ml_tests::skip!("age is not installed: scripts/install-deps.sh --test");
    };
    let dir = folder.path();
    backup(&db.url(), dir).env("BACKUP_AGE_RECIPIENTS", &public).run().expect_code(0);
    let dump = sealed(dir);
    let extent = |tool: Tool| tool.run().expect_code(0).record("step", "verify")["labels"]["extent"].as_str().unwrap().to_owned();
    let without = extent(verify(dir, &dump));
    assert!(without.contains("it is encrypted, so its rows were counted when it was made and not now"), "{without}");
    for tool in [verify(dir, &dump).arg("--identity").arg(&ada), verify(dir, &dump).env("BACKUP_AGE_IDENTITY_FILE", &ada)] {
        assert_eq!(extent(tool), "every byte, every row and every fingerprint is as its manifest says");
    }
    let wrong = verify(dir, &dump).arg("--identity").arg(&other).run().expect_code(78);
    assert!(wrong.stderr.contains("not for the identity in") && !wrong.stderr.contains("SECRET-KEY"), "{}", wrong.stderr);
    let whole = fs::read(&dump).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 20) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&dump, &bytes).unwrap();
        verify(dir, &dump).run().expect_code(4);
    }
    // Without the manifest nothing is known, not even that there are rows.
    fs::write(&dump, &whole).unwrap();
    fs::remove_file(format!("{}.json", dump.display())).unwrap();
    fs::remove_file(dir.join("mathledger-latest.json")).unwrap();
    let out = verify(dir, &dump).run().expect_code(78);
    assert!(out.stderr.contains("is encrypted") && out.stderr.contains("--identity"), "{}", out.stderr);
    let out = verify(dir, &dump).arg("--identity").arg(&ada).run().expect_code(1);
    assert!(out.record("step", "verify")["labels"]["extent"].as_str().unwrap().starts_with("unpacked (age) and read to its end"));
    fs::write(&dump, &whole[..whole.len() - 1]).unwrap();
    verify(dir, &dump).arg("--identity").arg(&ada).run().expect_code(4);
}

#[test]
fn killed_at_any_moment_it_leaves_no_plain_text() {
    let (db, keys) = (marked("killed", 200_000), TempDir::new().unwrap());
    let Some((_, public)) = identity(keys.path(), "ada") else {
        ml_tests::skip!("age is not installed: scripts/install-deps.sh --test");
    };
    for (round, stock) in [false, true].into_iter().cycle().take(10).enumerate() {
        let folder = TempDir::new().unwrap();
        let tool = backup(&db.url(), folder.path()).env("BACKUP_COMPRESSION", "false").env("BACKUP_AGE_RECIPIENTS", &public);
        let tool = if stock { tool.arg("--stock") } else { tool }.spawn();
        std::thread::sleep(Duration::from_millis(60 * u64::try_from(round).unwrap()));
        tool.signal(9);
        tool.wait();
        for name in names(folder.path()) {
            let bytes = fs::read(folder.path().join(&name)).unwrap();
            assert!(bytes.is_empty() || bytes.starts_with(MAGIC) || name.contains(".json"), "{name}");
            assert!(!bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes()), "{name}");
        }
    }
}

#[test]
fn a_disk_that_fills_up_on_the_way() {
    let (db, keys) = (ledger("fullsealed"), TempDir::new().unwrap());
    let Some((_, public)) = identity(keys.path(), "ada") else {
        ml_tests::skip!("age is not installed: scripts/install-deps.sh --test");
    };
    // Rows that compress well in the table (TOAST) make a dump that is larger than the table.
    let big = "CREATE TABLE big AS SELECT repeat(md5(i::text), 3000) AS a FROM generate_series(1, 400) i";
    db.client().batch_execute(big).unwrap();
    let disk = match ml_tests::full_disk(4 << 20) {
        Ok(disk) => disk,
        Err(why) => ml_tests::skip!("{why}"),
    };
    for stock in [false, true] {
        let tool = backup(&db.url(), disk.path()).env("BACKUP_COMPRESSION", "false").env("BACKUP_AGE_RECIPIENTS", &public);
        let out = if stock { tool.arg("--stock") } else { tool }.run().expect_code(4);
        assert!(out.stderr.contains("No space left") && out.stderr.contains("free space"), "{}", out.stderr);
        assert_eq!(names(disk.path()), Vec::<String>::new());
    }
}

#[test]
fn mistakes_in_the_recipients_are_told_before_anything_is_begun() {
    let (db, folder, keys) = (ledger("recipients"), TempDir::new().unwrap(), TempDir::new().unwrap());
    let secret = format!("AGE-SECRET-KEY-1{}", "Q".repeat(58));
    let missing = keys.path().join("missing").display().to_string();
    for (key, value) in [
        ("BACKUP_AGE_RECIPIENTS", "age1nonsense"),
        ("BACKUP_AGE_RECIPIENTS", secret.as_str()),
        ("BACKUP_AGE_RECIPIENTS_FILE", missing.as_str()),
    ] {
        let out = backup(&db.url(), folder.path()).env(key, value).run().expect_code(78);
        assert!(out.stderr.contains("hint: ") && !out.stderr.contains("QQQQ") && !out.stdout.contains("QQQQ"), "{}", out.stderr);
    }
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn a_named_file_gets_the_ending_too() {
    let (db, folder, keys) = (ledger("named"), TempDir::new().unwrap(), TempDir::new().unwrap());
    let Some((_, public)) = identity(keys.path(), "ada") else {
        ml_tests::skip!("age is not installed: scripts/install-deps.sh --test");
    };
    for (asked, made) in [("x.dump", "x.dump.age"), ("y.dump.age", "y.dump.age")] {
        let tool = backup(&db.url(), folder.path()).env("BACKUP_AGE_RECIPIENTS", &public);
        let out = tool.arg("-o").arg(folder.path().join(asked)).run().expect_code(0);
        assert_eq!(out.record("step", "dump")["path"], folder.path().join(made).to_str().unwrap());
        assert!(fs::read(folder.path().join(made)).unwrap().starts_with(MAGIC));
    }
}
