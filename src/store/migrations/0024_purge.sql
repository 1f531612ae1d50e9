-- What may go: rooms that an administrator closes or deletes, contents that were redacted, history that is too old.

-- Rooms that nobody here may join or send to, whether this server knows them or not. It takes the place of
-- rooms.is_blocked, which went with its room.
CREATE TABLE blocked_rooms (
    room_id TEXT PRIMARY KEY,
    blocked_ts BIGINT NOT NULL
) KEYED;
INSERT INTO blocked_rooms (room_id, blocked_ts) SELECT room_id, created_ts FROM rooms WHERE is_blocked = TRUE;
ALTER TABLE rooms DROP COLUMN is_blocked;

-- Of the history up to this position, all that may go has gone.
ALTER TABLE rooms ADD COLUMN purged_upto BIGINT NOT NULL DEFAULT 0;

-- Redacted events whose content is still in their row.
CREATE TABLE redacted_contents (
    event_nid BIGINT PRIMARY KEY,
    redacted_ts BIGINT NOT NULL     -- when this server got the redaction
) HEAP;
CREATE INDEX redacted_contents_due ON redacted_contents (redacted_ts);
INSERT INTO redacted_contents (event_nid, redacted_ts)
    SELECT e.nid, r.received_ts FROM events e JOIN events r ON r.nid = e.redacted_by WHERE e.redacted_by <> 0;

-- Rooms that are going to be deleted with all that belongs to them.
CREATE TABLE doomed_rooms (
    room_nid BIGINT PRIMARY KEY,
    since_ts BIGINT NOT NULL        -- 0: an administrator ordered it; else when the last user of this server forgot it
) HEAP;
CREATE INDEX doomed_rooms_due ON doomed_rooms (since_ts);
