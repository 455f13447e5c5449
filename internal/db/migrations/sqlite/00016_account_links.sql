-- +goose Up
-- Mailed links (internal/account): 256 random bits, kept as SHA-256, deleted when
-- used. One without a user opens nothing but a sign-up: it is there so that an address
-- that nobody has costs as much as one that somebody has.
CREATE TABLE account_links (
    code_hash     BLOB NOT NULL PRIMARY KEY CHECK (length(code_hash) = 32),
    purpose       TEXT NOT NULL CHECK (purpose IN ('sign-up', 'reset', 'verify', 'setup', 'recover', 'first')),
    user_id       TEXT REFERENCES users (id),
    email         TEXT NOT NULL,
    locale        TEXT NOT NULL,
    next          TEXT NOT NULL, -- where to go on, as login checked it
    created_at    TIMESTAMP NOT NULL,
    not_before_at TIMESTAMP,
    expires_at    TIMESTAMP NOT NULL
);
CREATE INDEX account_links_user ON account_links (user_id, purpose);
CREATE INDEX account_links_expires ON account_links (expires_at);

-- When the password was last reset by mail: for some days after it nothing else is
-- recovered by mail.
ALTER TABLE users ADD COLUMN password_reset_at TIMESTAMP;

-- Codes that an enrolment has shown wait until its first code confirms it.
ALTER TABLE user_recovery_codes ADD COLUMN pending INTEGER NOT NULL DEFAULT 0 CHECK (pending IN (0, 1));
