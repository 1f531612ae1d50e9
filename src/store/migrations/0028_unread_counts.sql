-- Which events of a room are unread, for readers who leave many unread: it could be counted again from the events, which
-- takes long (core/unread.h).

CREATE TABLE unread_counts (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    rules_version BIGINT NOT NULL,  -- position of the push rules plus that of the ignore list it was counted by
    upto BIGINT NOT NULL,           -- events up to this position are counted
    body BYTEA NOT NULL,            -- per thread the positions of unread events, see core/unread_marks.c
    PRIMARY KEY (user_nid, room_nid)
) KEYED;
CREATE INDEX unread_counts_room ON unread_counts (room_nid);
