-- +goose Up
-- Passkeys (WebAuthn; internal/account), and who is asked for a second factor at
-- each sign-in: users.mfa is 1 where the user switched it on, roles.mfa and
-- accounts.mfa where the role or the tenant demands it.
ALTER TABLE users ADD COLUMN mfa INTEGER NOT NULL DEFAULT 0 CHECK (mfa IN (0, 1));
ALTER TABLE roles ADD COLUMN mfa INTEGER NOT NULL DEFAULT 0 CHECK (mfa IN (0, 1));
ALTER TABLE accounts ADD COLUMN mfa INTEGER NOT NULL DEFAULT 0 CHECK (mfa IN (0, 1));

-- What authenticators know users by: random, and the same for all passkeys of a user.
CREATE TABLE passkey_users (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    handle  BYTEA NOT NULL UNIQUE CHECK (length(handle) = 32)
);

CREATE TABLE user_passkeys (
    id            TEXT      NOT NULL PRIMARY KEY,
    user_id       TEXT      NOT NULL REFERENCES passkey_users (user_id),
    credential_id BYTEA     NOT NULL UNIQUE,
    name          TEXT      NOT NULL,
    aaguid        TEXT      NOT NULL, -- model of the authenticator, as a UUID; empty where it does not tell
    synced        INTEGER   NOT NULL CHECK (synced IN (0, 1)), -- backed up, as it said last
    sign_count    BIGINT    NOT NULL, -- of the newest assertion; the one in the record is older
    credential    TEXT      NOT NULL, -- JSON: the whole credential record, as it was registered
    created_at    TIMESTAMPTZ NOT NULL,
    last_used_at  TIMESTAMPTZ
);
CREATE INDEX user_passkeys_user ON user_passkeys (user_id);

-- Challenges whose ceremony ended well, as SHA-256: none of them is answered twice.
CREATE TABLE passkey_challenges_used (
    challenge_hash BYTEA     NOT NULL PRIMARY KEY CHECK (length(challenge_hash) = 32),
    keep_until     TIMESTAMPTZ NOT NULL
);
CREATE INDEX passkey_challenges_used_keep ON passkey_challenges_used (keep_until);
