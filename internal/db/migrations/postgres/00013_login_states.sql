-- +goose Up
-- Sign-ins that were begun at outside providers (internal/login): one row a start,
-- gone with its callback. Nothing here is a secret: state and browser are SHA-256,
-- PKCE verifier and nonce are derived from the state with a key of the installation.
CREATE TABLE login_states (
    state_hash   BYTEA NOT NULL PRIMARY KEY CHECK (length(state_hash) = 32),
    browser_hash BYTEA NOT NULL CHECK (length(browser_hash) = 32),
    provider     TEXT  NOT NULL,
    issuer       TEXT  NOT NULL,
    purpose      TEXT  NOT NULL CHECK (purpose IN ('sign-in', 'link')),
    next         TEXT  NOT NULL, -- empty for the page that follows by default
    locale       TEXT  NOT NULL,
    client_id    TEXT  NOT NULL, -- of the relying app; empty where there is none
    challenge    TEXT  NOT NULL, -- of the relying app (S256)
    user_id      TEXT  NOT NULL, -- who links; empty for a sign-in
    session_id   TEXT  NOT NULL, -- that links; empty for a sign-in
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX login_states_expires ON login_states (expires_at);
