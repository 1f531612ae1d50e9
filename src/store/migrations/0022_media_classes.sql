-- Media by class, so that each can have limits and a retention of its own; what is used by whom; contents that nobody
-- may have; and which media are the pictures of rooms and users, which retention leaves alone.

ALTER TABLE media ADD COLUMN class BIGINT NOT NULL DEFAULT 0;           -- enum media_class in store/media.h
ALTER TABLE media ADD COLUMN needs_token BOOLEAN NOT NULL DEFAULT TRUE; -- not served without an access token
CREATE INDEX media_class ON media (class, last_access_ts) WHERE hash IS NOT NULL;

-- Running totals, so that a quota costs one row and not a sum over all uploads.
CREATE TABLE media_usage (
    class BIGINT NOT NULL,
    owner_nid BIGINT NOT NULL,      -- the uploader; 0: nobody of this server
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (class, owner_nid)
) KEYED;
CREATE INDEX media_usage_bytes ON media_usage (bytes);
INSERT INTO media_usage (class, owner_nid, files, bytes)
    SELECT 0, uploader_nid, count(*), CAST(sum(size) AS BIGINT) FROM media
    WHERE hash IS NOT NULL GROUP BY uploader_nid;

-- Contents that were quarantined: they cannot be uploaded again.
CREATE TABLE media_blocked (
    hash TEXT PRIMARY KEY,          -- SHA-256 in hex
    reason TEXT,                    -- for administrators; NULL: not given
    blocked_ts BIGINT NOT NULL
) KEYED;
INSERT INTO media_blocked (hash, blocked_ts)
    SELECT DISTINCT hash, 0 FROM media WHERE is_quarantined AND hash IS NOT NULL;

-- The mxc URI of each room's current m.room.avatar.
CREATE TABLE room_icons (
    room_nid BIGINT PRIMARY KEY,
    event_nid BIGINT NOT NULL,
    url TEXT NOT NULL
) HEAP;
CREATE INDEX room_icons_url ON room_icons (url);

-- 11 is the nid of m.room.avatar, 1 that of the empty state key (matrix/names.h).
--@ sqlite
INSERT INTO room_icons (room_nid, event_nid, url)
    SELECT room_nid, nid, url FROM (
        SELECT room_nid, nid, json_extract(client_json, '$.content.url') AS url,
            row_number() OVER (PARTITION BY room_nid ORDER BY position DESC) AS age
        FROM events WHERE type_nid = 11 AND state_key_nid = 1 AND position IS NOT NULL AND flags = 0
            AND redacted_by = 0) AS icons
    WHERE age = 1 AND url LIKE 'mxc://%' AND length(url) < 600;

--@ postgresql
INSERT INTO room_icons (room_nid, event_nid, url)
    SELECT room_nid, nid, url FROM (
        SELECT room_nid, nid, client_json::json -> 'content' ->> 'url' AS url,
            row_number() OVER (PARTITION BY room_nid ORDER BY position DESC) AS age
        FROM events WHERE type_nid = 11 AND state_key_nid = 1 AND position IS NOT NULL AND flags = 0
            AND redacted_by = 0) AS icons
    WHERE age = 1 AND url LIKE 'mxc://%' AND length(url) < 600;

--@ all

CREATE INDEX profiles_avatar ON profiles (value) WHERE field = 'avatar_url';
