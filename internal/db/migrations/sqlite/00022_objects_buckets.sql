-- +goose Up
-- Buckets (internal/objects): whose each is and what its owner set. What is in them,
-- the store keeps.
CREATE TABLE objects_buckets (
    name        TEXT NOT NULL PRIMARY KEY,
    account_id  TEXT NOT NULL, -- empty: made while authentication was off
    owner       TEXT NOT NULL, -- user:ID or key:ID
    created_at  TIMESTAMP NOT NULL,
    public_read INTEGER NOT NULL CHECK (public_read IN (0, 1)),
    policy      TEXT NOT NULL, -- JSON; empty: none
    cors        TEXT NOT NULL  -- JSON array of rules; empty: none
);
CREATE INDEX objects_buckets_account ON objects_buckets (account_id);

-- Requests that the door refused, sampled, for those who ask why.
CREATE TABLE objects_denials (
    id            TEXT NOT NULL PRIMARY KEY,
    at            TIMESTAMP NOT NULL,
    request_id    TEXT NOT NULL,
    address       TEXT NOT NULL,
    access_key_id TEXT NOT NULL,
    account_id    TEXT NOT NULL, -- empty: the key did not prove itself
    operation     TEXT NOT NULL,
    bucket        TEXT NOT NULL,
    object_key    TEXT NOT NULL,
    code          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    canonical     TEXT NOT NULL  -- the canonical request; empty where the signature was right
);
CREATE INDEX objects_denials_at ON objects_denials (at);
CREATE INDEX objects_denials_account ON objects_denials (account_id, at);
CREATE INDEX objects_denials_key ON objects_denials (access_key_id, at);
