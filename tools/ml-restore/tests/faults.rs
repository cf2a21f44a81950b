//! Restores that are killed at any moment, servers that go away, disks that are full: the old database is in place, and what is left is named
//! and removed by `clean`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{Sample, ledger, wait_until};
use ml_tests::{Cluster, boot};
use std::time::{Duration, Instant};

/// A moment within `whole`, other in every run.
fn moment(whole: Duration) -> Duration {
    let word = u32::from_str_radix(&ml_tests::random_word()[..6], 16).unwrap();
    whole.mul_f64(f64::from(word) / f64::from(0xff_ffff))
}

fn sessions_are_gone() {
    wait_until("the sessions of the killed run are gone", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ml-restore%' AND pid <> pg_backend_pid()";
        Cluster::shared().superuser("postgres").query_one(sql, &[]).unwrap().get::<_, i64>(0) == 0
    });
}

/// Names what is left, removes it, and finds nothing any more.
fn cleaned(sample: &Sample) {
    let left: Vec<String> = sample.leftovers().into_iter().filter(|name| !name.contains("_old_")).collect();
    let out = sample.restore().args(["clean", "--force"]).run().expect_code(0);
    for name in left {
        assert_eq!(out.record("step", &format!("clean.{name}"))["status"], "ok");
    }
    assert!(sample.leftovers().iter().all(|name| name.contains("_old_")), "{:?}", sample.leftovers());
}

fn statements(sample: &Sample) -> i64 {
    sample.db.client().query_one("SELECT count(*) FROM statements", &[]).unwrap().get(0)
}

#[test]
fn killed_at_any_moment() {
    let sample = ledger("killed");
    let whole = |args: &[&str]| {
        let began = Instant::now();
        sample.restore().arg(&sample.dump).args(args).run().expect_code(0);
        began.elapsed()
    };
    let target = ["--target", sample.db.name(), "--force", "--terminate"];
    for args in [&target[..], &["--scratch"]] {
        let takes = whole(args);
        for _ in 0..15 {
            let at = moment(takes);
            let running = sample.restore().arg(&sample.dump).args(args).spawn();
            std::thread::sleep(at);
            running.signal(9);
            running.wait();
            sessions_are_gone();
            assert_eq!(statements(&sample), 7, "killed after {at:?} of {takes:?}");
            cleaned(&sample);
        }
    }
    sample.restore().args(["--drop-old", sample.db.name(), "--force"]).run().expect_code(0);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}

#[test]
fn ended_politely_it_leaves_nothing() {
    let sample = ledger("polite");
    for _ in 0..6 {
        let at = moment(Duration::from_millis(900));
        let running = sample.drill(&sample.dump).spawn();
        std::thread::sleep(at);
        running.signal(15);
        let out = running.wait();
        // A signal that comes before it listens, or after its work, is none that it could tell.
        assert!([0, 143].contains(&out.code), "{at:?}: {}{}", out.stdout, out.stderr);
        assert_eq!(sample.leftovers(), Vec::<String>::new(), "{at:?}");
    }
}

#[test]
fn a_server_that_is_restarted_meanwhile() {
    let mut cluster = Cluster::private();
    let db = cluster.database("restarted");
    ml_tests::ledger::second_generation(&mut db.client());
    let sample = common::sample(db, &[]);
    let url = sample.db.url();
    let mut running = sample.restore().arg(&sample.dump).args(["--target", sample.db.name(), "--force"]).spawn();
    running.wait_for_stdout("\"id\":\"create\"");
    cluster.kill();
    let out = running.wait();
    assert_eq!(out.code, 2, "{}{}", out.stdout, out.stderr);
    assert!(out.stderr.contains("is left behind") || out.stderr.contains("hint: "), "{}", out.stderr);
    let _ = std::fs::remove_file(cluster.dir().join("data/postmaster.pid"));
    let (port, mut child) = boot::start(cluster.dir(), cluster.bin());
    let url = url.replace(&format!(":{}/", cluster.port()), &format!(":{port}/"));
    let clean = || sample.restore().env("DATABASE_URL", &url).args(["clean", "--force"]).run().expect_code(0);
    let out = clean();
    let left = out.kind("step").filter(|step| step["id"].as_str().unwrap().contains("_restore_")).count();
    assert_eq!(left, 1, "{}", out.stdout);
    assert_eq!(clean().end()["status"], "skipped");
    let out = sample.restore().env("DATABASE_URL", &url).args(["--scratch"]).arg(&sample.dump).run().expect_code(0);
    assert_eq!(out.record("check", "verify.fingerprints")["status"], "ok");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn no_room_for_a_private_server() {
    let sample = ledger("noroom");
    let disk = match ml_tests::full_disk(24 << 20) {
        Ok(disk) => disk,
        Err(why) => ml_tests::skip!("{why}"),
    };
    let flag = format!("--cluster={}", disk.path().display());
    let out = sample.restore().args(["--scratch", &flag]).arg(&sample.dump).run().expect_code(4);
    assert!(out.stderr.contains("initdb failed") && out.stderr.contains("No space left"), "{}", out.stderr);
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().flatten().filter(|entry| entry.path().is_dir()).count(), 0);
}

#[test]
fn an_encrypted_dump() {
    let sample = ledger("sealed");
    let folder = sample.folder.path();
    let key = folder.join("key");
    let identity = age::x25519::Identity::generate();
    std::fs::write(&key, age::secrecy::ExposeSecret::expose_secret(&identity.to_string())).unwrap();
    let recipients = ml_dump::sealed::Recipients::parse(&identity.to_public().to_string(), "the test").unwrap();
    let sealed = folder.join("x.dump.age");
    let mut sealing = recipients.seal(std::fs::File::create(&sealed).unwrap()).unwrap();
    std::io::copy(&mut std::fs::File::open(&sample.dump).unwrap(), &mut sealing).unwrap();
    sealing.finish().unwrap();
    let out = sample.drill(&sealed).run().expect_code(78);
    assert!(out.stderr.contains("--identity"), "{}", out.stderr);
    let out = sample.drill(&sealed).arg("--identity").arg(&key).run().expect_code(1);
    assert_eq!(out.record("check", "verify.counts")["status"], "ok");
    assert_eq!(out.record("step", "load")["reason"], "there is no manifest");
    let (sha256, bytes) = ml_common::files::sha256(&sealed).unwrap();
    let mut manifest = ml_dump::Manifest::of(&sample.dump).unwrap().unwrap();
    (manifest.sha256, manifest.bytes, manifest.encryption) = (sha256, bytes, Some("age".into()));
    manifest.data.values_mut().for_each(|data| data.segments.clear());
    manifest.write(&sealed).unwrap().publish().unwrap();
    let out = sample.drill(&sealed).env("BACKUP_AGE_IDENTITY_FILE", &key).run().expect_code(0);
    assert_eq!(out.record("check", "verify.fingerprints")["status"], "ok");
    assert!(ml_dump::Proof::of(&sealed).unwrap().is_some());
    let mut bytes = std::fs::read(&sealed).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(folder.join("bad.age"), bytes).unwrap();
    sample.drill(&folder.join("bad.age")).arg("--identity").arg(&key).run().expect_code(4);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}
