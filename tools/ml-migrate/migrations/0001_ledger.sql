-- The tables of the ledger, second generation. Times are UTC instants; hashes are lower-case hex of SHA-256.

CREATE TABLE schema_migrations (
    version text PRIMARY KEY,
    description text,
    applied_at timestamptz NOT NULL DEFAULT now()
);

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
    arity integer NOT NULL DEFAULT 0 CHECK (arity >= 0),
    UNIQUE (system_id, name)
);

CREATE TABLE axioms (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    system_id uuid NOT NULL REFERENCES theories (id),
    name text NOT NULL,
    content text NOT NULL,
    UNIQUE (system_id, name)
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
CREATE INDEX statements_system_id_idx ON statements (system_id);
CREATE INDEX statements_derivation_depth_idx ON statements (derivation_depth);
CREATE INDEX statements_created_at_idx ON statements (created_at);

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
CREATE INDEX proofs_statement_id_idx ON proofs (statement_id);
CREATE INDEX proofs_created_at_idx ON proofs (created_at);
CREATE INDEX proofs_status_idx ON proofs (status);

CREATE TABLE dependencies (
    proof_id uuid NOT NULL REFERENCES proofs (id) ON DELETE CASCADE,
    used_statement_id uuid NOT NULL REFERENCES statements (id) ON DELETE CASCADE,
    dependency_type text NOT NULL DEFAULT 'proof' CHECK (dependency_type IN ('proof', 'derivation')),
    PRIMARY KEY (proof_id, used_statement_id)
);
CREATE INDEX dependencies_used_statement_id_idx ON dependencies (used_statement_id);

-- The premises of each theorem; of one detachment the major premise has the smaller id.
CREATE TABLE proof_parents (
    id serial PRIMARY KEY,
    child_hash text NOT NULL,
    parent_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX proof_parents_child_hash_idx ON proof_parents (child_hash);
CREATE INDEX proof_parents_parent_hash_idx ON proof_parents (parent_hash);

CREATE TABLE runs (
    id bigserial PRIMARY KEY,
    name text,
    system_id uuid REFERENCES theories (id),
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
    metadata jsonb,
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);
CREATE INDEX runs_system_id_name_idx ON runs (system_id, name);

-- UNIQUE (system_id, block_number) is what keeps two writers from sealing the same block.
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
CREATE INDEX blocks_run_id_idx ON blocks (run_id);

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
CREATE INDEX derived_statements_statement_id_idx ON derived_statements (statement_id);
