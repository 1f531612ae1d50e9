-- What would otherwise be looked for among all that was ever said, or among all rooms.

-- Threads: kept up by relations (store/threads.h).
CREATE TABLE threads (
    root_id TEXT PRIMARY KEY,       -- event id as the replies write it; it may be unknown here
    room_nid BIGINT NOT NULL,
    latest BIGINT NOT NULL,         -- position of the newest reply
    replies BIGINT NOT NULL
) HEAP;
CREATE INDEX threads_room ON threads (room_nid, latest);

CREATE TABLE thread_people (
    root_id TEXT NOT NULL,
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    replies BIGINT NOT NULL,
    is_root BOOLEAN NOT NULL,       -- sent the root
    PRIMARY KEY (root_id, user_nid)
) KEYED;
CREATE INDEX thread_people_user ON thread_people (user_nid, room_nid);

INSERT INTO threads (root_id, room_nid, latest, replies)
    SELECT parent_id, MIN(room_nid), MAX(position), COUNT(*) FROM relations WHERE rel_type = 'm.thread' GROUP BY parent_id;
INSERT INTO thread_people (root_id, user_nid, room_nid, replies, is_root)
    SELECT parent_id, sender_nid, MIN(room_nid), COUNT(*), FALSE FROM relations WHERE rel_type = 'm.thread'
    GROUP BY parent_id, sender_nid;
INSERT INTO thread_people (root_id, user_nid, room_nid, replies, is_root)
    SELECT t.root_id, e.sender_nid, t.room_nid, 0, TRUE FROM threads t JOIN events e ON e.event_id = t.root_id WHERE TRUE
    ON CONFLICT (root_id, user_nid) DO UPDATE SET is_root = TRUE;

-- The directories of rooms as lists are shown: written when somebody looks at one and the room has changed
-- (store/room_directory.h). Rooms that are published, or in the directory of a network (appservice_rooms).
CREATE TABLE room_directory (
    room_nid BIGINT PRIMARY KEY,
    is_published BOOLEAN NOT NULL,  -- as rooms.is_published
    joined BIGINT NOT NULL,         -- members
    room_type TEXT NOT NULL,        -- '': none
    words TEXT NOT NULL,            -- what it can be found by: name, topic, alias, a line each
    changes BIGINT NOT NULL,        -- of the room, since it is listed
    seen BIGINT NOT NULL            -- of them, those that the other columns know
) HEAP;
CREATE INDEX room_directory_published ON room_directory (is_published, joined, room_nid);
CREATE INDEX room_directory_order ON room_directory (joined, room_nid);
CREATE INDEX room_directory_stale ON room_directory (room_nid) WHERE changes <> seen;

INSERT INTO room_directory (room_nid, is_published, joined, room_type, words, changes, seen)
    SELECT nid, is_published, 0, '', '', 1, 0 FROM rooms
    WHERE is_published = TRUE OR EXISTS (SELECT 1 FROM appservice_rooms x WHERE x.room_nid = nid);
