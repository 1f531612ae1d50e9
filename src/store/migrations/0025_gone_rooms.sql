-- Whom a deleted room has to be told of: users of this server who remembered it. Their clients may come back later with a
-- room list that still has it.
CREATE TABLE gone_rooms (
    user_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,       -- when it was deleted
    room_id TEXT NOT NULL,
    PRIMARY KEY (user_nid, position)
) KEYED;
