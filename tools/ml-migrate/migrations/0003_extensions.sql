-- What MathLedger's own programs use: digest() and the search for parts of statements. Nothing of ours needs it, and it may need a right
-- that the ledger's owner has not; so it comes last and the ledger works without.
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX statements_content_norm_trgm_idx ON statements USING gin (content_norm gin_trgm_ops);
