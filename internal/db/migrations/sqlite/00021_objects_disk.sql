-- +goose Up
-- Objects whose bodies are files (internal/objects/disk). Keys are sorted by their bytes.
CREATE TABLE objects_disk_buckets (
    name       TEXT NOT NULL PRIMARY KEY,
    versioning TEXT NOT NULL CHECK (versioning IN ('', 'Enabled', 'Suspended')),
    created_at TIMESTAMP NOT NULL
);

-- The objects that a reader who names no version sees. place falls with each version of
-- a key, so that the newest stands first. body is the name of the file or, of an object
-- of parts, the upload whose parts it is made of, and empty where all bytes are in content.
CREATE TABLE objects_disk_objects (
    bucket      TEXT NOT NULL,
    key         TEXT NOT NULL,
    place       BIGINT NOT NULL,
    version_id  TEXT NOT NULL, -- null while versioning is off
    body        TEXT NOT NULL,
    size        BIGINT NOT NULL,
    etag        TEXT NOT NULL,
    modified_at TIMESTAMP NOT NULL,
    parts       INTEGER NOT NULL, -- 0: not made of parts
    checksum    TEXT NOT NULL, -- algorithm, type and value
    attributes  TEXT NOT NULL, -- JSON object
    tags        TEXT NOT NULL, -- JSON array
    content     BIGINT NOT NULL, -- 0: there is none
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE INDEX objects_disk_objects_body ON objects_disk_objects (body) WHERE body <> '';

-- The versions behind them, and delete markers. A marker that stands first hides the key.
CREATE TABLE objects_disk_versions (
    bucket      TEXT NOT NULL,
    key         TEXT NOT NULL,
    place       BIGINT NOT NULL,
    version_id  TEXT NOT NULL,
    marker      INTEGER NOT NULL CHECK (marker IN (0, 1)),
    body        TEXT NOT NULL,
    size        BIGINT NOT NULL,
    etag        TEXT NOT NULL,
    modified_at TIMESTAMP NOT NULL,
    parts       INTEGER NOT NULL,
    checksum    TEXT NOT NULL,
    attributes  TEXT NOT NULL,
    tags        TEXT NOT NULL,
    content     BIGINT NOT NULL,
    PRIMARY KEY (bucket, key, place),
    UNIQUE (bucket, key, version_id)
) WITHOUT ROWID;
CREATE INDEX objects_disk_versions_body ON objects_disk_versions (body) WHERE body <> '';

-- Bytes of small objects, of one version each.
CREATE TABLE objects_disk_contents (
    id    INTEGER NOT NULL PRIMARY KEY,
    bytes BLOB NOT NULL
);

-- Multipart uploads under way.
CREATE TABLE objects_disk_uploads (
    id       TEXT NOT NULL PRIMARY KEY,
    bucket     TEXT NOT NULL,
    key        TEXT NOT NULL,
    begun_at   TIMESTAMP NOT NULL,
    begun_by   TEXT NOT NULL, -- an access key id
    checksum   TEXT NOT NULL, -- algorithm and type
    attributes TEXT NOT NULL,
    tags       TEXT NOT NULL
);
CREATE INDEX objects_disk_uploads_key ON objects_disk_uploads (bucket, key, id);
CREATE INDEX objects_disk_uploads_begun ON objects_disk_uploads (begun_at);

-- Their parts and, once an upload is completed, those of the object, with where they begin in it.
CREATE TABLE objects_disk_parts (
    upload      TEXT NOT NULL,
    number      INTEGER NOT NULL,
    file        TEXT NOT NULL,
    first       BIGINT NOT NULL, -- 0 before completion
    size        BIGINT NOT NULL,
    etag        TEXT NOT NULL,
    modified_at TIMESTAMP NOT NULL,
    checksum    TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
CREATE INDEX objects_disk_parts_file ON objects_disk_parts (file);

-- Bodies and files that lost a reference, or never had one: they go when due, where
-- nothing refers to them then.
CREATE TABLE objects_disk_released (
    body   TEXT NOT NULL PRIMARY KEY,
    due_at TIMESTAMP NOT NULL
);
CREATE INDEX objects_disk_released_due ON objects_disk_released (due_at);
