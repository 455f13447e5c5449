-- +goose Up
-- What users know or have (internal/account). Passwords: an argon2id hash in PHC
-- form. short is 1 where it has fewer characters than one that stands alone needs.
CREATE TABLE user_passwords (
    user_id    TEXT      NOT NULL PRIMARY KEY REFERENCES users (id),
    hash       TEXT      NOT NULL,
    short      INTEGER   NOT NULL CHECK (short IN (0, 1)),
    changed_at TIMESTAMPTZ NOT NULL
);

-- One-time passwords (RFC 6238). The secret is sealed. last_step is the newest time
-- step that was accepted: no code of it or an older one is accepted again.
CREATE TABLE user_totp (
    id           TEXT      NOT NULL PRIMARY KEY,
    user_id      TEXT      NOT NULL UNIQUE REFERENCES users (id),
    secret       BYTEA     NOT NULL,
    last_step    BIGINT    NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    confirmed_at TIMESTAMPTZ
);

-- Recovery codes: 80 random bits, kept as SHA-256 over the user and the code.
CREATE TABLE user_recovery_codes (
    user_id    TEXT      NOT NULL REFERENCES users (id),
    code_hash  BYTEA     NOT NULL CHECK (length(code_hash) = 32),
    created_at TIMESTAMPTZ NOT NULL,
    used_at    TIMESTAMPTZ,
    PRIMARY KEY (user_id, code_hash)
);
