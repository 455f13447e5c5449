-- +goose Up
-- Duties that one instance has at a time (internal/lease). Nobody has one whose
-- owner is empty; token grows with every change of owner, beat with every sign of life.
CREATE TABLE leases (
    name  TEXT   NOT NULL PRIMARY KEY,
    owner TEXT   NOT NULL,
    token BIGINT NOT NULL,
    beat  BIGINT NOT NULL,
    UNIQUE (name, token) -- so that PostgreSQL sees a change of token as one of a key
);

-- Token buckets that outlive a restart (internal/limit): when each is full again.
-- A full one needs no row.
CREATE TABLE limit_buckets (
    name    TEXT      NOT NULL,
    key     BYTEA     NOT NULL CHECK (length(key) = 32), -- SHA-256
    full_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (name, key)
);
CREATE INDEX limit_buckets_full ON limit_buckets (full_at);
