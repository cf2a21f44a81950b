//! The restore in place of a database.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{Sample, ledger, sample, wait_until};
use ml_tests::{Cluster, TempDir, Tool};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// ml-restore of the sample in place of its own database, as the superuser.
fn restore(sample: &Sample) -> Tool {
    let (cluster, name) = (Cluster::shared(), sample.db.name());
    let url = format!("postgresql://postgres:{}@127.0.0.1:{}/{name}", cluster.password(), cluster.port());
    sample.restore().env("DATABASE_URL", url).arg(&sample.dump).args(["--target", name])
}

/// The same without a terminal, wherever the tests run.
fn without_terminal(sample: &Sample, args: &[&str]) -> Tool {
    let tool = ml_tests::tool::bin_dir().join("ml-restore");
    let cluster = Cluster::shared();
    let url = format!("postgresql://postgres:{}@127.0.0.1:{}/postgres", cluster.password(), cluster.port());
    let tool = Tool::foreign("setsid").arg("--wait").arg(tool).arg(&sample.dump).args(["--target", sample.db.name()]).args(args);
    tool.env("DATABASE_URL", url).env("SYSTEM", &sample.system)
}

/// Everything about a database that is not in it.
fn catalog(name: &str) -> Vec<String> {
    let queries = [
        "SELECT to_jsonb(d) - 'oid' - 'datfrozenxid' - 'datminmxid' - 'datacl' FROM pg_database d WHERE datname = $1",
        "SELECT jsonb_agg(jsonb_build_array(a.grantee, a.privilege_type, a.is_grantable) ORDER BY a.grantee, a.privilege_type)
            FROM pg_database d, aclexplode(d.datacl) a WHERE datname = $1",
        "SELECT jsonb_agg(jsonb_build_array(s.setrole, c) ORDER BY s.setrole, c) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase,
            unnest(s.setconfig) c WHERE datname = $1",
        "SELECT to_jsonb(shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = $1",
    ];
    let mut superuser = Cluster::shared().superuser("postgres");
    queries.iter().map(|sql| format!("{:?}", superuser.query_one(*sql, &[&name]).unwrap().get::<_, Option<serde_json::Value>>(0))).collect()
}

/// Owners and rights of what is in a database.
fn inside(name: &str) -> Vec<String> {
    let sql = "SELECT format('%s %s %s %s', relname, relkind, relowner::regrole, relacl) FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1";
    Cluster::shared().superuser(name).query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn statements(name: &str) -> i64 {
    Cluster::shared().superuser(name).query_one("SELECT count(*) FROM statements", &[]).unwrap().get(0)
}

/// The databases beside the sample's, dropped at the end: the kit drops only its own.
fn drop_leftovers(sample: &Sample) {
    for name in sample.leftovers() {
        Cluster::shared().superuser("postgres").batch_execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).unwrap();
    }
}

#[test]
fn the_new_database_takes_the_name_and_all_that_goes_with_it() {
    let db = Cluster::shared().database("swap");
    ml_tests::ledger::second_generation(&mut db.client());
    let (role, name) = (db.role("app user", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"), db.name().to_owned());
    let set = format!(
        "ALTER DATABASE {name} SET search_path TO \"$user\", \"Odd, s\", public; ALTER DATABASE {name} SET work_mem TO '8MB';
        ALTER ROLE {role} IN DATABASE {name} SET statement_timeout TO '7s'; ALTER DATABASE {name} SET my.thing TO 'it''s, ok';
        REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {role} WITH GRANT OPTION;
        COMMENT ON DATABASE {name} IS 'the \"ledger\"'; ALTER DATABASE {name} CONNECTION LIMIT 17",
        role = role.name
    );
    db.superuser().batch_execute(&set).unwrap();
    let sample = sample(db, &[]);
    let (before, objects) = (catalog(&name), inside(&name));
    sample
        .db
        .client()
        .batch_execute("DELETE FROM lemma_cache; DELETE FROM dependencies; DELETE FROM proofs; DELETE FROM statements")
        .unwrap();
    let dry = restore(&sample).arg("--dry-run").run().expect_code(0);
    assert_eq!(dry.record("step", "plan")["status"], "planned");
    assert_eq!((statements(&name), sample.leftovers()), (0, Vec::new()));
    let out = restore(&sample).arg("--force").run().expect_code(0);
    assert_eq!((statements(&name), catalog(&name), inside(&name)), (7, before, objects));
    let old = out.record("step", "swap")["labels"]["old"].as_str().unwrap().to_owned();
    assert_eq!(sample.leftovers(), [old.as_str()]);
    assert_eq!(statements(&old), 0);
    assert!(out.end()["summary"].as_str().unwrap().contains(&format!("kept as {old}")));
    assert!(out.record("step", "plan")["metrics"]["free_bytes"].is_u64());
    // A second restore says what the first has left; both old ones go when that is asked for, and only then.
    let again = restore(&sample).arg("--force").run().expect_code(0);
    assert!(again.record("step", "plan")["summary"].as_str().unwrap().contains(&format!("earlier restores left {old}")));
    let drop_old = || restore_tool(&sample).args(["--drop-old", &name]);
    assert_eq!(drop_old().arg("--dry-run").run().expect_code(0).kind("step").count(), 2);
    assert_eq!(sample.leftovers().len(), 2);
    drop_old().arg("--force").run().expect_code(0);
    assert_eq!((sample.leftovers(), statements(&name)), (Vec::new(), 7));
    assert_eq!(drop_old().arg("--force").run().expect_code(0).end()["status"], "skipped");
}

fn restore_tool(sample: &Sample) -> Tool {
    let cluster = Cluster::shared();
    let url = format!("postgresql://postgres:{}@127.0.0.1:{}/{}", cluster.password(), cluster.port(), sample.db.name());
    sample.restore().env("DATABASE_URL", url)
}

#[test]
fn the_owner_can_do_it_without_being_a_superuser() {
    let sample = ledger("owner");
    let (name, before) = (sample.db.name().to_owned(), catalog(sample.db.name()));
    let out = sample.restore().arg(&sample.dump).args(["--target", &name, "--force"]).run().expect_code(0);
    assert_eq!(out.record("step", "load.rights")["status"], "ok", "comments on extensions too: {}", out.stdout);
    assert_eq!((catalog(&name), statements(&name)), (before, 7));
    drop_leftovers(&sample);
    let other = Cluster::shared().role("other", "CREATEDB");
    let url = sample.db.url_as(&other.name, &other.password);
    let out = sample.restore().env("DATABASE_URL", url).arg(&sample.dump).args(["--target", &name, "--force"]).run().expect_code(2);
    assert!(out.stderr.contains("belongs to ml, and only its owner may rename it"), "{}", out.stderr);
}

#[test]
fn sessions_block_the_swap_unless_they_may_be_ended() {
    let sample = ledger("sessions");
    let name = sample.db.name().to_owned();
    let mut busy = sample.db.client();
    busy.batch_execute("SET application_name = 'the busy one'; DELETE FROM lemma_cache").unwrap();
    let out = restore(&sample).arg("--force").run().expect_code(2);
    assert!(
        out.stderr.contains("is in use: the busy one, as ml from")
            && out.stderr.contains("the busy one")
            && out.stderr.contains("--terminate"),
        "{}",
        out.stderr
    );
    assert!(out.record("step", "plan")["status"] == "warn" && sample.leftovers().is_empty());
    busy.batch_execute("SELECT 1").unwrap();
    // A client that connects again at once, as pools do, does not keep it from swapping.
    let (url, stop) = (sample.db.url(), std::sync::atomic::AtomicBool::new(false));
    let out = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let client = postgres::Client::connect(&url, postgres::NoTls);
                std::thread::sleep(Duration::from_millis(20));
                drop(client);
            }
        });
        let out = restore(&sample).args(["--force", "--terminate"]).run();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        out
    });
    let out = out.expect_code(0);
    assert!(busy.batch_execute("SELECT 1").is_err(), "the old session is ended");
    assert_eq!(sample.leftovers(), [out.record("step", "swap")["labels"]["old"].as_str().unwrap()]);
    drop_leftovers(&sample);
    assert_eq!(statements(&name), 7);
}

#[test]
fn a_session_that_comes_during_the_loading_leaves_both_databases() {
    let sample = ledger("late");
    let mut late = None;
    let hang = fake_restore("touch \"$0.loading\"; while [ -e \"$0.wait\" ]; do sleep 0.05; done; exec \"$REAL/pg_restore\" \"$@\"");
    fs::write(hang.path().join("pg_restore.wait"), "").unwrap();
    let tool = restore(&sample).arg("--force").env("PG_BIN", hang.path()).spawn();
    wait_until("it loads", || hang.path().join("pg_restore.loading").exists());
    late.replace(sample.db.client());
    fs::remove_file(hang.path().join("pg_restore.wait")).unwrap();
    let out = tool.wait().expect_code(2);
    assert!(out.stderr.contains("swapping the names") && out.stderr.contains("is as it was"), "{}", out.stderr);
    let left = sample.leftovers();
    assert_eq!(left.len(), 1);
    assert!(left[0].contains("_restore_") && out.stderr.contains(&left[0]), "{}", out.stderr);
    assert_eq!((statements(sample.db.name()), statements(&left[0])), (7, 7));
    drop(late);
    drop_leftovers(&sample);
}

#[test]
fn a_person_is_asked_and_nobody_is_not() {
    let sample = ledger("asked");
    let name = sample.db.name().to_owned();
    let out = without_terminal(&sample, &[]).run().expect_code(64);
    assert!(out.stderr.contains("no terminal") && out.stderr.contains("--force; nothing was changed"), "{}", out.stderr);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
    let ask = |answer: &str, what: &str| {
        let line = format!("{} {what}", ml_tests::tool::bin_dir().join("ml-restore").display());
        let typed = Tool::foreign("script").args(["-qec", &line, "/dev/null"]).stdin(format!("{answer}\n")).env("SHELL", "/bin/sh");
        typed.env("DATABASE_URL", sample.db.url()).env("SYSTEM", &sample.system).run()
    };
    let restore = format!("'{}' --target {name}", sample.dump.display());
    let out = ask("n", &restore).expect_code(0);
    assert!(
        out.stdout.contains("which is kept as") && out.stdout.contains("Go on? [y/N]") && out.stdout.contains("not confirmed"),
        "{}",
        out.stdout
    );
    assert_eq!(sample.leftovers(), Vec::<String>::new());
    ask("y", &restore).expect_code(0);
    assert_eq!(sample.leftovers().len(), 1);
    assert!(ask("n", &format!("--drop-old {name}")).stdout.contains("Drop for good"));
    assert_eq!(sample.leftovers().len(), 1);
    ask("yes", &format!("--drop-old {name}")).expect_code(0);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}

#[test]
fn a_database_that_is_not_there_is_made_with_its_properties() {
    let db = Cluster::shared().database("gone");
    ml_tests::ledger::second_generation(&mut db.client());
    let name = db.name().to_owned();
    db.superuser()
        .batch_execute(&format!("ALTER DATABASE {name} SET work_mem TO '9MB'; GRANT CREATE ON DATABASE {name} TO PUBLIC"))
        .unwrap();
    let sample = sample(db, &[]);
    let before = catalog(&name);
    Cluster::shared().superuser("postgres").batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
    let out = restore(&sample).arg("--force").run().expect_code(0);
    assert!(out.record("step", "plan")["summary"].as_str().unwrap().contains("as the new database"));
    assert_eq!((catalog(&name), statements(&name), sample.leftovers()), (before, 7, Vec::new()));
}

#[test]
fn another_locale_provider_and_encoding() {
    let (cluster, name) = (Cluster::shared(), format!("t_icu_{}", std::process::id()));
    let mut superuser = cluster.superuser("postgres");
    let create = format!(
        "CREATE DATABASE {name} OWNER ml TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
    );
    superuser.batch_execute(&create).unwrap();
    cluster
        .superuser(&name)
        .batch_execute("CREATE TABLE \"größe\" (a text COLLATE \"de-x-icu\"); INSERT INTO \"größe\" VALUES ('ä')")
        .unwrap();
    let folder = TempDir::new().unwrap();
    let (dump, url) =
        (folder.path().join("x.dump"), format!("postgresql://postgres:{}@127.0.0.1:{}/{name}", cluster.password(), cluster.port()));
    Tool::new("ml-backup").env("DATABASE_URL", &url).arg("-o").arg(&dump).run().expect_code(0);
    let before = catalog(&name);
    let tool = || Tool::new("ml-restore").env("DATABASE_URL", &url).env("SYSTEM", &name).arg(&dump);
    tool().arg("--scratch").run().expect_code(0);
    let out = tool().args(["--target", &name, "--force"]).run();
    let after = catalog(&name);
    let old = out.record("step", "swap")["labels"]["old"].as_str().unwrap().to_owned();
    for name in [&name, &old] {
        superuser.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
    }
    assert_eq!(after, before);
    out.expect_code(0);
}

#[test]
fn a_bad_backup_never_touches_the_database() {
    let sample = ledger("bad");
    let name = sample.db.name().to_owned();
    let whole = fs::read(&sample.dump).unwrap();
    fs::write(&sample.dump, &whole[..whole.len() - 100]).unwrap();
    restore(&sample).arg("--force").run().expect_code(4);
    fs::remove_file(sample.manifest()).unwrap();
    restore(&sample).arg("--force").run().expect_code(4);
    restore(&sample).args(["--force", "--target", "postgres"]).run().expect_code(64);
    assert_eq!((statements(&name), sample.leftovers()), (7, Vec::new()));
}

#[test]
fn an_unsound_ledger_is_swapped_in_only_when_that_is_accepted() {
    let db = Cluster::shared().database("accept");
    ml_tests::ledger::second_generation(&mut db.client());
    db.client().batch_execute("UPDATE blocks SET merkle_root = repeat('0', 64) WHERE block_number = 1").unwrap();
    let sample = sample(db, &[]);
    let out = restore(&sample).arg("--force").run().expect_code(4);
    assert!(out.end()["hint"].as_str().unwrap().contains("--accept-ledger-faults"));
    assert_eq!(sample.leftovers(), Vec::<String>::new());
    restore(&sample).args(["--force", "--accept-ledger-faults"]).run().expect_code(1);
    assert_eq!(sample.leftovers().len(), 1);
    drop_leftovers(&sample);
}

#[test]
fn roles_that_are_gone_are_told() {
    let db = Cluster::shared().database("roles");
    ml_tests::ledger::second_generation(&mut db.client());
    let grants = "GRANT SELECT ON statements TO {role}; CREATE TABLE theirs (a int); ALTER TABLE theirs OWNER TO {role}";
    let role = db.role("gone", grants).name;
    let name = db.name().to_owned();
    let sample = {
        let folder = TempDir::new().unwrap();
        let dump = folder.path().join("x.dump");
        let url = format!("postgresql://postgres:{0}@127.0.0.1:{1}/{name}", db.password(), Cluster::shared().port());
        Tool::new("ml-backup").env("DATABASE_URL", url).arg("-o").arg(&dump).run().expect_code(0);
        let system = format!("s{name}");
        Sample { db, folder, dump, system }
    };
    sample.db.superuser().batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
    sample.drill(&sample.dump).run().expect_code(0);
    let out = restore(&sample).arg("--force").run().expect_code(1);
    assert!(out.record("step", "plan")["summary"].as_str().unwrap().contains(&role));
    let rights = out.record("step", "load.rights");
    assert!(rights["status"] == "warn" && rights["summary"].as_str().unwrap().contains("does not exist"), "{rights}");
    assert_eq!(statements(&name), 7);
    drop_leftovers(&sample);
}

/// A folder for PG_BIN whose pg_restore does `instead` when it is to load.
fn fake_restore(instead: &str) -> TempDir {
    let (folder, real) = (TempDir::new().unwrap(), Cluster::shared().bin().display().to_string());
    std::os::unix::fs::symlink(format!("{real}/pg_dump"), folder.path().join("pg_dump")).unwrap();
    let text = format!("#!/bin/sh\nREAL={real}\ncase \"$*\" in *--dbname*) ;; *) exec \"$REAL/pg_restore\" \"$@\" ;; esac\n{instead}\n");
    let path = folder.path().join("pg_restore");
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn interrupted_it_cleans_up_and_killed_it_leaves_the_old_one() {
    let sample = ledger("stopped");
    let name = sample.db.name().to_owned();
    let hang = fake_restore("touch \"$0.loading\"; exec sleep 1000");
    let loading = hang.path().join("pg_restore.loading");
    for mode in ["--scratch", "--target"] {
        for (signal, code) in [(2, 130), (15, 143), (9, 137)] {
            let _ = fs::remove_file(&loading);
            let tool = sample.restore().env("PG_BIN", hang.path()).arg(&sample.dump);
            let tool = if mode == "--scratch" { tool.arg(mode) } else { tool.args([mode, &name, "--force"]) }.spawn();
            wait_until("it loads", || loading.exists());
            tool.signal(signal);
            tool.wait().expect_code(code);
            assert_eq!(statements(&name), 7);
            let left = sample.leftovers();
            assert_eq!(left.len(), usize::from(signal == 9), "{left:?}");
            if mode == "--target" && signal == 9 {
                wait_until("the killed run's lock is gone", || sample.restore().args(["--drop-old", &name, "--force"]).run().code == 0);
            }
            drop_leftovers(&sample);
        }
    }
}

#[test]
fn what_killed_drills_left_goes_when_it_is_a_day_old() {
    let sample = ledger("stale");
    let mut client = sample.db.client();
    let (stale, young) =
        (format!("{}_scratch_20200101_000000_0000beef", sample.system), format!("{}_scratch_29990101_000000_0000beef", sample.system));
    for name in [&stale, &young] {
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    }
    let out = sample.drill(&sample.dump).run().expect_code(0);
    assert!(out.record("step", &format!("drop.{stale}"))["reason"].as_str().unwrap().contains("more than a day ago"));
    assert_eq!(sample.leftovers(), [young]);
    drop_leftovers(&sample);
}
