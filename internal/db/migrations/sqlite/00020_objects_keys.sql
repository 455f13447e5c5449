-- +goose Up
-- Access keys of the S3 door (internal/objects). A rotated key has a successor of the
-- same family: what the family was granted, each of its keys may. A key that ended stays:
-- its id is not used again.
CREATE TABLE api_keys (
    id            TEXT NOT NULL PRIMARY KEY,
    access_key_id TEXT NOT NULL UNIQUE,
    secret_sealed BLOB NOT NULL,
    name          TEXT NOT NULL,
    is_active     INTEGER NOT NULL CHECK (is_active IN (0, 1)), -- 0: revoked
    account_id    TEXT NOT NULL,
    user_id       TEXT NOT NULL,    -- whom it acts for; empty: for the account itself
    owner         TEXT NOT NULL,    -- of the buckets that it makes: user:ID or key:FAMILY
    family        TEXT NOT NULL,    -- id of the first key of its rotations
    limited       INTEGER NOT NULL CHECK (limited IN (0, 1)), -- 1: it may only what it was granted itself
    rate          INTEGER NOT NULL, -- requests a second; 0: as configured
    predecessor   TEXT NOT NULL,    -- id of the key that it took over from; empty: none
    created_at    TIMESTAMP NOT NULL,
    expires_at    TIMESTAMP,
    last_used_at  TIMESTAMP,
    revoked_at    TIMESTAMP
);
CREATE INDEX api_keys_account ON api_keys (account_id, created_at);
CREATE INDEX api_keys_user ON api_keys (user_id) WHERE is_active = 1;
CREATE INDEX api_keys_family ON api_keys (family);

-- What was granted on buckets of an account.
CREATE TABLE bucket_permissions (
    id         TEXT NOT NULL PRIMARY KEY,
    subject    TEXT NOT NULL, -- key:FAMILY or user:ID
    account_id TEXT NOT NULL, -- whose buckets it is about
    owner      TEXT NOT NULL, -- only buckets of this owner; empty: all of the account
    bucket     TEXT NOT NULL, -- a name, or the beginning of names with * at its end
    prefix     TEXT NOT NULL, -- only keys that begin so; empty: all, and the bucket itself
    role       TEXT NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    created_at TIMESTAMP NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (subject, account_id, owner, bucket, prefix, role)
);
CREATE INDEX bucket_permissions_account ON bucket_permissions (account_id, created_at);

-- Temporary keys, made by STS. They end with what they came of.
CREATE TABLE objects_sessions (
    id            TEXT NOT NULL PRIMARY KEY,
    access_key_id TEXT NOT NULL UNIQUE,
    secret_sealed BLOB NOT NULL,
    token_hash    BLOB NOT NULL CHECK (length(token_hash) = 32), -- SHA-256 of the session token
    name          TEXT NOT NULL, -- RoleSessionName
    role          TEXT NOT NULL, -- self, or one of the configuration
    account_id    TEXT NOT NULL,
    user_id       TEXT NOT NULL, -- empty for roles of the configuration
    owner         TEXT NOT NULL, -- user:ID or role:NAME
    grants        TEXT NOT NULL, -- JSON array, of roles of the configuration
    session_id    TEXT NOT NULL, -- of the user; empty: none
    token_family  TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    access_token  TEXT NOT NULL, -- SHA-256 of it, in hex
    created_at    TIMESTAMP NOT NULL,
    expires_at    TIMESTAMP NOT NULL
);
CREATE INDEX objects_sessions_expires ON objects_sessions (expires_at);
CREATE INDEX objects_sessions_user ON objects_sessions (user_id);
CREATE INDEX objects_sessions_session ON objects_sessions (session_id);
