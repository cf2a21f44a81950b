//! The parallel archive: stock pg_restore makes of it, byte for byte, what it makes of stock pg_dump's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

mod common;

use common::{backup, dumps, manifest};
use ml_tests::{Cluster, TempDir, TestDb, Tool, newer, torture};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn tortured(cluster: &Cluster, rows: u32) -> TestDb {
    let db = cluster.database("torture");
    torture::torture(&mut db.superuser(), rows);
    db
}

fn url(cluster: &Cluster, db: &TestDb) -> String {
    format!("postgresql://postgres:{}@127.0.0.1:{}/{}", cluster.password(), cluster.port(), db.name())
}

/// A dump of ours, by the parallel engine.
fn ours(cluster: &Cluster, db: &TestDb, folder: &Path, args: &[&str], compression: &str) -> PathBuf {
    ours_by(cluster.bin(), &url(cluster, db), folder, args, compression)
}

/// The same with other programs.
fn ours_by(bin: &Path, url: &str, folder: &Path, args: &[&str], compression: &str) -> PathBuf {
    let to = folder.join(format!("ours{}.dump", fs::read_dir(folder).unwrap().count()));
    let tool = backup(url, folder).args(args).arg("-o").arg(&to).env("BACKUP_COMPRESSION", compression);
    let out = tool.env("PG_BIN", bin).env("BACKUP_GLOBALS", "false").run().expect_code(0);
    assert_eq!(manifest(&to)["engine"], "parallel", "{}", out.stderr);
    to
}

/// Stock pg_dump's.
fn stock(cluster: &Cluster, db: &TestDb, folder: &Path) -> PathBuf {
    let to = folder.join("stock.dump");
    Tool::foreign(cluster.bin().join("pg_dump")).args(["-Fc", "-d"]).arg(url(cluster, db)).arg("-f").arg(&to).run().expect_code(0);
    to
}

/// What pg_restore makes of a file, without the line that differs by chance.
fn text(cluster: &Cluster, dump: &Path, args: &[&str]) -> Vec<u8> {
    text_by(cluster.bin(), dump, args)
}

/// The same with another pg_restore.
fn text_by(bin: &Path, dump: &Path, args: &[&str]) -> Vec<u8> {
    let to = dump.with_extension("sql");
    Tool::foreign(bin.join("pg_restore")).args(args).arg("-f").arg(&to).arg(dump).run().expect_code(0);
    let text = fs::read(&to).unwrap();
    let chance = |line: &&[u8]| !line.starts_with(b"\\restrict ") && !line.starts_with(b"\\unrestrict ");
    text.split(|byte| *byte == b'\n').filter(chance).collect::<Vec<_>>().join(&b'\n')
}

fn same(ours: &[u8], stock: &[u8]) {
    if ours != stock {
        let at = ours.iter().zip(stock).position(|(a, b)| a != b).unwrap_or(ours.len().min(stock.len()));
        let part =
            |text: &[u8]| String::from_utf8_lossy(&text[at.saturating_sub(200).min(text.len())..(at + 100).min(text.len())]).into_owned();
        panic!("they differ at byte {at}:\n--- ours\n{}\n--- stock\n{}", part(ours), part(stock));
    }
}

#[test]
fn everything_there_is() {
    let (cluster, folder) = (Cluster::shared(), TempDir::new().unwrap());
    let db = tortured(cluster, 150_000);
    torture::configured(&mut db.superuser());
    let stock = stock(cluster, &db, folder.path());
    let expected = text(cluster, &stock, &[]);
    for (args, compression) in [(&["--jobs", "4"][..], "gzip"), (&["--jobs", "1"], "gzip:1"), (&[], "none")] {
        let dump = ours(cluster, &db, folder.path(), args, compression);
        same(&text(cluster, &dump, &[]), &expected);
        let manifest = manifest(&dump);
        assert!(manifest["data"]["public.large"]["segments"].as_array().unwrap().len() > 5, "the large table is in pieces");
        assert_eq!(manifest["tables"]["public.config_some"], 6);
        assert!(manifest["tables"].get("public.config_none").is_none());
        assert_eq!(manifest["tables"]["public.hashed"], 60, "rows of a hash on an enum are loaded by way of its root");
        assert_eq!(manifest["large_objects"], 204);
    }
}

#[test]
fn everything_there_is_in_a_newer_server() {
    let (cluster, folder) = match newer::server_16() {
        Ok(bin) => (Cluster::private_of(bin), TempDir::new().unwrap()),
        Err(why) => ml_tests::skip!("{why}"),
    };
    let db = tortured(&cluster, 60_000);
    torture::configured(&mut db.superuser());
    let expected = text(&cluster, &stock(&cluster, &db, folder.path()), &[]);
    for (args, compression) in [(&["--jobs", "3"][..], "gzip"), (&["--jobs", "1"], "none")] {
        let dump = ours(&cluster, &db, folder.path(), args, compression);
        same(&text(&cluster, &dump, &[]), &expected);
        assert!(manifest(&dump)["data"]["public.large"]["segments"].as_array().unwrap().len() > 2);
    }
    // These programs were built without zstd: what they could not restore is not kept.
    let refused = folder.path().join("zstd.dump");
    let tool = backup(&url(&cluster, &db), folder.path()).arg("-o").arg(&refused).env("BACKUP_COMPRESSION", "zstd");
    let out = tool.env("PG_BIN", cluster.bin()).run().expect_code(4);
    assert!(out.stderr.contains("does not support") && !refused.exists(), "{}", out.stderr);
}

#[test]
fn everything_there_is_by_newer_programs_and_with_zstd() {
    let (bin, cluster, folder) = match newer::clients_17() {
        Ok(bin) => (bin, Cluster::shared(), TempDir::new().unwrap()),
        Err(why) => ml_tests::skip!("{why}"),
    };
    let db = tortured(cluster, 60_000);
    torture::configured(&mut db.superuser());
    let (url, stock) = (url(cluster, &db), folder.path().join("stock.dump"));
    Tool::foreign(bin.join("pg_dump")).args(["-Fc", "-Z", "zstd", "-d", &url, "-f"]).arg(&stock).run().expect_code(0);
    let expected = text_by(&bin, &stock, &[]);
    for (args, compression) in [(&["--jobs", "3"][..], "zstd"), (&["--jobs", "1"], "zstd:9"), (&[], "gzip")] {
        let dump = ours_by(&bin, &url, folder.path(), args, compression);
        same(&text_by(&bin, &dump, &[]), &expected);
        same(&text_by(&bin, &dump, &["-t", "large"]), &text_by(&bin, &stock, &["-t", "large"]));
        assert_eq!(manifest(&dump)["compression"], compression.split(':').next().unwrap());
    }
    // Archives carry no checksum of zstd's data; the frames of ours do.
    let dump = ours_by(&bin, &url, folder.path(), &[], "zstd");
    let segment = &manifest(&dump)["data"]["public.large"]["segments"][1];
    let at = usize::try_from(segment["offset"].as_u64().unwrap() + segment["bytes"].as_u64().unwrap() / 2).unwrap();
    let mut bytes = fs::read(&dump).unwrap();
    bytes[at] ^= 1;
    fs::write(&dump, bytes).unwrap();
    let to = folder.path().join("damaged.sql");
    let restored = Tool::foreign(bin.join("pg_restore")).arg("-f").arg(to).arg(&dump).run();
    assert_ne!(restored.code, 0, "stock pg_restore finds a flipped bit too");
}

#[test]
fn listed_restored_in_parts_and_by_many_workers() {
    let (cluster, folder) = (Cluster::shared(), TempDir::new().unwrap());
    let db = tortured(cluster, 60_000);
    let (stock, ours) = (stock(cluster, &db, folder.path()), ours(cluster, &db, folder.path(), &["-j3"], "gzip"));
    let list = |dump: &Path| {
        let out = Tool::foreign(cluster.bin().join("pg_restore")).arg("-l").arg(dump).run().expect_code(0).stdout;
        out.lines().filter(|line| !line.starts_with("; Archive created")).collect::<Vec<_>>().join("\n")
    };
    same(list(&ours).as_bytes(), list(&stock).as_bytes());
    for args in [&["-t", "large"][..], &["-a", "-t", "zero"], &["-n", "Sch ema"], &["-s"], &["--section=data"]] {
        same(&text(cluster, &ours, args), &text(cluster, &stock, args));
    }
    let restored = cluster.database("restored");
    let restore = Tool::foreign(cluster.bin().join("pg_restore")).args(["-j4", "--exit-on-error", "-d"]).arg(url(cluster, &restored));
    restore.arg(&ours).run().expect_code(0);
    // The fingerprints of what was restored are those of what was dumped: another dump says so.
    let again = self::ours(cluster, &restored, folder.path(), &["-j2"], "gzip");
    let prints = |dump: &Path| -> BTreeMap<String, (u64, String)> {
        let data = manifest(dump)["data"].as_object().unwrap().clone();
        let print = |table: &serde_json::Value| (table["rows"].as_u64().unwrap(), table["fingerprint"].as_str().unwrap().to_owned());
        data.iter().map(|(name, table)| (name.clone(), print(table))).collect()
    };
    assert_eq!(prints(&again), prints(&ours));
}

#[test]
fn fingerprints_do_not_depend_on_who_writes_or_how_the_role_is_set() {
    let (cluster, folder) = (Cluster::shared(), TempDir::new().unwrap());
    let db = tortured(cluster, 1000);
    let parallel = ours(cluster, &db, folder.path(), &[], "gzip");
    let name = db.name();
    let odd = format!(
        "ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'; ALTER DATABASE {name} SET bytea_output = 'escape'; \
        ALTER DATABASE {name} SET datestyle = 'SQL, DMY'; ALTER DATABASE {name} SET extra_float_digits = -5; ALTER DATABASE {name} SET intervalstyle = 'iso_8601'"
    );
    db.superuser().batch_execute(&odd).unwrap();
    let other = ours(cluster, &db, folder.path(), &["-j5"], "gzip:9");
    let by_stock = folder.path().join("by stock.dump");
    backup(&url(cluster, &db), folder.path()).args(["--stock", "-o"]).arg(&by_stock).run().expect_code(0);
    let print = |dump: &Path| {
        let mut data = manifest(dump)["data"].clone();
        data.as_object_mut().unwrap().values_mut().for_each(|table| table["segments"] = serde_json::Value::Null);
        data
    };
    assert_eq!(manifest(&by_stock)["engine"], "pg_dump");
    assert_eq!(print(&other), print(&parallel));
    assert_eq!(print(&by_stock), print(&parallel));
    assert_eq!(manifest(&by_stock)["tables"], manifest(&parallel)["tables"]);
}

#[test]
fn what_is_not_understood_is_left_to_stock_pg_dump_and_said() {
    let (db, folder) = (common::ledger("fallback"), TempDir::new().unwrap());
    // A pg_dump that writes a form of a later version.
    let later = "\"$REAL/pg_dump\" \"$@\" | sed '1s/^PGDMP\\x01./PGDMP\\x01\\x63/'";
    let asked = "case \"$*\" in *--file*) exec \"$REAL/pg_dump\" \"$@\";; esac";
    let bin = common::fake_bin(&format!("{asked}\n{later}"));
    let out = backup(&db.url(), folder.path()).env("PG_BIN", bin.path()).run().expect_code(0);
    let dump = &dumps(folder.path())[0];
    let manifest = manifest(dump);
    assert_eq!(manifest["engine"], "pg_dump");
    assert!(manifest["fallback"].as_str().unwrap().contains("1.99 is not known"), "{manifest}");
    assert_eq!(out.record("step", "dump")["labels"]["fallback"], manifest["fallback"]);
    assert!(out.end()["summary"].as_str().unwrap().contains("by stock pg_dump, on one core: the archive format 1.99"));
    assert_eq!(out.stderr, "");
    assert_eq!(manifest["tables"]["public.statements"], 7);
    assert_eq!(manifest["data"]["public.statements"]["fingerprint"].as_str().unwrap().len(), 32);
}

#[test]
fn compression_that_stock_programs_cannot_read_is_refused() {
    let (db, folder) = (common::ledger("zstd"), TempDir::new().unwrap());
    let wrong = backup(&db.url(), folder.path()).env("BACKUP_COMPRESSION", "lz4").run().expect_code(78);
    assert!(wrong.stderr.contains("gzip:LEVEL"), "{}", wrong.stderr);
    let out = backup(&db.url(), folder.path()).env("BACKUP_COMPRESSION", "zstd").run();
    let major = Cluster::shared().superuser("postgres").query_one("SHOW server_version_num", &[]).unwrap().get::<_, String>(0);
    if major.as_str() < "160000" {
        let out = out.expect_code(78);
        assert!(out.stderr.contains("which pg_restore 15") && out.stderr.contains("hint: "), "{}", out.stderr);
        assert_eq!(common::names(folder.path()), Vec::<String>::new());
    } else {
        out.expect_code(0);
        assert_eq!(manifest(&dumps(folder.path())[0])["compression"], "zstd");
    }
}
