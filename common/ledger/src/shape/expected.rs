//! What the tables of each generation of the ledger have, as far as tools rely on it.

/// A table and its columns.
pub type Expected = (&'static str, &'static [&'static str]);

/// The first generation: hashes as bytes, blocks that know only their root.
pub const FIRST: &[Expected] = &[
    ("theories", &["id", "name", "version", "logic", "created_at"]),
    ("statements", &["id", "theory_id", "hash", "content_norm", "status", "is_axiom", "derivation_rule", "derivation_depth", "created_at"]),
    (
        "proofs",
        &["id", "statement_id", "prover", "proof_term", "time_ms", "steps", "success", "proof_hash", "kernel_version", "created_at"],
    ),
    ("dependencies", &["proof_id", "used_statement_id"]),
    ("runs", &["id", "name", "status", "started_at", "completed_at"]),
    ("blocks", &["id", "run_id", "root_hash", "counts", "created_at"]),
    ("lemma_cache", &["id", "statement_id", "usage_count", "created_at"]),
];

/// The second generation, which ml-migrate creates.
pub const SECOND: &[Expected] = &[
    ("theories", &["id", "name", "slug", "version", "logic", "parent_id", "created_at"]),
    ("symbols", &["system_id", "name"]),
    ("axioms", &["system_id", "name", "content"]),
    ("policy_settings", &["key", "value"]),
    (
        "statements",
        &[
            "id",
            "system_id",
            "hash",
            "content_norm",
            "content",
            "normalized_text",
            "content_lean",
            "content_latex",
            "status",
            "truth_domain",
            "derivation_rule",
            "derivation_depth",
            "is_axiom",
            "created_at",
        ],
    ),
    (
        "proofs",
        &[
            "id",
            "statement_id",
            "system_id",
            "prover",
            "method",
            "proof_term",
            "time_ms",
            "duration_ms",
            "steps",
            "success",
            "status",
            "derivation_rule",
            "proof_hash",
            "kernel_version",
            "created_at",
        ],
    ),
    ("dependencies", &["proof_id", "used_statement_id"]),
    ("proof_parents", &["id", "child_hash", "parent_hash", "created_at"]),
    ("runs", &["id", "name", "system_id", "status", "metadata", "started_at", "completed_at"]),
    (
        "blocks",
        &["id", "run_id", "system_id", "block_number", "prev_hash", "root_hash", "merkle_root", "header", "statements", "created_at"],
    ),
    ("lemma_cache", &["id", "statement_id", "usage_count", "last_used", "created_at"]),
    ("derived_statements", &["statement_id"]),
];

/// What a database must have to be taken for a ledger at all.
pub const CORE: &[Expected] =
    &[("theories", &["id", "name"]), ("statements", &["id", "hash", "content_norm"]), ("proofs", &["id", "statement_id"])];
