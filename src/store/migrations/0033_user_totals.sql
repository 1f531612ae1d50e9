-- What each user keeps here, as running totals: to add it up anew for every write takes as long as there is much of it.

CREATE TABLE user_totals (
    user_nid BIGINT NOT NULL,
    kind BIGINT NOT NULL,           -- enum user_total
    n BIGINT NOT NULL,              -- rows
    bytes BIGINT NOT NULL,          -- of their text, with TOTAL_ROW_BYTES for each row
    PRIMARY KEY (user_nid, kind)
) KEYED;

-- Of a version's keys; deleted versions keep it until their keys are deleted, too.
ALTER TABLE key_backups ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
CREATE INDEX key_backups_left ON key_backups (user_nid, version) WHERE is_deleted AND bytes > 0;

UPDATE key_backups SET bytes = COALESCE((SELECT SUM(octet_length(room_id) + octet_length(session_id) +
    octet_length(session_data) + 64) FROM key_backup_sessions s WHERE s.user_nid = key_backups.user_nid
    AND s.version = key_backups.version), 0);

INSERT INTO user_totals (user_nid, kind, n, bytes) SELECT user_nid, 1, COUNT(*), SUM(octet_length(type) +
    COALESCE(octet_length(content), 0) + 64) FROM account_data GROUP BY user_nid;
INSERT INTO user_totals (user_nid, kind, n, bytes) SELECT user_nid, 2, COUNT(*), SUM(bytes + octet_length(auth_data) + 64)
    FROM key_backups GROUP BY user_nid;
INSERT INTO user_totals (user_nid, kind, n, bytes) SELECT user_nid, 3, COUNT(*), SUM(octet_length(json) + 64) FROM filters
    GROUP BY user_nid;
INSERT INTO user_totals (user_nid, kind, n, bytes) SELECT user_nid, 4, COUNT(*), 0 FROM devices GROUP BY user_nid;
