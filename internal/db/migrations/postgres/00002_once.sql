-- +goose Up
-- Values that may be used one time (internal/once), by their SHA-256, until nobody
-- would accept them anyway.
CREATE TABLE once_values (
    key     BYTEA      NOT NULL PRIMARY KEY CHECK (length(key) = 32), -- of space and value
    space   TEXT      NOT NULL,
    subject BYTEA      NOT NULL, -- SHA-256, or empty
    holder  BYTEA      NOT NULL, -- who used it first
    uses    BIGINT    NOT NULL,
    until   TIMESTAMPTZ NOT NULL
);
CREATE INDEX once_values_until ON once_values (until);

-- How many values live in a space (empty subject), and of one subject in it.
CREATE TABLE once_counts (
    space   TEXT   NOT NULL,
    subject BYTEA   NOT NULL,
    live    BIGINT NOT NULL,
    PRIMARY KEY (space, subject)
);

-- Since when this store has forgotten nothing. Values are committed without waiting
-- for the disk, so a crash may lose the last ones. It also empties this table, as it
-- is unlogged, and so does the promotion of a standby: then the birth is a new one.
CREATE UNLOGGED TABLE once_births (
    id    INTEGER   NOT NULL PRIMARY KEY CHECK (id = 1),
    birth TIMESTAMPTZ NOT NULL
);

-- Which store the installation uses for values that server nonces cover.
CREATE TABLE once_epoch (
    id       INTEGER   NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch    BIGINT    NOT NULL,
    store    TEXT      NOT NULL,
    birth    TIMESTAMPTZ NOT NULL,
    moved_at TIMESTAMPTZ NOT NULL
);
