-- +goose Up
-- What one authorization has given (internal/token): all tokens of a family end
-- together. A family without a session outlives it (scope offline_access).
CREATE TABLE authority_families (
    id         TEXT NOT NULL PRIMARY KEY,
    client_id  TEXT NOT NULL REFERENCES oauth_clients (id),
    account_id TEXT NOT NULL, -- that the user acts in
    user_id    TEXT NOT NULL,
    session_id TEXT NOT NULL, -- the session that began it
    offline    INTEGER NOT NULL CHECK (offline IN (0, 1)),
    audiences  TEXT NOT NULL, -- JSON array, as are the next two
    scopes     TEXT NOT NULL,
    amr        TEXT NOT NULL,
    acr        TEXT NOT NULL,
    auth_time  TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP
);
CREATE INDEX authority_families_user ON authority_families (user_id) WHERE revoked_at IS NULL;
CREATE INDEX authority_families_session ON authority_families (session_id) WHERE revoked_at IS NULL;
CREATE INDEX authority_families_expires ON authority_families (expires_at);

-- Tokens (internal/token), by the SHA-256 of the token. What
-- they are bound to is jkt (RFC 9449, section 6) and sender_certificate (RFC 8705,
-- section 3.1); both empty is a bearer token.
CREATE TABLE authority_tokens (
    hash               BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    kind               TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
    family             TEXT NOT NULL, -- empty where a client acts for itself
    client_id          TEXT NOT NULL REFERENCES oauth_clients (id),
    subject            TEXT NOT NULL,
    audiences          TEXT NOT NULL, -- JSON array
    scopes             TEXT NOT NULL, -- JSON array
    jkt                TEXT NOT NULL,
    sender_certificate TEXT NOT NULL,
    created_at         TIMESTAMP NOT NULL,
    expires_at         TIMESTAMP NOT NULL,
    used_at            TIMESTAMP, -- of a refresh token: when its successor was made
    revoked_at         TIMESTAMP
);
CREATE INDEX authority_tokens_family ON authority_tokens (family);
CREATE INDEX authority_tokens_expires ON authority_tokens (expires_at);

-- What was asked at /par or /authorize, until the code is given (RFC 9126).
CREATE TABLE oauth_requests (
    hash       BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    client_id  TEXT NOT NULL REFERENCES oauth_clients (id),
    parameters TEXT NOT NULL, -- JSON object
    jkt        TEXT NOT NULL, -- the key that the code will be bound to (RFC 9449, section 10)
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP
);
CREATE INDEX oauth_requests_expires ON oauth_requests (expires_at);

-- Authorization codes bind more than handoffs do.
ALTER TABLE oauth_codes ADD COLUMN audiences TEXT NOT NULL DEFAULT '[]';
ALTER TABLE oauth_codes ADD COLUMN acr TEXT NOT NULL DEFAULT '';
ALTER TABLE oauth_codes ADD COLUMN jkt TEXT NOT NULL DEFAULT '';
ALTER TABLE oauth_codes ADD COLUMN family TEXT NOT NULL DEFAULT '';

CREATE INDEX oauth_codes_session ON oauth_codes (session_id) WHERE used_at IS NULL;

-- What a user let an app have, so that it is not asked again.
CREATE TABLE oauth_consents (
    user_id    TEXT NOT NULL,
    client_id  TEXT NOT NULL REFERENCES oauth_clients (id),
    scopes     TEXT NOT NULL, -- JSON array
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

-- Devices that wait for somebody to type their code (RFC 8628).
CREATE TABLE oauth_devices (
    hash       BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- of the device code
    user_code  BLOB NOT NULL UNIQUE CHECK (length(user_code) = 32), -- SHA-256 of it
    client_id  TEXT NOT NULL REFERENCES oauth_clients (id),
    audiences  TEXT NOT NULL, -- JSON array, as is scopes
    scopes     TEXT NOT NULL,
    address    TEXT NOT NULL, -- where it was begun, for the page
    state      TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'used')),
    pause      INTEGER NOT NULL, -- seconds between two polls
    user_id    TEXT NOT NULL, -- who let it in; empty until then
    account_id TEXT NOT NULL,
    polled_at  TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX oauth_devices_expires ON oauth_devices (expires_at);
