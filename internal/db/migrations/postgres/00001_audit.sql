-- +goose Up
-- Who did what (internal/audit). A row is written in the transaction of what it
-- tells of, and linked into a chain soon after: chain, sequence and mac are NULL
-- until then. Nothing else of a row ever changes.
CREATE TABLE audit_events (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at         TIMESTAMPTZ NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    account_id TEXT NOT NULL,
    action     TEXT COLLATE "C" NOT NULL, -- area.verb
    target     TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    request_id TEXT NOT NULL,
    address    TEXT NOT NULL,
    detail     TEXT NOT NULL, -- JSON, byte for byte as it was authenticated
    chain      INTEGER,
    sequence   BIGINT,
    mac        TEXT, -- HMAC-SHA-256 over the mac before it and this row, hex
    UNIQUE (chain, sequence)
);
CREATE INDEX audit_events_unlinked ON audit_events (at) WHERE mac IS NULL;
CREATE INDEX audit_events_at ON audit_events (at, id);
CREATE INDEX audit_events_actor ON audit_events (actor_id, at);
CREATE INDEX audit_events_target ON audit_events (target, at);
CREATE INDEX audit_events_action ON audit_events (action, at);

-- Where each chain ends. The linker that adds to a chain holds its row's lock.
CREATE TABLE audit_chains (
    chain    INTEGER NOT NULL PRIMARY KEY,
    sequence BIGINT  NOT NULL,
    mac      TEXT    NOT NULL
);

-- Signed statements of where all chains stood. Each names the one before it.
CREATE TABLE audit_heads (
    number    BIGINT NOT NULL PRIMARY KEY,
    at        TIMESTAMPTZ NOT NULL,
    payload   TEXT NOT NULL, -- JSON, byte for byte as it was signed
    signature TEXT NOT NULL  -- Ed25519, base64
);
