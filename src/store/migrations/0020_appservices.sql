-- Application services: what is under way to them, and their own room directories.

-- One row per application service that wants traffic. At most one transaction is under way; its content is kept until
-- it is acknowledged, since it may not change between attempts.
CREATE TABLE appservice_queues (
    appservice TEXT PRIMARY KEY,        -- id of the registration
    position BIGINT NOT NULL,           -- events up to here were delivered, are in the transaction, or are not for it
    txn_id BIGINT NOT NULL,             -- of the newest transaction; ids rise by one and are never used again
    body TEXT,                          -- JSON of that transaction; NULL: it was acknowledged
    events BIGINT NOT NULL,             -- how many events are in it
    oldest_ts BIGINT NOT NULL           -- when the oldest of them arrived here; 0: none
) KEYED;

-- directory/list/appservice: which rooms a network shows.
CREATE TABLE appservice_rooms (
    appservice TEXT NOT NULL,
    network TEXT NOT NULL,
    room_nid BIGINT NOT NULL,
    PRIMARY KEY (appservice, network, room_nid)
) KEYED;
CREATE INDEX appservice_rooms_room ON appservice_rooms (room_nid);

-- The stream of all rooms together, for those who follow it.
CREATE INDEX events_stream ON events (position) WHERE position IS NOT NULL;
