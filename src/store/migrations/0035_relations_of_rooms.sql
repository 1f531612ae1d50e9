-- Relations stay within their room: threads are counted by room and root. Which of an event's edits is the newest is told
-- by when their server says that they were made, not by when they came.

ALTER TABLE relations ADD COLUMN origin_server_ts BIGINT NOT NULL DEFAULT 0; -- of the event that relates; 0 unless it is an edit
UPDATE relations SET origin_server_ts = COALESCE((SELECT e.origin_server_ts FROM events e
    WHERE e.nid = relations.event_nid), 0) WHERE rel_type = 'm.replace';
CREATE INDEX relations_edits ON relations (parent_id, origin_server_ts) WHERE rel_type = 'm.replace';

DROP TABLE threads;
CREATE TABLE threads (
    root_id TEXT NOT NULL,          -- event id as the replies write it; it may be unknown here
    room_nid BIGINT NOT NULL,       -- of the replies
    latest BIGINT NOT NULL,         -- position of the newest reply
    replies BIGINT NOT NULL,
    PRIMARY KEY (root_id, room_nid)
) HEAP;
CREATE INDEX threads_room ON threads (room_nid, latest);

DROP TABLE thread_people;
CREATE TABLE thread_people (
    root_id TEXT NOT NULL,
    room_nid BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    replies BIGINT NOT NULL,
    is_root BOOLEAN NOT NULL,       -- sent the root
    PRIMARY KEY (root_id, room_nid, user_nid)
) KEYED;
CREATE INDEX thread_people_user ON thread_people (user_nid, room_nid);

INSERT INTO threads (root_id, room_nid, latest, replies)
    SELECT parent_id, room_nid, MAX(position), COUNT(*) FROM relations WHERE rel_type = 'm.thread' GROUP BY parent_id, room_nid;
INSERT INTO thread_people (root_id, room_nid, user_nid, replies, is_root)
    SELECT parent_id, room_nid, sender_nid, COUNT(*), FALSE FROM relations WHERE rel_type = 'm.thread'
    GROUP BY parent_id, room_nid, sender_nid;
INSERT INTO thread_people (root_id, room_nid, user_nid, replies, is_root)
    SELECT t.root_id, t.room_nid, e.sender_nid, 0, TRUE FROM threads t JOIN events e ON e.event_id = t.root_id
    WHERE e.room_nid = t.room_nid
    ON CONFLICT (root_id, room_nid, user_nid) DO UPDATE SET is_root = TRUE;
