-- Media: ids point to contents, and a content is stored once.

CREATE TABLE media_blobs (
    hash BYTEA PRIMARY KEY,         -- SHA-256 of the content; its file is named for it
    size BIGINT NOT NULL,
    n_refs BIGINT NOT NULL,         -- media rows that point to it; at 0 the file may go
    created_ts BIGINT NOT NULL
) KEYED;
CREATE INDEX media_blobs_unused ON media_blobs (created_ts) WHERE n_refs = 0;

CREATE TABLE media (
    origin TEXT NOT NULL,           -- '': this server
    media_id TEXT NOT NULL,
    hash BYTEA,                     -- NULL: created, but not uploaded yet
    size BIGINT NOT NULL,
    content_type TEXT,
    upload_name TEXT,
    uploader_nid BIGINT NOT NULL,   -- 0: fetched from another server
    created_ts BIGINT NOT NULL,
    last_access_ts BIGINT NOT NULL, -- written in batches
    expires_ts BIGINT NOT NULL,     -- of a creation without upload; 0: none
    is_quarantined BOOLEAN NOT NULL,
    PRIMARY KEY (origin, media_id)
) HEAP;
CREATE INDEX media_hash ON media (hash);
CREATE INDEX media_uploader ON media (uploader_nid, created_ts);
CREATE INDEX media_pending ON media (expires_ts) WHERE hash IS NULL;

CREATE TABLE thumbnails (
    hash BYTEA NOT NULL,            -- of the original
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    method BIGINT NOT NULL,         -- enum thumbnail_method
    is_animated BOOLEAN NOT NULL,
    content_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    file_hash BYTEA NOT NULL,       -- of the thumbnail's own content
    PRIMARY KEY (hash, width, height, method, is_animated)
) KEYED;
