//! Nights on a real PostgreSQL and Redis.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use ml_logic::{Formula, System};
use ml_tests::{Cluster, Output, RedisServer, ledger};
use redis::Commands;
use std::collections::BTreeSet;
use support::{count, derive, derive_and_queue, empty, metric, night, number, rows, verify};

fn texts(db: &ml_tests::TestDb) -> Vec<String> {
    let rows = db.client().query("SELECT content_norm FROM statements ORDER BY created_at, derivation_depth, hash", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn nights_continue_each_other() {
    let db = empty("nights");
    let first = derive(&db, &[]).run().expect_code(0);
    assert_eq!(night(&first), (100, "total"));
    assert_eq!(metric(first.record("step", "block"), "statements"), 100);
    assert_eq!(metric(first.record("step", "block"), "block"), 1);
    assert_eq!(first.record("step", "queue")["status"], "skipped");
    assert!(first.record("step", "queue")["reason"].as_str().unwrap().contains("REDIS_URL"));
    let levels: Vec<_> = first.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("level-")).collect();
    assert_eq!(levels.len() as i64, metric(first.end(), "steps"));
    assert_eq!(levels.iter().map(|level| metric(level, "kept")).sum::<i64>(), 97, "and three axioms");
    assert!(levels.iter().all(|level| metric(level, "kept") <= 40));
    assert_eq!(metric(levels.last().unwrap(), "cut"), metric(first.end(), "cut"));
    assert_eq!(metric(first.end(), "max_depth"), number(&mut db.client(), "SELECT max(derivation_depth)::bigint FROM statements"));

    let second = derive(&db, &[]).run().expect_code(0);
    assert_eq!(night(&second), (100, "total"));
    assert_eq!(metric(second.record("step", "stock"), "facts"), 100);
    assert_eq!((count(&db, "statements"), count(&db, "blocks"), count(&db, "proofs")), (200, 2, 197));
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'completed'"), 2);

    let report = verify(&db);
    assert_eq!((report.checked, report.axioms, report.proven), (200, 3, 197));
    let frege = System::named("frege").unwrap();
    let formulas: Vec<Formula> = texts(&db).iter().map(|text| text.parse().unwrap()).collect();
    assert!(formulas.iter().all(|formula| frege.sound(formula, &ml_logic::Limits::default()) != Some(false)));
    assert_eq!(formulas.iter().map(Formula::canonical).collect::<BTreeSet<_>>().len(), 200, "no statement twice");
}

#[test]
fn the_same_ledger_gives_the_same_night() {
    let (one, other) = (empty("same"), empty("same"));
    for _ in 0..2 {
        derive(&one, &[]).run().expect_code(0);
        derive(&other, &[]).run().expect_code(0);
    }
    assert_eq!(texts(&one), texts(&other));
    let root = "SELECT string_agg(merkle_root, ' ' ORDER BY block_number) FROM blocks";
    let roots = [&one, &other].map(|db| db.client().query_one(root, &[]).unwrap().get::<_, String>(0));
    assert_eq!(roots[0], roots[1]);
}

/// Small nights together reach what one long one reaches, try no pair twice, and then add nothing.
#[test]
fn nights_end_in_saturation() {
    let (small, long) = (empty("small"), empty("long"));
    let all = derive(&long, &["--depth-max", "2", "--max-total", "10000", "--max-breadth", "10000"]).run().expect_code(0);
    let (total, stop) = night(&all);
    assert_eq!(stop, "depth");
    let mut nights = 0;
    let mut tried = 0;
    loop {
        let output = derive(&small, &["--depth-max", "2", "--max-total", "11", "--max-breadth", "7"]).run().expect_code(0);
        let levels = output.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("level-"));
        tried += levels.map(|level| metric(level, "candidates")).sum::<i64>();
        nights += 1;
        if night(&output).0 == 0 {
            assert_eq!(night(&output), (0, "depth"));
            break;
        }
        assert!(nights < 50);
    }
    let set = |db| texts(db).into_iter().collect::<BTreeSet<_>>();
    assert_eq!((set(&small).len() as i64, set(&small)), (total, set(&long)));
    assert!(nights > 3);
    // A batch that was cut off is tried again, by each night once; what is behind the frontier never.
    assert!(tried <= nights * 200, "{tried} in {nights} nights");

    let before = rows(&small);
    let third = derive(&small, &["--depth-max", "2"]).run().expect_code(0);
    assert_eq!(night(&third), (0, "depth"));
    assert_eq!((metric(third.record("step", "stock"), "open"), metric(third.end(), "steps")), (0, 0));
    assert_eq!(third.record("step", "block")["status"], "skipped");
    let is_run = |row: &&String| row.starts_with("runs");
    assert_eq!(
        before.iter().filter(|row| !is_run(row)).collect::<Vec<_>>(),
        rows(&small).iter().filter(|row| !is_run(row)).collect::<Vec<_>>()
    );

    // Higher proofs open what could be no premise before.
    let deeper = derive(&small, &["--depth-max", "3"]).run().expect_code(0);
    assert_eq!((night(&deeper).0, metric(deeper.end(), "max_depth")), (100, 3));
    verify(&small);
    // A night with a lower limit in between opens nothing that was tried with the higher one.
    let open = |args: &[&str]| metric(derive(&small, args).run().expect_code(0).record("step", "stock"), "open");
    let before = open(&["--depth-max", "3", "--max-total", "10000", "--max-breadth", "10000"]);
    assert!(before > 0);
    assert_eq!(open(&["--depth-max", "3"]), 0);
    assert_eq!(open(&["--depth-max", "2"]), 0);
    assert_eq!(open(&["--depth-max", "3"]), 0);
}

/// Nights that cut nothing are one night: the same pairs, the same statements.
#[test]
fn no_pair_is_tried_twice() {
    let (small, long) = (empty("pieces"), empty("whole"));
    let args = ["--depth-max", "3", "--max-total", "100000", "--max-breadth", "100000"];
    let levels = |output: &Output| -> Vec<Vec<i64>> {
        let levels = output.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("level-"));
        levels.map(|level| ["candidates", "duplicates", "instances", "kept", "cut"].map(|name| metric(level, name)).to_vec()).collect()
    };
    let whole = derive(&long, &args).run().expect_code(0);
    assert_eq!(night(&whole).1, "depth");
    let mut pieces = Vec::new();
    loop {
        let piece = derive(&small, &args).args(["--steps", "1"]).run().expect_code(0);
        pieces.extend(levels(&piece));
        if night(&piece).1 == "depth" {
            break;
        }
        assert_eq!(night(&piece).1, "steps");
    }
    assert_eq!(pieces, levels(&whole));
    assert!(pieces.len() >= 3 && pieces.iter().all(|level| level[4] == 0), "{pieces:?}");
    let set = |db| texts(db).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(set(&small), set(&long));
    // Of all facts that may be premises each was tried with each, once.
    let low = number(&mut long.client(), "SELECT count(*) FROM statements WHERE derivation_depth < 3");
    assert_eq!(pieces.iter().map(|level| level[0]).sum::<i64>(), low * low);
}

#[test]
fn named_theorems_come_first_and_are_told() {
    let db = empty("named");
    let output = derive(&db, &["--max-breadth", "4", "--max-total", "40", "--steps", "9"]).run().expect_code(0);
    let named: i64 = output.kind("step").filter_map(|step| step["metrics"]["named"].as_i64()).sum();
    assert!(named > 0);
    assert_eq!(metric(output.end(), "named"), named);
    let mut client = db.client();
    let stored = "SELECT count(*) FROM runs r, LATERAL jsonb_each_text(r.metadata->'named') n JOIN statements s ON s.hash = n.key";
    assert_eq!(number(&mut client, stored), named);
    let identity = client
        .query_opt(
            "SELECT n.value FROM runs r, LATERAL jsonb_each_text(r.metadata->'named') n WHERE n.key = $1",
            &[&ml_logic::hash::statement_text("p->p")],
        )
        .unwrap();
    assert_eq!(identity.unwrap().get::<_, String>(0), "*2.08 Id, identity; has the instance *2.11, *2.53, *2.54");
    let level = output.kind("step").find(|step| step["labels"]["named"].as_str().is_some_and(|names| names.contains("*2.08 Id"))).unwrap();
    assert!(metric(level, "named") > 0 && metric(level, "kept") <= 4, "{level}");
}

/// What another hand has written is counted, named in the record and never built on.
#[test]
fn a_ledger_with_all_kinds_of_foreign_rows() {
    let db = empty("strange");
    let mut client = db.client();
    let suffix = " axioms=CpCqp,CCpCqrCCpqCpr,CCNpNqCqp";
    let huge = "p->".repeat(70_000) + "p";
    let (ours, other) = (format!("DD211{suffix}"), "D11 axioms=CpCqp".to_owned());
    let deep = format!("{}p{}", "(".repeat(100_000), ")".repeat(100_000));
    // Text, proof, whether the hash is the text's.
    let rows: [(&str, Option<&str>, bool); 12] = [
        ("p<->p", None, true),
        ("\u{2200}x.P(x)", None, true),
        ("", None, true),
        (&deep[..], None, true),
        ("p/\\q->p", None, true),
        ("[]p->p", None, true),
        ("p->p\\/q", Some("by tauto"), true),
        ("a->b->a->b", Some(&ours), true),
        ("p->p", Some(&ours), false),
        ("p->q->r->q", Some(&other), true),
        ("p->p->p->p", Some("D1 axioms=CpCqp,CCpCqrCCpqCpr,CCNpNqCqp"), true),
        (&huge, Some(&ours), true),
    ];
    for (text, proof, own) in rows {
        let hash = ml_logic::hash::statement_text(if own { text } else { "another" });
        let insert = "INSERT INTO statements (system_id, hash, content_norm, status, derivation_depth) SELECT id, $1, $2, 'proven', 0 FROM theories RETURNING id::text, system_id::text";
        let row = client.query_one(insert, &[&hash, &text]).unwrap();
        let (id, theory): (String, String) = (row.get(0), row.get(1));
        let proven = "INSERT INTO proofs (statement_id, system_id, prover, proof_term, success, status) VALUES ($1::text::uuid, $2::text::uuid, 'x', $3, true, 'success')";
        if let Some(proof) = proof {
            client.execute(proven, &[&id, &theory, &proof]).unwrap();
        }
    }
    let output = derive(&db, &[]).run().expect_code(0);
    let stock = output.record("step", "stock");
    let counts = ["facts", "open", "inert", "unreadable"].map(|name| metric(stock, name));
    // The text of parentheses alone is `p`, and what claims to be proven is known, however wrong.
    assert_eq!(counts, [3, 3, 9, 3], "{stock}");
    let said = stock["summary"].as_str().unwrap();
    assert!(said.contains("9 theorems have no proof") && said.contains("3 theorems are no formulas"), "{said}");
    assert_eq!(night(&output).0, 100);
    let derived = "SELECT s.content_norm FROM statements s JOIN proofs p ON p.statement_id = s.id WHERE p.prover = 'ml-derive'";
    let frege = System::named("frege").unwrap();
    let texts: Vec<String> = client.query(derived, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(texts.len(), 97);
    assert!(texts.iter().all(|text| frege.sound(&text.parse().unwrap(), &ml_logic::Limits::default()) == Some(true)));
    // Known is known: what stands there already is not derived once more, whoever proved it.
    assert!(!texts.iter().any(|text| text == "p->q->r->q" || text == "p->p"));
}

#[test]
fn a_night_goes_on_after_foreign_statements_and_lost_ones() {
    let db = empty("foreign");
    derive(&db, &["--depth-max", "2", "--max-total", "10000"]).run().expect_code(0);
    let all = texts(&db);
    // As if another writer had recorded it long ago, and one of ours was lost.
    let gone = "(p->q)->p->p";
    let mut client = db.client();
    client.batch_execute("UPDATE proofs SET created_at = created_at - interval '1 year' WHERE statement_id = (SELECT id FROM statements WHERE content_norm = 'p->q->r->q')").unwrap();
    client.execute("DELETE FROM statements WHERE content_norm = $1", &[&gone]).unwrap();
    let output = derive(&db, &["--depth-max", "2", "--max-total", "10000"]).run().expect_code(0);
    assert!(metric(output.record("step", "stock"), "open") > 0);
    assert_eq!(night(&output), (1, "depth"));
    let set = |texts: Vec<String>| texts.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(set(texts(&db)), set(all));
}

#[test]
fn a_ledger_with_foreign_theorems_is_continued() {
    let db = Cluster::shared().database("older");
    ledger::second_generation(&mut db.client());
    let output = derive(&db, &[]).run().expect_code(0);
    let stock = output.record("step", "stock");
    assert_eq!((metric(stock, "facts"), metric(stock, "inert")), (3, 3), "three axioms, three theorems with proofs of another kind");
    assert_eq!(night(&output).0, 100);
    assert_eq!(metric(output.record("step", "block"), "block"), 3);
    // The open statement stays open: it is no theorem.
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM statements WHERE status = 'open'"), 1);
    let report = verify(&db);
    assert_eq!((report.checked, report.axioms, report.foreign), (106, 3, 2), "one of them is a single detachment all the same");
}

#[test]
fn an_open_statement_that_is_derived_is_proven_then() {
    let db = empty("open");
    let open = "INSERT INTO statements (system_id, hash, content_norm, status, created_at) SELECT id, $1, $2, 'open', now() - interval '9 days' FROM theories";
    let text = "p->p".to_owned();
    db.client().execute(open, &[&ml_logic::hash::statement_text(&text), &text]).unwrap();
    derive(&db, &[]).run().expect_code(0);
    let row = db.client().query_one("SELECT status, derivation_depth FROM statements WHERE content_norm = 'p->p'", &[]).unwrap();
    assert_eq!((row.get::<_, String>(0).as_str(), row.get::<_, i32>(1)), ("proven", 2));
    let next = derive(&db, &[]).run().expect_code(0);
    assert_eq!(metric(next.record("step", "stock"), "inert"), 0, "and is built on");
    verify(&db);
}

#[test]
fn a_wrong_proof_in_the_ledger_is_not_built_on() {
    let db = empty("wrong");
    derive(&db, &["--max-total", "30"]).run().expect_code(0);
    // Claims to be proven by a proof that proves something else.
    let mut client = db.client();
    let lie = "p->q";
    client
        .execute(
            "UPDATE statements SET content_norm = $1, hash = $2 WHERE content_norm = 'p->p'",
            &[&lie, &ml_logic::hash::statement_text(lie)],
        )
        .unwrap();
    let output = derive(&db, &[]).run().expect_code(1);
    let check = output.record("check", "checker");
    assert_eq!(check["status"], "warn");
    assert!(check["value"].as_i64().unwrap() > 0 && check["hint"].as_str().unwrap().contains("ml-check"), "{check}");
    let frege = System::named("frege").unwrap();
    let wrong = texts(&db)
        .iter()
        .map(|text| text.parse::<Formula>().unwrap())
        .filter(|formula| frege.sound(formula, &ml_logic::Limits::default()) == Some(false))
        .count();
    assert_eq!(wrong, 1, "none but the lie itself");
}

#[test]
fn other_axioms_are_another_ledger() {
    let db = empty("axioms");
    let output = derive(&db, &["--axioms", "hilbert-ks"]).run().expect_code(0);
    assert_eq!(night(&output).0, 100);
    let refused = derive(&db, &["--axioms", "frege"]).run().expect_code(78);
    assert!(refused.end()["hint"].as_str().unwrap().contains("DERIVE_AXIOMS"), "{}", refused.stdout);
    assert!(refused.end()["summary"].as_str().unwrap().contains("(~p->~q)->q->p"), "{}", refused.stdout);
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'failed' AND metadata->>'reason' LIKE '%axioms%'"), 1);
    derive(&db, &["--axioms", "hilbert-ks"]).run().expect_code(0);
}

#[test]
fn necessitation_at_night() {
    let db = empty("s5");
    derive(&db, &["--axioms", "s5"]).run().expect_code(0);
    derive(&db, &["--axioms", "s5"]).run().expect_code(0);
    assert!(number(&mut db.client(), "SELECT count(*) FROM statements WHERE derivation_rule = 'nec'") > 0);
    verify(&db);
}

#[test]
fn the_queue_is_filled_to_its_limit_and_no_further() {
    let (db, redis) = (empty("queue"), RedisServer::start());
    let mut queue = redis.connection();
    let first = derive_and_queue(&db, &redis, 60).run().expect_code(0);
    assert_eq!((metric(first.end(), "enqueued"), metric(first.record("step", "queue"), "waiting")), (60, 37));
    assert_eq!(queue.llen::<_, i64>("ml:jobs").unwrap(), 60);
    let second = derive_and_queue(&db, &redis, 60).run().expect_code(0);
    assert_eq!((metric(second.end(), "enqueued"), metric(second.record("step", "queue"), "waiting")), (0, 137));
    let taken: Vec<String> = queue.lpop("ml:jobs", std::num::NonZeroUsize::new(60)).unwrap();
    let third = derive_and_queue(&db, &redis, 1000).run().expect_code(0);
    assert_eq!((metric(third.end(), "enqueued"), metric(third.record("step", "queue"), "waiting")), (237, 0));
    let rest: Vec<String> = queue.lrange("ml:jobs", 0, -1).unwrap();
    let jobs: Vec<serde_json::Value> = taken.iter().chain(&rest).map(|job| serde_json::from_str(job).unwrap()).collect();
    assert!(jobs.iter().all(|job| job["theory"] == "Propositional" && job.as_object().unwrap().len() == 2));
    let enqueued: BTreeSet<&str> = jobs.iter().map(|job| job["statement"].as_str().unwrap()).collect();
    let theorems: BTreeSet<String> = texts(&db).into_iter().collect();
    assert_eq!((jobs.len(), enqueued.len()), (297, 297), "each theorem once, no axiom");
    assert!(enqueued.iter().all(|text| theorems.contains(*text)));
    let fourth = derive_and_queue(&db, &redis, 1000).args(["--max-total", "1"]).run().expect_code(0);
    assert_eq!(metric(fourth.end(), "enqueued"), 1);
    assert!(!first.stdout.contains(redis.password()) && !first.stdout.contains(db.password()));
}

#[test]
fn without_redis_the_theorems_are_kept_and_enqueued_later() {
    let db = empty("noredis");
    let port = ml_tests::closed_port();
    let output = derive(&db, &[]).env("REDIS_URL", format!("redis://:secret@127.0.0.1:{port}/0")).run().expect_code(1);
    assert_eq!(night(&output).0, 100);
    let step = output.record("step", "queue");
    assert_eq!((step["status"].as_str(), metric(step, "waiting"), metric(step, "enqueued")), (Some("warn"), 97, 0));
    assert!(step["hint"].as_str().unwrap().contains("next run"), "{step}");
    assert_eq!(count(&db, "statements"), 100);
    assert!(!output.stdout.contains("secret") && !output.stderr.contains("secret"));
    let redis = RedisServer::start();
    let output = derive_and_queue(&db, &redis, 1000).run().expect_code(0);
    assert_eq!(metric(output.end(), "enqueued"), 197);
}

#[test]
fn a_dry_night_changes_nothing() {
    let (db, redis) = (empty("dry"), RedisServer::start());
    for nights in 0..2 {
        let before = rows(&db);
        let dry = derive_and_queue(&db, &redis, 1000).arg("--dry-run").run().expect_code(0);
        assert_eq!(rows(&db), before);
        assert_eq!(redis.connection().llen::<_, i64>("ml:jobs").unwrap(), nights * 97);
        assert_eq!(dry.end()["status"], "planned");
        assert!(dry.kind("step").all(|step| step["status"] == "planned"));
        let real = derive_and_queue(&db, &redis, 1000).run().expect_code(0);
        assert_eq!(night(&dry), night(&real));
    }
}
