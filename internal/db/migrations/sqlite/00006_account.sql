-- +goose Up
-- Who exists, and what they may do (internal/account). An account is a tenant;
-- the one of kind 'system' owns the installation, and it alone grants node permissions.
CREATE TABLE accounts (
    id          TEXT      NOT NULL PRIMARY KEY,
    name        TEXT      NOT NULL UNIQUE,
    kind        TEXT      NOT NULL CHECK (kind IN ('system', 'tenant')),
    created_at  TIMESTAMP NOT NULL,
    disabled_at TIMESTAMP
);
CREATE UNIQUE INDEX accounts_one_system ON accounts (kind) WHERE kind = 'system';

CREATE TABLE users (
    id           TEXT      NOT NULL PRIMARY KEY,
    display_name TEXT      NOT NULL,
    locale       TEXT      NOT NULL DEFAULT '',
    created_at   TIMESTAMP NOT NULL,
    disabled_at  TIMESTAMP
);

-- Addresses are kept in lower case. Several users may claim one; only one may have
-- verified it.
CREATE TABLE user_emails (
    user_id     TEXT      NOT NULL REFERENCES users (id),
    address     TEXT      NOT NULL,
    created_at  TIMESTAMP NOT NULL,
    verified_at TIMESTAMP,
    PRIMARY KEY (user_id, address)
);
CREATE UNIQUE INDEX user_emails_verified ON user_emails (address) WHERE verified_at IS NOT NULL;

CREATE TABLE memberships (
    account_id TEXT      NOT NULL REFERENCES accounts (id),
    user_id    TEXT      NOT NULL REFERENCES users (id),
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE roles (
    id          TEXT      NOT NULL PRIMARY KEY,
    account_id  TEXT      NOT NULL REFERENCES accounts (id),
    name        TEXT      NOT NULL,
    permissions TEXT      NOT NULL, -- JSON array of area:verb
    created_at  TIMESTAMP NOT NULL,
    UNIQUE (account_id, name)
);

CREATE TABLE membership_roles (
    account_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    role_id    TEXT NOT NULL REFERENCES roles (id),
    PRIMARY KEY (account_id, user_id, role_id),
    FOREIGN KEY (account_id, user_id) REFERENCES memberships (account_id, user_id)
);

-- Personal API tokens: 256 random bits, kept as SHA-256.
CREATE TABLE api_tokens (
    id         TEXT      NOT NULL PRIMARY KEY,
    user_id    TEXT      NOT NULL REFERENCES users (id),
    account_id TEXT      NOT NULL REFERENCES accounts (id),
    name       TEXT      NOT NULL,
    token_hash BLOB      NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    scopes     TEXT      NOT NULL, -- JSON array, or null where the token is not narrowed
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP,
    revoked_at TIMESTAMP
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);

-- Keys of services that act for nobody in particular, such as login in its own process.
CREATE TABLE service_keys (
    id          TEXT      NOT NULL PRIMARY KEY,
    account_id  TEXT      NOT NULL REFERENCES accounts (id),
    name        TEXT      NOT NULL,
    key_hash    BLOB      NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    permissions TEXT      NOT NULL, -- JSON array of area:verb
    providers   TEXT      NOT NULL, -- JSON array of identity providers it may speak for; ["*"] is all
    created_at  TIMESTAMP NOT NULL,
    expires_at  TIMESTAMP,
    revoked_at  TIMESTAMP
);
