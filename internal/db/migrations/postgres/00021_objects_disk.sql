-- +goose Up
-- Objects whose bodies are files (internal/objects/disk). Keys are sorted by their bytes.
CREATE TABLE objects_disk_buckets (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    versioning TEXT NOT NULL CHECK (versioning IN ('', 'Enabled', 'Suspended')),
    created_at TIMESTAMPTZ NOT NULL
);

-- The objects that a reader who names no version sees. place falls with each version of
-- a key, so that the newest stands first. body is the name of the file or, of an object
-- of parts, the upload whose parts it is made of, and empty where all bytes are in content.
CREATE TABLE objects_disk_objects (
    bucket      TEXT COLLATE "C" NOT NULL,
    key         TEXT COLLATE "C" NOT NULL,
    place       BIGINT NOT NULL,
    version_id  TEXT NOT NULL, -- null while versioning is off
    body        TEXT COLLATE "C" NOT NULL,
    size        BIGINT NOT NULL,
    etag        TEXT NOT NULL,
    modified_at TIMESTAMPTZ NOT NULL,
    parts       INTEGER NOT NULL, -- 0: not made of parts
    checksum    TEXT NOT NULL, -- algorithm, type and value
    attributes  TEXT NOT NULL, -- JSON object
    tags        TEXT NOT NULL, -- JSON array
    content     BIGINT NOT NULL, -- 0: there is none
    PRIMARY KEY (bucket, key)
);
CREATE INDEX objects_disk_objects_body ON objects_disk_objects (body) WHERE body <> '';

-- The versions behind them, and delete markers. A marker that stands first hides the key.
CREATE TABLE objects_disk_versions (
    bucket      TEXT COLLATE "C" NOT NULL,
    key         TEXT COLLATE "C" NOT NULL,
    place       BIGINT NOT NULL,
    version_id  TEXT NOT NULL,
    marker      INTEGER NOT NULL CHECK (marker IN (0, 1)),
    body        TEXT COLLATE "C" NOT NULL,
    size        BIGINT NOT NULL,
    etag        TEXT NOT NULL,
    modified_at TIMESTAMPTZ NOT NULL,
    parts       INTEGER NOT NULL,
    checksum    TEXT NOT NULL,
    attributes  TEXT NOT NULL,
    tags        TEXT NOT NULL,
    content     BIGINT NOT NULL,
    PRIMARY KEY (bucket, key, place),
    UNIQUE (bucket, key, version_id)
);
CREATE INDEX objects_disk_versions_body ON objects_disk_versions (body) WHERE body <> '';

-- Bytes of small objects, of one version each.
CREATE TABLE objects_disk_contents (
    id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bytes BYTEA NOT NULL
);
ALTER TABLE objects_disk_contents ALTER COLUMN bytes SET STORAGE EXTERNAL; -- most of it is compressed already

-- Multipart uploads under way.
CREATE TABLE objects_disk_uploads (
    id       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    bucket     TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    begun_at   TIMESTAMPTZ NOT NULL,
    begun_by   TEXT NOT NULL, -- an access key id
    checksum   TEXT NOT NULL, -- algorithm and type
    attributes TEXT NOT NULL,
    tags       TEXT NOT NULL
);
CREATE INDEX objects_disk_uploads_key ON objects_disk_uploads (bucket, key, id);
CREATE INDEX objects_disk_uploads_begun ON objects_disk_uploads (begun_at);

-- Their parts and, once an upload is completed, those of the object, with where they begin in it.
CREATE TABLE objects_disk_parts (
    upload      TEXT COLLATE "C" NOT NULL,
    number      INTEGER NOT NULL,
    file        TEXT COLLATE "C" NOT NULL,
    first       BIGINT NOT NULL, -- 0 before completion
    size        BIGINT NOT NULL,
    etag        TEXT NOT NULL,
    modified_at TIMESTAMPTZ NOT NULL,
    checksum    TEXT NOT NULL,
    PRIMARY KEY (upload, number)
);
CREATE INDEX objects_disk_parts_file ON objects_disk_parts (file);

-- Bodies and files that lost a reference, or never had one: they go when due, where
-- nothing refers to them then.
CREATE TABLE objects_disk_released (
    body   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    due_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX objects_disk_released_due ON objects_disk_released (due_at);
