-- +goose Up
-- Who is signed in (internal/account): one row for one sign-in of one user in one
-- browser. expires_at is when a session that nobody uses any more has surely
-- ended; an administrator's ends sooner.
CREATE TABLE account_sessions (
    id         TEXT      NOT NULL PRIMARY KEY,
    user_id    TEXT      NOT NULL REFERENCES users (id),
    account_id TEXT      NOT NULL REFERENCES accounts (id),
    amr        TEXT      NOT NULL, -- JSON array (RFC 8176)
    auth_time  TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    seen_at    TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    ended_at   TIMESTAMPTZ,
    address    TEXT      NOT NULL, -- of the last use
    agent      TEXT      NOT NULL
);
CREATE INDEX account_sessions_user ON account_sessions (user_id, created_at);
CREATE INDEX account_sessions_live ON account_sessions (expires_at) WHERE ended_at IS NULL;
CREATE INDEX account_sessions_ended ON account_sessions (ended_at) WHERE ended_at IS NOT NULL;

-- The secrets that a session had: 256 random bits, kept as SHA-256. One is current,
-- and the index keeps it one; who shows another one later ends the session.
CREATE TABLE account_session_values (
    hash        BYTEA     NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    session_id  TEXT      NOT NULL REFERENCES account_sessions (id) ON DELETE CASCADE,
    created_at  TIMESTAMPTZ NOT NULL,
    replaced_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX account_session_values_current ON account_session_values (session_id) WHERE replaced_at IS NULL;
CREATE INDEX account_session_values_replaced ON account_session_values (session_id, replaced_at);

-- Sign-ins that wait for their second factor. A ticket that is used is deleted.
CREATE TABLE mfa_tickets (
    hash         BYTEA     NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    browser_hash BYTEA     NOT NULL CHECK (length(browser_hash) = 32),
    user_id      TEXT      NOT NULL REFERENCES users (id),
    account_id   TEXT      REFERENCES accounts (id),
    amr          TEXT      NOT NULL, -- JSON array: the first factor
    purpose      TEXT      NOT NULL,
    facts        TEXT      NOT NULL, -- JSON: what the answer will tell
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX mfa_tickets_user ON mfa_tickets (user_id);
CREATE INDEX mfa_tickets_expires ON mfa_tickets (expires_at);
