//! Writing into a ledger of the second generation, and proving again what was written.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

use ml_common::signal::Cancel;
use ml_common::{Class, Result};
use ml_ledger::blocks::{Block, seal};
use ml_ledger::chain::verify_chain;
use ml_ledger::reprove::{Report, reprove};
use ml_ledger::write::{NewTheorem, insert_theorems};
use ml_ledger::{Sample, Shape, premises, proof_term, runs, theories};
use ml_logic::{Formula, hash};
use ml_tests::{Cluster, TestDb, ledger};
use postgres::Client;
use serde_json::json;

struct Ledger {
    _db: TestDb,
    client: Client,
    shape: Shape,
    system: String,
}

const K: &str = "p->q->p";
const S: &str = "(p->q->r)->(p->q)->p->r";

fn ledger(hint: &str) -> Ledger {
    let db = Cluster::shared().database(hint);
    let mut client = db.client();
    ledger::second_generation(&mut client);
    let shape = Shape::discover(&mut client).unwrap();
    let system = theories::require_base(&mut client, &shape).unwrap().id;
    Ledger { _db: db, client, shape, system }
}

fn digest(text: &str) -> String {
    hash::statement_text(text)
}

fn theorem(text: &str, depth: u32, parents: [&str; 2], proof: &str) -> NewTheorem {
    let axioms: Vec<Formula> = [K, S].map(|text| text.parse().unwrap()).into();
    NewTheorem {
        hash: digest(text),
        canonical: text.into(),
        rule: "mp".into(),
        depth,
        parents: parents.map(digest).into(),
        proof_term: Some(proof_term::encode(proof, &axioms)),
        is_axiom: false,
    }
}

/// S applied to K, and that applied to itself in two ways; the last uses the same premise twice.
fn theorems() -> Vec<NewTheorem> {
    vec![
        theorem("(p->q)->p->p", 1, [S, K], "D21"),
        theorem("((p->q)->p)->(p->q)->p", 2, [S, "(p->q)->p->p"], "D2D21"),
        theorem("p->q->r->q", 1, [K, K], "D11"),
    ]
}

impl Ledger {
    fn write(&mut self, theorems: &[NewTheorem]) -> Result<(Vec<String>, Block)> {
        let run = runs::begin(&mut self.client, &self.shape, &self.system, "ml-derive", &json!({ "limit": 5 }))?;
        let mut tx = self.client.transaction().unwrap();
        let new = insert_theorems(&mut tx, &self.shape, &self.system, theorems)?;
        let block = seal(&mut tx, &self.shape, &self.system, run, &new)?;
        runs::complete(&mut tx, &self.shape, run, &json!({ "frontier": [1, 2] }))?;
        tx.commit().unwrap();
        Ok((new, block))
    }

    fn reprove(&mut self) -> Report {
        reprove(&mut self.client, &self.shape, Sample::All, &Cancel::default()).unwrap()
    }

    fn number(&mut self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).unwrap().get(0)
    }
}

#[test]
fn what_is_written_is_sealed_and_proven_again() {
    let mut ledger = ledger("written");
    let before = ledger.reprove();
    let (new, block) = ledger.write(&theorems()).unwrap();
    assert_eq!(new, theorems().into_iter().map(|theorem| theorem.hash).collect::<Vec<_>>());
    assert_eq!((block.number, block.statements.len()), (3, 3));
    let report = verify_chain(&mut ledger.client, &ledger.shape, &Cancel::default()).unwrap();
    assert_eq!((report.problems.as_slice(), report.height), (&[][..], Some(3)));
    let after = ledger.reprove();
    assert_eq!((after.proven, after.failures), (before.proven + 3, 0), "{after:?}");
    assert_eq!(ledger.number("SELECT count(*) FROM proof_parents") - 5, 6, "also a premise that is used twice");
    assert_eq!(ledger.number("SELECT count(*) FROM dependencies") - 5, 5);
    let sql =
        "SELECT count(*) FROM proofs WHERE prover = 'ml-derive' AND success AND status = 'success' AND method = 'condensed-detachment'
        AND system_id IS NOT NULL AND proof_hash = encode(sha256(convert_to(proof_term, 'UTF8')), 'hex')";
    assert_eq!(ledger.number(sql), 3);
    assert_eq!(
        ledger.number("SELECT count(*) FROM statements WHERE truth_domain = 'classical' AND content = content_norm AND status = 'proven'"),
        9
    );
    let last = runs::last_completed(&mut ledger.client, &ledger.shape, &ledger.system, "ml-derive").unwrap().unwrap();
    assert_eq!(last.metadata, json!({ "limit": 5, "frontier": [1, 2] }));
}

#[test]
fn a_derivation_begins_with_every_theorem_and_builds_on_its_own() {
    let mut ledger = ledger("premises");
    ledger.write(&theorems()).unwrap();
    let axioms: Vec<Formula> = [K, S].map(|text| text.parse().unwrap()).into();
    let mut read = |system: &str, axioms: &[Formula]| {
        let mut found: Vec<(String, Option<String>)> = Vec::new();
        premises::for_each(&mut ledger.client, &ledger.shape, system, axioms, |premise| {
            assert_eq!((digest(&premise.canonical), premise.since > 0), (premise.hash, premise.proof.is_some()));
            found.push((premise.canonical, premise.proof));
            Ok(())
        })
        .unwrap();
        let (own, other): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, proof)| proof.is_some());
        let mut proofs: Vec<String> = own.into_iter().filter_map(|(_, proof)| proof).collect();
        proofs.sort();
        (proofs, other.len())
    };
    let system = ledger.system.clone();
    assert_eq!(read(&system, &axioms), (vec!["D11".to_owned(), "D21".into(), "D2D21".into()], 6), "three axioms, three theorems of others");
    assert_eq!(read(&system, &axioms[..1]), (vec![], 9), "proofs from other axioms are no proofs");
    assert_eq!(read("00000000-0000-0000-0000-000000000000", &axioms), (vec![], 9), "and so are those of another theory");
}

#[test]
fn nothing_is_written_twice() {
    let mut ledger = ledger("twice");
    let double = [theorems(), theorems()].concat();
    assert_eq!(ledger.write(&double).unwrap().0.len(), 3);
    let counts = "SELECT (SELECT count(*) FROM statements) + (SELECT count(*) FROM proofs) + (SELECT count(*) FROM proof_parents)";
    let before = ledger.number(counts);
    let mut tx = ledger.client.transaction().unwrap();
    assert_eq!(insert_theorems(&mut tx, &ledger.shape, &ledger.system, &double).unwrap(), Vec::<String>::new());
    tx.commit().unwrap();
    assert_eq!(ledger.number(counts), before);
}

#[test]
fn an_open_statement_is_answered_and_a_disproven_one_refused() {
    let mut ledger = ledger("open");
    let insert = "INSERT INTO statements (system_id, hash, content_norm, status) SELECT id, $1, $2, $3 FROM theories";
    let (open, disproven) = ("(p->q)->p->p", "p->q->r->q");
    ledger.client.execute(insert, &[&digest(open), &open, &"open"]).unwrap();
    assert_eq!(ledger.write(&theorems()[..1]).unwrap().0, [digest(open)]);
    assert_eq!(ledger.reprove().failures, 0);
    assert_eq!(
        ledger.number("SELECT derivation_depth::bigint FROM statements WHERE content_norm = '(p->q)->p->p' AND status = 'proven'"),
        1
    );
    ledger.client.execute(insert, &[&digest(disproven), &disproven, &"disproven"]).unwrap();
    let failure = ledger.write(&theorems()).unwrap_err();
    assert_eq!((failure.class, failure.message.ends_with(disproven)), (Class::Database, true), "{failure:?}");
}

#[test]
fn a_theorem_of_other_axioms_can_become_an_axiom() {
    let mut ledger = ledger("axiom");
    ledger.write(&theorems()).unwrap();
    let promoted = "p->q->r->q";
    let axiom =
        NewTheorem { hash: digest(promoted), canonical: promoted.into(), rule: "axiom".into(), is_axiom: true, ..NewTheorem::default() };
    let axioms: Vec<Formula> = [K, promoted].map(|text| text.parse().unwrap()).into();
    let parents = [digest(K), digest(promoted)].into();
    let proof_term = Some(proof_term::encode("D12", &axioms));
    let conclusion = ml_logic::detach(&axioms[0], &axioms[1], &ml_logic::Limits::default()).unwrap().unwrap().to_string();
    let new =
        NewTheorem { hash: digest(&conclusion), canonical: conclusion, rule: "mp".into(), depth: 1, parents, proof_term, is_axiom: false };
    assert_eq!(ledger.write(&[axiom, new.clone()]).unwrap().0, [new.hash]);
    let report = ledger.reprove();
    assert_eq!((report.failures, report.axioms), (0, 4), "{report:?}");
}

#[test]
fn a_missing_premise_is_refused() {
    let mut ledger = ledger("premise");
    let failure = ledger.write(&theorems()[1..2]).unwrap_err();
    assert_eq!(failure.message, "1 of 2 premises are not in the ledger");
    assert_eq!(ledger.number("SELECT count(*) FROM statements"), 7, "the transaction was not committed");
    assert_eq!(runs::close_stale(&mut ledger.client, &ledger.shape, &ledger.system, "ml-derive").unwrap(), 1);
    assert_eq!(ledger.number("SELECT count(*) FROM runs WHERE status = 'failed' AND metadata ? 'reason' AND completed_at IS NOT NULL"), 1);
}

#[test]
fn a_failed_run_shows() {
    let mut ledger = ledger("failed");
    let run = runs::begin(&mut ledger.client, &ledger.shape, &ledger.system, "ml-derive", &json!({})).unwrap();
    runs::fail(&mut ledger.client, &ledger.shape, run, "out of luck").unwrap();
    assert_eq!(ledger.number("SELECT count(*) FROM runs WHERE status = 'failed' AND metadata->>'reason' = 'out of luck'"), 1);
    assert_eq!(runs::last_completed(&mut ledger.client, &ledger.shape, &ledger.system, "ml-derive").unwrap(), None);
    assert!(runs::complete(&mut ledger.client, &ledger.shape, run + 1, &json!({})).unwrap_err().message.contains("is gone"));
}

#[test]
fn two_writers_cannot_seal_the_same_number() {
    let mut ledger = ledger("fence");
    let (shape, system) = (ledger.shape.clone(), ledger.system.clone());
    let mut other = ledger._db.client();
    let run = runs::begin(&mut other, &shape, &system, "other", &json!({})).unwrap();
    let mut slow = ledger.client.transaction().unwrap();
    let mut fast = other.transaction().unwrap();
    assert_eq!(seal(&mut slow, &shape, &system, run, &[digest(K)]).unwrap().number, 3);
    let mut watch = ledger._db.client();
    let refused = std::thread::scope(|scope| {
        let second = scope.spawn(|| seal(&mut fast, &shape, &system, run, &[digest(S)]));
        let waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while watch.query(waits, &[]).unwrap().is_empty() && !second.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        slow.commit().unwrap();
        second.join().unwrap().unwrap_err()
    });
    assert_eq!(refused.class, Class::Locked);
    fast.rollback().unwrap();
    assert_eq!(seal(&mut other.transaction().unwrap(), &shape, &system, run, &[]).unwrap_err().class, Class::Internal);
    assert_eq!(seal(&mut other.transaction().unwrap(), &shape, &system, run, &[digest(S)]).unwrap().number, 4);
}

#[test]
fn every_way_of_tampering_with_a_theorem_is_found() {
    let mut ledger = ledger("theorems");
    ledger.write(&theorems()).unwrap();
    let mut reasons = |sql: &str| {
        let mut tx = ledger.client.transaction().unwrap();
        tx.batch_execute(sql).unwrap();
        let report = reprove(&mut tx, &ledger.shape, Sample::All, &Cancel::default()).unwrap();
        tx.rollback().unwrap();
        report.failed.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>().join("; ")
    };
    let (first, second) = (digest("(p->q)->p->p"), digest("((p->q)->p)->(p->q)->p"));
    let other_hash = digest("q->p");
    for (sql, said) in [
        ("SELECT 1".to_owned(), String::new()),
        ("UPDATE proofs SET proof_term = replace(proof_term, 'D21 ', 'D11 ')".into(), "the proof proves p->q->r->q instead".into()),
        (
            "UPDATE proofs SET proof_term = replace(proof_term, 'CpCqp,', 'p,')".into(),
            "axiom 1 of its proof is no axiom of the ledger".into(),
        ),
        ("UPDATE proofs SET proof_term = replace(proof_term, 'D21 ', 'D2 ')".into(), "its proof term is not one that we write".into()),
        (format!("UPDATE statements SET is_axiom = false WHERE hash = '{}'", digest(S)), "axiom 2 of its proof is no axiom".into()),
        (
            format!("UPDATE statements SET derivation_depth = 2 WHERE hash = '{first}'"),
            format!("its depth is 2 and that of its parent {first} is 2"),
        ),
        (format!("UPDATE statements SET status = 'open' WHERE hash = '{first}'"), format!("its parent {first} is not proven")),
        (format!("DELETE FROM statements WHERE hash = '{first}'"), format!("its parent {first} is not in the ledger")),
        (
            format!("UPDATE proof_parents SET parent_hash = '{}' WHERE child_hash = '{second}' AND parent_hash = '{first}'", digest(K)),
            "by its parents: the proof proves".into(),
        ),
        (
            format!("UPDATE statements SET content_norm = 'q->p', hash = '{other_hash}' WHERE hash = '{second}'"),
            "the proof proves ((p->q)->p)->(p->q)->p instead".into(),
        ),
        (
            format!(
                "UPDATE proofs SET proof_term = NULL; UPDATE proof_parents SET parent_hash = '{}' WHERE child_hash = '{second}'",
                digest(K)
            ),
            "by its parents".into(),
        ),
    ] {
        let found = reasons(&sql);
        assert!(if said.is_empty() { found.is_empty() } else { found.contains(&said) }, "{sql}: {found}");
    }
}
