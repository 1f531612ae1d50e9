-- Media: ids point to contents, and a content is stored once, in a file named for its hash. A content that no
-- row points to may go. Thumbnails are files too and can be made again, so no table knows of them.

CREATE TABLE media (
    origin TEXT NOT NULL,           -- '': this server
    media_id TEXT NOT NULL,
    hash TEXT,                      -- SHA-256 in hex; NULL: created, but not uploaded yet
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
