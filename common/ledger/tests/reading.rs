//! Reading ledgers of both generations, as they are found.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

use ml_common::signal::Cancel;
use ml_ledger::chain::{LOST_PARENTHESES, verify_chain};
use ml_ledger::reprove::reprove;
use ml_ledger::shape::Generation;
use ml_ledger::{Sample, Shape, counts, figures, runs, statements, theories};
use ml_tests::ledger::{self, SAMPLES, hash};
use ml_tests::{Cluster, TestDb};
use postgres::{Client, NoTls};

fn both(hint: &str) -> [(TestDb, Client, Shape); 2] {
    [ledger::first_generation, ledger::second_generation].map(|make: fn(&mut Client)| {
        let db = Cluster::shared().database(hint);
        let mut client = db.client();
        make(&mut client);
        let shape = Shape::discover(&mut client).unwrap();
        (db, client, shape)
    })
}

fn digest(text: &str) -> String {
    hash::hex(&hash::statement(text))
}

#[test]
fn both_generations_are_recognised_with_nothing_missing() {
    let [(_a, _, first), (_b, _, second)] = both("recognised");
    assert_eq!((first.generation, first.missing()), (Generation::First, vec![]));
    assert_eq!((second.generation, second.missing()), (Generation::Second, vec![]));
    assert_eq!(second.tables["dependencies"].primary_key, ["proof_id", "used_statement_id"]);
    assert_eq!(first.column("statements", "hash").unwrap().type_name, "bytea");
    assert!(first.column("statements", "hash").unwrap().not_null);
}

#[test]
fn a_role_without_grants_sees_the_tables_and_a_foreign_database_is_no_ledger() {
    let [_, (db, ..)] = both("grants");
    let role = db.role("stranger", "SELECT 1");
    let mut stranger = Client::connect(&db.url_as(&role.name, &role.password), NoTls).unwrap();
    let shape = Shape::discover(&mut stranger).unwrap();
    assert_eq!(shape.generation, Generation::Second);
    let failure = figures(&mut stranger, &shape).unwrap_err();
    assert!(failure.message.contains("permission denied for table proofs") && failure.hint.unwrap().contains("GRANT"));

    let other = Cluster::shared().database("foreign");
    other.client().batch_execute("CREATE TABLE orders (id int); CREATE TABLE proofs (id int)").unwrap();
    let shape = Shape::discover(&mut other.client()).unwrap();
    assert!(!shape.is_ledger());
    let failure = shape.require_ledger().unwrap_err();
    assert_eq!(failure.message, "the database is not a ledger: it lacks theories, statements, proofs.statement_id");
}

#[test]
fn the_ledger_is_found_in_another_schema_of_the_search_path() {
    let db = Cluster::shared().database("schema");
    let mut client = db.client();
    client.batch_execute("CREATE EXTENSION pgcrypto; CREATE EXTENSION pg_trgm; CREATE SCHEMA \"Big Ledger\"").unwrap();
    client.batch_execute("SET search_path = \"Big Ledger\", public").unwrap();
    ledger::second_generation(&mut client);
    client.batch_execute("SET search_path = public, \"Big Ledger\"").unwrap();
    let shape = Shape::discover(&mut client).unwrap();
    assert_eq!((shape.schema.as_str(), shape.generation), ("Big Ledger", Generation::Second));
    assert_eq!(figures(&mut client, &shape).unwrap().statements, 7);
    assert!(verify_chain(&mut client, &shape, &Cancel::default()).unwrap().is_intact());
}

#[test]
fn figures_and_counts_are_the_same_in_both() {
    for (_db, mut client, shape) in both("figures") {
        let found = figures(&mut client, &shape).unwrap();
        assert_eq!((found.proofs_total, found.proofs_success, found.proofs_failure), (7, Some(3), Some(4)));
        assert_eq!((found.proofs_last_hour, found.statements, found.max_depth), (Some(1), 7, Some(3)));
        assert_eq!((found.blocks, found.block_height), (2, Some(2)));
        assert!((found.success_rate().unwrap() - 300.0 / 7.0).abs() < 1e-9);
        let rows = counts(&mut client, &shape).unwrap();
        assert_eq!((rows["statements"], rows["dependencies"], rows["lemma_cache"]), (7, 5, 1));
        assert_eq!(rows.get("proof_parents").copied(), (shape.generation == Generation::Second).then_some(5));
        assert_eq!(theories::require_base(&mut client, &shape).unwrap().name, "Propositional");
        assert_eq!(theories::find(&mut client, &shape, "nothing").unwrap(), None);
    }
}

#[test]
fn an_empty_ledger_has_no_base_theory_and_no_rate() {
    for (_db, mut client, shape) in both("empty") {
        client.batch_execute("TRUNCATE theories CASCADE").unwrap();
        assert!(theories::require_base(&mut client, &shape).unwrap_err().message.contains("no base theory Propositional"));
        let found = figures(&mut client, &shape).unwrap();
        assert_eq!((found.success_rate(), found.max_depth), (None, None));
    }
}

#[test]
fn statements_are_read_the_same_from_both() {
    for (_db, mut client, shape) in both("statements") {
        let mut all = Vec::new();
        statements::for_each(&mut client, &shape, Sample::All, |stored| {
            all.push(stored);
            Ok(())
        })
        .unwrap();
        assert_eq!(all.len(), SAMPLES.len());
        assert!(all.windows(2).all(|pair| (pair[0].depth, &pair[0].hash) < (pair[1].depth, &pair[1].hash)));
        for sample in &SAMPLES {
            let stored = all.iter().find(|stored| stored.canonical == sample.text).unwrap();
            assert_eq!((stored.hash.as_str(), stored.depth), (digest(sample.text).as_str(), Some(i64::from(sample.depth))));
            assert_eq!((stored.rule.as_deref(), stored.is_axiom), (sample.rule, sample.rule == Some("axiom")));
            assert_eq!((stored.proof_term.as_deref(), stored.theory.as_deref()), (sample.proof, Some("Propositional")));
            let (mut parents, mut expected) = (stored.parents.clone(), sample.parents.iter().map(|text| digest(text)).collect::<Vec<_>>());
            if stored.parents_ordered {
                assert_eq!(parents, expected);
            }
            parents.sort();
            expected.sort();
            assert_eq!(parents, expected);
            assert!(stored.created_at.as_deref().unwrap().ends_with('Z'));
        }
        for sample in [Sample::First(2), Sample::Random(2)] {
            let mut seen = 0;
            let read = |_| {
                seen += 1;
                Ok(())
            };
            statements::for_each(&mut client, &shape, sample, read).unwrap();
            assert_eq!(seen, 2);
        }
        let stopped =
            statements::for_each(&mut client, &shape, Sample::All, |_| Err(ml_common::Failure::new(ml_common::Class::General, "enough")));
        assert_eq!(stopped.unwrap_err().message, "enough");
        assert!(!client.is_closed() && client.query("SELECT 1", &[]).is_ok());
    }
}

#[test]
fn many_statements_pass_in_batches_and_null_is_no_accident() {
    let [_, (_db, mut client, shape)] = both("many");
    client
        .batch_execute(
            "ALTER TABLE statements DROP CONSTRAINT statements_hash_check, ALTER hash DROP NOT NULL, ALTER content_norm DROP NOT NULL;
            INSERT INTO statements (system_id, hash) SELECT id, NULL FROM theories, generate_series(1, 1001)",
        )
        .unwrap();
    let (mut seen, mut empty) = (0, 0);
    statements::for_each(&mut client, &shape, Sample::All, |stored| {
        seen += 1;
        empty += i32::from(stored.hash.is_empty() && stored.canonical.is_empty() && stored.depth.is_none());
        Ok(())
    })
    .unwrap();
    assert_eq!((seen, empty), (1008, 1001));
}

#[test]
fn the_chain_is_intact_and_the_first_generation_says_what_it_cannot_tell() {
    let [(_a, mut old, first), (_b, mut new, second)] = both("chain");
    let report = verify_chain(&mut old, &first, &Cancel::default()).unwrap();
    assert_eq!((report.blocks, report.height, report.problem_count), (2, Some(2), 0));
    assert!(report.notes[0].contains("only the form"), "{report:?}");
    let report = verify_chain(&mut new, &second, &Cancel::default()).unwrap();
    assert_eq!((report.blocks, report.height, report.problems.as_slice(), report.notes.as_slice()), (2, Some(2), &[][..], &[][..]));
    old.batch_execute("UPDATE blocks SET root_hash = 'none' WHERE id = 2").unwrap();
    assert_eq!(verify_chain(&mut old, &first, &Cancel::default()).unwrap().problems, ["block 2: its root is not a hash"]);
}

#[test]
fn every_way_of_tampering_with_a_block_is_found() {
    let [_, (_db, mut client, shape)] = both("tampered");
    let mut problems = |sql: &str| {
        let mut tx = client.transaction().unwrap();
        tx.batch_execute(sql).unwrap();
        let report = verify_chain(&mut tx, &shape, &Cancel::default()).unwrap();
        tx.rollback().unwrap();
        assert_eq!(report.problem_count, report.problems.len() as u64);
        report.problems.join("; ")
    };
    assert_eq!(problems("SELECT 1"), "");
    for (sql, said) in [
        ("UPDATE blocks SET statements = statements - 0 WHERE block_number = 2", "block 2 of pl: the Merkle root of its statements is"),
        ("UPDATE blocks SET statements = '{}' WHERE block_number = 2", "its statements are no list of hashes"),
        ("UPDATE blocks SET merkle_root = NULL WHERE block_number = 1", "and it says nothing"),
        ("UPDATE blocks SET prev_hash = 'x' WHERE block_number = 2", "block 2 of pl: prev_hash is x instead of"),
        ("UPDATE blocks SET prev_hash = NULL WHERE block_number = 1", "block 1 of pl: prev_hash is nothing instead of GENESIS"),
        ("UPDATE blocks SET block_number = 5 WHERE block_number = 2", "block 5 of pl follows block 1: blocks 2 to 4 missing"),
        ("DELETE FROM blocks WHERE block_number = 1", "block 2 of pl is the first that is left"),
        ("UPDATE blocks SET header = '[]' WHERE block_number = 2", "its header is no object"),
        ("UPDATE blocks SET header = header || '{\"merkle_root\":\"x\"}' WHERE block_number = 2", "merkle_root is x in its header"),
        ("UPDATE blocks SET header = header || '{\"block_number\":7}' WHERE block_number = 2", "its header says block 7"),
        ("UPDATE blocks SET header = header || '{\"block_hash\":\"x\"}' WHERE block_number = 2", "does not have the hash"),
        ("DELETE FROM statements WHERE content_norm = '~~p->p'", "1 of its statements are not in the ledger, as 0cb6501d"),
    ] {
        let found = problems(sql);
        assert!(found.contains(said), "{sql}: {found}");
    }
}

#[test]
fn an_axiom_without_its_parentheses_is_told_and_never_taken_for_the_axiom() {
    for (_db, mut client, shape) in both("parentheses") {
        let (text, hash) = LOST_PARENTHESES;
        assert_eq!(digest(text), hash);
        let key = shape.theory_column().unwrap();
        let sql = format!(
            "INSERT INTO statements ({key}, hash, content_norm, status, is_axiom) SELECT id, {}, $2, 'proven', true FROM theories",
            { shape.unhex("statements", "hash", "$1::text") }
        );
        client.execute(&sql, &[&hash, &text]).unwrap();
        let report = verify_chain(&mut client, &shape, &Cancel::default()).unwrap();
        assert!(report.notes.iter().any(|note| note.contains(text)) && report.is_intact(), "{report:?}");
    }
}

#[test]
fn foreign_theorems_are_told_from_wrong_ones() {
    for (_db, mut client, shape) in both("reprove") {
        let report = reprove(&mut client, &shape, Sample::All, &Cancel::default()).unwrap();
        assert_eq!((report.checked, report.axioms, report.proven, report.foreign, report.failures), (6, 3, 1, 2, 0), "{report:?}");
        client.batch_execute("UPDATE statements SET content_norm = 'p->q' WHERE content_norm = 'p->p'").unwrap();
        let report = reprove(&mut client, &shape, Sample::All, &Cancel::default()).unwrap();
        assert_eq!(report.failed, [(digest("p->p"), "the hash is not that of the text".to_owned())]);
    }
}

#[test]
fn the_first_generation_has_no_runs_of_ours() {
    let [(_a, mut old, first), _] = both("runs");
    let failure = runs::begin(&mut old, &first, "x", "ml-derive", &serde_json::json!({})).unwrap_err();
    assert!(failure.message.contains("no columns system_id, metadata"), "{failure:?}");
}
