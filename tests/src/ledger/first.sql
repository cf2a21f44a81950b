-- The ledger as MathLedger's first migrations made it: hashes as bytes, no block numbers, no parents, no record of the migrations.
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE theories (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    version text,
    logic text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE statements (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    theory_id uuid NOT NULL REFERENCES theories (id),
    hash bytea NOT NULL UNIQUE,
    content_norm text NOT NULL,
    status text NOT NULL DEFAULT 'unknown' CHECK (status IN ('proven', 'disproven', 'open', 'unknown')),
    is_axiom boolean NOT NULL DEFAULT false,
    derivation_rule text,
    derivation_depth integer,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE proofs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    statement_id uuid NOT NULL REFERENCES statements (id) ON DELETE CASCADE,
    prover text NOT NULL,
    proof_term text,
    time_ms integer,
    steps integer,
    success boolean NOT NULL,
    proof_hash bytea,
    kernel_version text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE dependencies (
    proof_id uuid NOT NULL REFERENCES proofs (id) ON DELETE CASCADE,
    used_statement_id uuid NOT NULL REFERENCES statements (id) ON DELETE CASCADE,
    PRIMARY KEY (proof_id, used_statement_id)
);

CREATE TABLE runs (
    id bigserial PRIMARY KEY,
    name text,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);

CREATE TABLE blocks (
    id bigserial PRIMARY KEY,
    run_id bigint REFERENCES runs (id),
    root_hash text NOT NULL,
    counts jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lemma_cache (
    id bigserial PRIMARY KEY,
    statement_id uuid NOT NULL UNIQUE REFERENCES statements (id) ON DELETE CASCADE,
    usage_count integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX proofs_statement_id_idx ON proofs (statement_id);
CREATE INDEX statements_content_trgm_idx ON statements USING gin (content_norm gin_trgm_ops);
