//! Ledgers as real installations have them: the two generations of the schema that MathLedger's own migrations made, with rows.
//!
//! Both hold the same mathematics: three axioms, three theorems and one open statement; a successful proof a theorem and failed ones of
//! several ages; what was used by what; two finished runs and two blocks.

pub mod hash;

use postgres::Client;

const FIRST: &str = include_str!("ledger/first.sql");
const SECOND: &str = include_str!("ledger/second.sql");

/// A statement of the sample. `parents` are the statements that its proof uses, by their text.
#[derive(Debug)]
pub struct Sample {
    /// Canonical text.
    pub text: &'static str,
    /// How it was got: `axiom`, `mp` or nothing.
    pub rule: Option<&'static str>,
    /// Steps from the axioms.
    pub depth: i32,
    /// As stored: a D-proof, or what another prover wrote.
    pub proof: Option<&'static str>,
    /// What its proof uses.
    pub parents: &'static [&'static str],
    /// The block that it is sealed in, from 1; 0 for none.
    pub block: i64,
}

const K: &str = "p->q->p";
const S: &str = "(p->q->r)->(p->q)->p->r";
const CONTRAPOSITION: &str = "(~p->~q)->q->p";

const fn axiom(text: &'static str) -> Sample {
    Sample { text, rule: Some("axiom"), depth: 0, proof: None, parents: &[], block: 1 }
}

/// The statements of both generations, oldest first.
pub const SAMPLES: [Sample; 7] = [
    axiom(K),
    axiom(S),
    axiom(CONTRAPOSITION),
    Sample { text: "p->p", rule: Some("mp"), depth: 2, proof: Some("DD211"), parents: &[K, S], block: 1 },
    Sample { text: "p->q->q", rule: Some("mp"), depth: 3, proof: Some("D1DD211"), parents: &[K, "p->p"], block: 2 },
    Sample { text: "~~p->p", rule: None, depth: 1, proof: Some("by tauto"), parents: &[CONTRAPOSITION], block: 2 },
    Sample { text: "(p->q)->r", rule: None, depth: 1, proof: None, parents: &[], block: 0 },
];

/// The ages, in days, of the failed proofs of the open statement.
pub const FAILED_PROOF_AGES: [i32; 4] = [0, 5, 45, 120];

/// Makes a first-generation ledger in an empty database, as its owner.
pub fn first_generation(client: &mut Client) {
    client.batch_execute(FIRST).expect("the first generation's tables are made");
    let theory = "INSERT INTO theories (name, version, logic) VALUES ('Propositional', '1.0', 'classical')";
    client.batch_execute(theory).unwrap();
    for sample in &SAMPLES {
        let statement =
            "INSERT INTO statements (theory_id, hash, content_norm, status, is_axiom, derivation_rule, derivation_depth, created_at)
            SELECT id, $1, $2, $3, $4, $5, $6, now() - interval '2 days' FROM theories";
        let (hash, axiom) = (hash::statement(sample.text).to_vec(), sample.rule == Some("axiom"));
        client.execute(statement, &[&hash, &sample.text, &status(sample), &axiom, &sample.rule, &sample.depth]).unwrap();
        let Some(proof) = sample.proof else { continue };
        let insert =
            "INSERT INTO proofs (statement_id, prover, proof_term, time_ms, steps, success, proof_hash, kernel_version, created_at)
            SELECT id, 'lean4', $2, 12, 3, true, digest($2, 'sha256'), '4.3', now() - interval '2 days' FROM statements WHERE hash = $1";
        client.execute(insert, &[&hash, &proof]).unwrap();
        for parent in sample.parents {
            let dependency = "INSERT INTO dependencies (proof_id, used_statement_id) SELECT p.id, u.id FROM proofs p
                JOIN statements s ON s.id = p.statement_id AND s.hash = $1, statements u WHERE u.hash = $2";
            client.execute(dependency, &[&hash, &hash::statement(parent).to_vec()]).unwrap();
        }
    }
    add_failed_proofs(client, &FAILED_PROOF_AGES);
    for number in [1, 2] {
        let hashes = sealed_hashes(number);
        let counts = serde_json::json!({ "statements": hashes.len(), "proofs": hashes.len() });
        let block = "WITH run AS (INSERT INTO runs (name, status, completed_at) VALUES ($1, 'completed', now()) RETURNING id)
            INSERT INTO blocks (run_id, root_hash, counts) SELECT id, $2, $3::text::jsonb FROM run";
        client.execute(block, &[&format!("nightly {number}"), &hash::merkle_root(&hashes), &counts.to_string()]).unwrap();
    }
    let lemma = "INSERT INTO lemma_cache (statement_id, usage_count) SELECT id, 4 FROM statements WHERE content_norm = 'p->p'";
    client.batch_execute(lemma).unwrap();
}

/// Makes a second-generation ledger in an empty database, as its owner.
pub fn second_generation(client: &mut Client) {
    client.batch_execute(SECOND).expect("the second generation's tables are made");
    let theory = "INSERT INTO theories (name, slug, version, logic) VALUES ('Propositional', 'pl', '1.0', 'classical');
        INSERT INTO symbols (system_id, name, arity) SELECT id, '->', 2 FROM theories;
        INSERT INTO policy_settings (key, value) VALUES ('active_policy_hash', 'none')";
    client.batch_execute(theory).unwrap();
    for sample in &SAMPLES {
        let statement =
            "INSERT INTO statements (system_id, hash, content_norm, content, normalized_text, status, truth_domain, derivation_rule,
            derivation_depth, is_axiom, created_at)
            SELECT id, $1, $2, $2, $2, $3, 'classical', $4, $5, $6, now() - interval '2 days' FROM theories";
        let (hash, axiom) = (hash::hex(&hash::statement(sample.text)), sample.rule == Some("axiom"));
        client.execute(statement, &[&hash, &sample.text, &status(sample), &sample.rule, &sample.depth, &axiom]).unwrap();
        if axiom {
            let named = "INSERT INTO axioms (system_id, name, content) SELECT id, $1, $1 FROM theories";
            client.execute(named, &[&sample.text]).unwrap();
        }
        let Some(proof) = sample.proof else { continue };
        let insert = "INSERT INTO proofs (statement_id, system_id, prover, method, proof_term, time_ms, duration_ms, steps, success, status,
            derivation_rule, proof_hash, kernel_version, created_at)
            SELECT id, system_id, 'lean4', 'mp', $2, 12, 12, 3, true, 'success', derivation_rule, encode(digest($2, 'sha256'), 'hex'), '4.3',
            now() - interval '2 days' FROM statements WHERE hash = $1";
        client.execute(insert, &[&hash, &proof]).unwrap();
        for parent in sample.parents {
            let used = hash::hex(&hash::statement(parent));
            let dependency = "INSERT INTO dependencies (proof_id, used_statement_id) SELECT p.id, u.id FROM proofs p
                JOIN statements s ON s.id = p.statement_id AND s.hash = $1, statements u WHERE u.hash = $2";
            client.execute(dependency, &[&hash, &used]).unwrap();
            client.execute("INSERT INTO proof_parents (child_hash, parent_hash) VALUES ($1, $2)", &[&hash, &used]).unwrap();
        }
    }
    add_failed_proofs(client, &FAILED_PROOF_AGES);
    let mut previous = "GENESIS".to_owned();
    for number in [1i64, 2] {
        let root = seal(client, number, &previous);
        previous = root;
    }
    let lemma =
        "INSERT INTO lemma_cache (statement_id, usage_count, last_used) SELECT id, 4, now() FROM statements WHERE content_norm = 'p->p'";
    client.batch_execute(lemma).unwrap();
}

/// Adds failed proofs of the open statement with these ages in days, in either generation: something to prune.
pub fn add_failed_proofs(client: &mut Client, ages: &[i32]) {
    let second = "SELECT 1 FROM pg_attribute WHERE attrelid = 'proofs'::regclass AND attname = 'status'";
    let second = !client.query(second, &[]).unwrap().is_empty();
    let (column, value) = if second { (", status", ", 'failure'") } else { ("", "") };
    let insert = format!(
        "INSERT INTO proofs (statement_id, prover, time_ms, success, created_at{column})
        SELECT id, 'lean4', 5000, false, now() - make_interval(days => age){value} FROM statements, unnest($1::int[]) AS age
        WHERE content_norm = '(p->q)->r'"
    );
    let count = client.execute(&insert, &[&ages]).unwrap();
    assert_eq!(count, ages.len() as u64);
}

/// The hashes of a block's statements, as they are stored in it.
pub fn sealed_hashes(block: i64) -> Vec<String> {
    let sealed = SAMPLES.iter().filter(|sample| sample.block == block);
    let mut hashes: Vec<String> = sealed.map(|sample| hash::hex(&hash::statement(sample.text))).collect();
    hashes.sort_unstable();
    hashes
}

fn seal(client: &mut Client, number: i64, previous: &str) -> String {
    let hashes = sealed_hashes(number);
    let root = hash::merkle_root(&hashes);
    let header = serde_json::json!({ "version": 1, "block_number": number, "prev_hash": previous, "merkle_root": root });
    let block =
        "WITH theory AS (SELECT id FROM theories WHERE slug = 'pl'), run AS (INSERT INTO runs (name, system_id, status, completed_at)
            SELECT $1, id, 'completed', now() FROM theory RETURNING id)
        INSERT INTO blocks (run_id, system_id, block_number, prev_hash, root_hash, merkle_root, header, statements)
            SELECT run.id, theory.id, $2, $3, $4, $4, $5::text::jsonb, $6::text::jsonb FROM run, theory";
    let (name, statements) = (format!("nightly {number}"), serde_json::json!(hashes).to_string());
    client.execute(block, &[&name, &number, &previous, &root, &header.to_string(), &statements]).unwrap();
    root
}

fn status(sample: &Sample) -> &'static str {
    if sample.rule.is_some() || sample.proof.is_some() { "proven" } else { "open" }
}
