-- +goose Up
-- What this installation is to others (internal/node): its private keys, sealed.
-- Each row is written once and never changed, save by a rotation of the master key.
CREATE TABLE node_meta (
    key        TEXT NOT NULL PRIMARY KEY,
    value      BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
