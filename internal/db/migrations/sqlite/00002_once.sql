-- +goose Up
-- Values that may be used one time (internal/once), by their SHA-256, until nobody
-- would accept them anyway.
CREATE TABLE once_values (
    key     BLOB      NOT NULL PRIMARY KEY CHECK (length(key) = 32), -- of space and value
    space   TEXT      NOT NULL,
    subject BLOB      NOT NULL, -- SHA-256, or empty
    holder  BLOB      NOT NULL, -- who used it first
    uses    BIGINT    NOT NULL,
    until   TIMESTAMP NOT NULL
);
CREATE INDEX once_values_until ON once_values (until);

-- How many values live in a space (empty subject), and of one subject in it.
CREATE TABLE once_counts (
    space   TEXT   NOT NULL,
    subject BLOB   NOT NULL,
    live    BIGINT NOT NULL,
    PRIMARY KEY (space, subject)
);

-- Since when this store has forgotten nothing.
CREATE TABLE once_births (
    id    INTEGER   NOT NULL PRIMARY KEY CHECK (id = 1),
    birth TIMESTAMP NOT NULL
);

-- Which store the installation uses for values that server nonces cover.
CREATE TABLE once_epoch (
    id       INTEGER   NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch    BIGINT    NOT NULL,
    store    TEXT      NOT NULL,
    birth    TIMESTAMP NOT NULL,
    moved_at TIMESTAMP NOT NULL
);
