-- +goose Up
-- Public keys that users sign the envelopes of their mail with (internal/authroute).
-- A revoked key stays: what it signed must still be explained.
CREATE TABLE authroute_keys (
    id             INTEGER   NOT NULL PRIMARY KEY,
    user_id        TEXT      NOT NULL REFERENCES users (id),
    key_type       TEXT      NOT NULL CHECK (key_type IN ('primary', 'subkey')),
    key_id         TEXT      NOT NULL UNIQUE CHECK (length(key_id) = 64),
    address        TEXT      NOT NULL,
    public_key     TEXT      NOT NULL, -- standard base64
    certificate    TEXT,               -- the primary's signature, standard base64
    primary_id     TEXT      REFERENCES authroute_keys (key_id),
    created_at     TIMESTAMP NOT NULL,
    expires_at     TIMESTAMP,
    revoked_at     TIMESTAMP,
    revoked_reason TEXT,               -- what the owner wrote
    public_reason  TEXT,               -- the word that is published
    sequence       BIGINT    NOT NULL UNIQUE
);
CREATE INDEX idx_authroute_keys_user ON authroute_keys (user_id);
-- The seed's condition on NOW() is refused by PostgreSQL: it is not immutable.
CREATE INDEX idx_authroute_keys_active ON authroute_keys (address) WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX idx_authroute_keys_primary ON authroute_keys (user_id)
    WHERE key_type = 'primary' AND revoked_at IS NULL;

-- The last number of authroute_keys.sequence. Whoever changes a key holds this row
-- until commit, so that no reader of sequences passes one that commits later.
CREATE TABLE authroute_sequence (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO authroute_sequence (name, value) VALUES ('keys', 0);

-- What happened to a key. Rows are only added.
CREATE TABLE authroute_key_events (
    id         INTEGER   NOT NULL PRIMARY KEY,
    key_id     TEXT      NOT NULL REFERENCES authroute_keys (key_id),
    event_type TEXT      NOT NULL CHECK (event_type IN ('created', 'used', 'rotated', 'revoked')),
    event_data TEXT      NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX idx_authroute_key_events_key ON authroute_key_events (key_id, id);

-- Private halves of subkeys that this installation signs with, sealed. They sign
-- only once the user's primary has certified the public half, as a row of authroute_keys.
CREATE TABLE authroute_delegations (
    key_id      TEXT      NOT NULL PRIMARY KEY CHECK (length(key_id) = 64),
    user_id     TEXT      NOT NULL REFERENCES users (id),
    address     TEXT      NOT NULL,
    public_key  TEXT      NOT NULL,
    private_key BLOB      NOT NULL,
    created_at  TIMESTAMP NOT NULL,
    expires_at  TIMESTAMP NOT NULL
);
