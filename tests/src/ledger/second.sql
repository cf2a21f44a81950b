-- The ledger as MathLedger's later migrations left it, with their own record of themselves.
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE schema_migrations (
    version text PRIMARY KEY,
    description text,
    applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO schema_migrations (version, description) VALUES
    ('001_init', 'theories, statements, proofs, dependencies'),
    ('002_blocks_lemmas', 'runs, blocks, lemma_cache'),
    ('003_fix_progress_compatibility', NULL),
    ('014_ensure_slug_column', 'theories.slug');

CREATE TABLE theories (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    slug text UNIQUE,
    version text,
    logic text,
    parent_id uuid REFERENCES theories (id),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE symbols (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    system_id uuid NOT NULL REFERENCES theories (id),
    name text NOT NULL,
    arity integer NOT NULL DEFAULT 0
);

CREATE TABLE axioms (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    system_id uuid NOT NULL REFERENCES theories (id),
    name text NOT NULL,
    content text NOT NULL
);

CREATE TABLE policy_settings (
    id bigserial PRIMARY KEY,
    key text NOT NULL UNIQUE,
    value text,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE statements (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    system_id uuid NOT NULL REFERENCES theories (id),
    hash text NOT NULL UNIQUE CHECK (hash ~ '^[0-9a-f]{64}$'),
    content_norm text NOT NULL,
    content text,
    normalized_text text,
    content_lean text,
    content_latex text,
    status text NOT NULL DEFAULT 'unknown' CHECK (status IN ('proven', 'disproven', 'open', 'unknown')),
    truth_domain text,
    derivation_rule text,
    derivation_depth integer CHECK (derivation_depth >= 0),
    is_axiom boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE proofs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    statement_id uuid NOT NULL REFERENCES statements (id) ON DELETE CASCADE,
    system_id uuid REFERENCES theories (id),
    prover text NOT NULL,
    method text,
    proof_term text,
    time_ms integer,
    duration_ms integer,
    steps integer,
    success boolean NOT NULL DEFAULT false,
    status text NOT NULL DEFAULT 'unknown' CHECK (status IN ('success', 'failure', 'timeout', 'unknown')),
    derivation_rule text,
    proof_hash text,
    kernel_version text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE dependencies (
    proof_id uuid NOT NULL REFERENCES proofs (id) ON DELETE CASCADE,
    used_statement_id uuid NOT NULL REFERENCES statements (id) ON DELETE CASCADE,
    dependency_type text NOT NULL DEFAULT 'proof' CHECK (dependency_type IN ('proof', 'derivation')),
    PRIMARY KEY (proof_id, used_statement_id)
);

CREATE TABLE proof_parents (
    id serial PRIMARY KEY,
    child_hash text NOT NULL,
    parent_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE runs (
    id bigserial PRIMARY KEY,
    name text,
    system_id uuid REFERENCES theories (id),
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
    metadata jsonb,
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);

CREATE TABLE blocks (
    id bigserial PRIMARY KEY,
    run_id bigint REFERENCES runs (id),
    system_id uuid NOT NULL REFERENCES theories (id),
    block_number bigint NOT NULL,
    prev_hash text,
    root_hash text NOT NULL,
    merkle_root text,
    header jsonb,
    statements jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (system_id, block_number)
);

CREATE TABLE lemma_cache (
    id bigserial PRIMARY KEY,
    statement_id uuid NOT NULL UNIQUE REFERENCES statements (id) ON DELETE CASCADE,
    usage_count integer NOT NULL DEFAULT 0,
    last_used timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE derived_statements (
    id bigserial PRIMARY KEY,
    statement_id uuid NOT NULL REFERENCES statements (id) ON DELETE CASCADE,
    rule text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX statements_system_id_idx ON statements (system_id);
CREATE INDEX proofs_statement_id_idx ON proofs (statement_id);
CREATE INDEX proof_parents_child_hash_idx ON proof_parents (child_hash);
CREATE INDEX statements_content_trgm_idx ON statements USING gin (content_norm gin_trgm_ops);
