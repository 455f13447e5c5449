-- +goose Up
-- One-time codes (internal/token): what brings a sign-in to a relying app. A code is
-- 256 random bits, kept as SHA-256, good for a minute. A used one stays for a day,
-- so that its second use is noticed. Handoffs leave scope and nonce empty.
CREATE TABLE oauth_codes (
    hash           BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    kind           TEXT NOT NULL CHECK (kind IN ('handoff', 'authorization')),
    client_id      TEXT NOT NULL REFERENCES oauth_clients (id),
    user_id        TEXT NOT NULL,
    account_id     TEXT NOT NULL,
    session_id     TEXT NOT NULL,
    redirect_uri   TEXT NOT NULL, -- where the code was sent; next of a handoff
    code_challenge TEXT NOT NULL CHECK (length(code_challenge) = 43), -- S256 (RFC 7636, section 4.2)
    scope          TEXT NOT NULL,
    nonce          TEXT NOT NULL,
    amr            TEXT NOT NULL, -- JSON array (RFC 8176)
    auth_time      TIMESTAMP,
    created_at     TIMESTAMP NOT NULL,
    expires_at     TIMESTAMP NOT NULL,
    used_at        TIMESTAMP
);
CREATE INDEX oauth_codes_expires ON oauth_codes (expires_at);

-- Where a client hears that a session of its users has ended (OpenID Connect
-- Back-Channel Logout 1.0); empty where it does not want to.
ALTER TABLE oauth_clients ADD COLUMN backchannel_logout_uri TEXT NOT NULL DEFAULT '';

-- Which clients a session was handed to, until it ends.
CREATE TABLE oauth_session_clients (
    session_id TEXT NOT NULL,
    client_id  TEXT NOT NULL REFERENCES oauth_clients (id),
    user_id    TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (session_id, client_id)
);
CREATE INDEX oauth_session_clients_created ON oauth_session_clients (created_at);

-- Clients that must still hear that a session has ended. Who sends one moves due_at
-- first, so that nobody else sends it meanwhile.
CREATE TABLE logout_notices (
    session_id TEXT NOT NULL,
    client_id  TEXT NOT NULL REFERENCES oauth_clients (id),
    user_id    TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    due_at     TIMESTAMP NOT NULL,
    PRIMARY KEY (session_id, client_id)
);
CREATE INDEX logout_notices_due ON logout_notices (due_at);
