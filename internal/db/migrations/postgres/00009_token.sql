-- +goose Up
-- Keys that sign access tokens (internal/token), sealed. The public half is kept
-- nowhere else: who can only write here cannot add a key. A key is published while
-- it is next, signs while it is active, and once retired verifies until expires_at.
CREATE TABLE token_keys (
    kid         TEXT NOT NULL PRIMARY KEY, -- RFC 7638 thumbprint
    alg         TEXT NOT NULL CHECK (alg IN ('ES256', 'EdDSA')),
    state       TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired')),
    private_key BYTEA NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ -- of a retired key only
);
CREATE UNIQUE INDEX token_keys_one ON token_keys (state) WHERE state <> 'retired';

-- Relying apps (internal/token). Secrets are 256 random bits, kept as SHA-256; a
-- client without one is public.
CREATE TABLE oauth_clients (
    id            TEXT NOT NULL PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES accounts (id),
    name          TEXT NOT NULL,
    secret_hash   BYTEA CHECK (length(secret_hash) = 32),
    redirect_uris TEXT NOT NULL, -- JSON array, compared exactly
    audiences     TEXT NOT NULL, -- JSON array
    token_format  TEXT NOT NULL CHECK (token_format IN ('jwt', 'opaque')),
    created_at    TIMESTAMPTZ NOT NULL,
    disabled_at   TIMESTAMPTZ
);
CREATE INDEX oauth_clients_account ON oauth_clients (account_id, created_at);
