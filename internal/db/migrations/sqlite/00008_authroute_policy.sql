-- +goose Up
-- What was judged of each mail (internal/authroute). Rows are added in batches and
-- pruned by age.
CREATE TABLE authroute_verifications (
    id                  INTEGER   NOT NULL PRIMARY KEY,
    message_id          TEXT      NOT NULL, -- of the proof; empty where there was none
    sender_email        TEXT      NOT NULL,
    key_id              TEXT      NOT NULL, -- as the proof named it; it need not exist
    verification_result TEXT      NOT NULL CHECK (verification_result IN ('pass', 'fail', 'none', 'temperror')),
    failure_reason      TEXT      NOT NULL,
    verified_at         TIMESTAMP NOT NULL,
    instance            TEXT      NOT NULL, -- Postfix's instance attribute
    queue_id            TEXT      NOT NULL,
    client_address      TEXT      NOT NULL,
    mode                TEXT      NOT NULL,
    action              TEXT      NOT NULL,
    -- What rows are found by: an index over the texts would cost as much as all else of a row.
    message_hash        BIGINT    NOT NULL, -- CRC-32 of message_id
    key_hash            BIGINT    NOT NULL  -- and of key_id
);
CREATE INDEX idx_authroute_verif_msg ON authroute_verifications (message_hash);
CREATE INDEX idx_authroute_verif_time ON authroute_verifications (verified_at);
CREATE INDEX idx_authroute_verif_key ON authroute_verifications (key_hash, id);

-- What the operator changed for a sender domain at run time. It wins over the
-- configuration file until it is removed.
CREATE TABLE authroute_domains (
    domain     TEXT      NOT NULL PRIMARY KEY,
    mode       TEXT      NOT NULL CHECK (mode IN ('monitor', 'quarantine', 'enforce', 'require')),
    updated_at TIMESTAMP NOT NULL,
    updated_by TEXT      NOT NULL
);

-- Break-glass: until when no mail is judged. At most one row.
CREATE TABLE authroute_bypass (
    id         INTEGER   NOT NULL PRIMARY KEY CHECK (id = 1),
    until      TIMESTAMP NOT NULL,
    reason     TEXT      NOT NULL,
    started_at TIMESTAMP NOT NULL,
    started_by TEXT      NOT NULL
);
