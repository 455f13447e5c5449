-- +goose Up
-- Which master keys this store is sealed under (internal/seal): an instance that
-- comes with other keys is refused at start. The keys themselves are never here.
CREATE TABLE seal_keys (
    id          TEXT      NOT NULL PRIMARY KEY,
    fingerprint BYTEA     NOT NULL CHECK (length(fingerprint) = 32),
    added_at    TIMESTAMPTZ NOT NULL,
    retired_at  TIMESTAMPTZ
);

-- The secret that other keys are derived from, sealed. It outlives every master key.
CREATE TABLE seal_roots (
    name       TEXT      NOT NULL PRIMARY KEY,
    secret     BYTEA     NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
