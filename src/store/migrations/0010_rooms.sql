-- Rooms, events, state and what is derived from them. nids are ours; ids are the protocol's.

CREATE TABLE rooms (
    nid BIGINT PRIMARY KEY,
    room_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,               -- room version, for ever
    row_version BIGINT NOT NULL,         -- +1 with each commit: a commit that was built on another one loses
    state BYTEA NOT NULL,                -- root of the current, resolved state
    heads BYTEA NOT NULL,                -- nids of the forward extremities, 8 bytes each, big-endian
    depth BIGINT NOT NULL,               -- greatest depth of an event in the room
    last_position BIGINT NOT NULL,       -- stream position of the newest event
    create_nid BIGINT NOT NULL,          -- nid of the m.room.create event
    is_published BOOLEAN NOT NULL DEFAULT FALSE, -- in this server's room directory
    created_ts BIGINT NOT NULL,
    is_blocked BOOLEAN NOT NULL DEFAULT FALSE    -- by an administrator: nobody may join or send
) HEAP;
CREATE INDEX rooms_published ON rooms (is_published, nid);

CREATE TABLE events (
    nid BIGINT PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    room_nid BIGINT NOT NULL,
    position BIGINT,                     -- place in the stream and in the room's timeline; NULL: not in the timeline
    type_nid BIGINT NOT NULL,
    sender_nid BIGINT NOT NULL,
    state_key_nid BIGINT NOT NULL,       -- 0: not a state event
    origin_server_ts BIGINT NOT NULL,
    received_ts BIGINT NOT NULL,
    depth BIGINT NOT NULL,
    flags BIGINT NOT NULL,               -- bits of enum event_flag in store/events.h
    state_after BYTEA,                   -- root of the state after the event; NULL for outliers
    replaces_nid BIGINT NOT NULL DEFAULT 0, -- the event that held this state key before
    redacted_by BIGINT NOT NULL DEFAULT 0,  -- nid of the redaction that was applied to it
    auth_nids BYTEA NOT NULL,            -- nids of its auth events, 8 bytes each, big-endian
    prev_nids BYTEA NOT NULL,            -- nids of its previous events that are known here
    txn_device BIGINT,                   -- device that sent it with the transaction id txn_id; NULL: none
    txn_id TEXT,
    client_json TEXT NOT NULL,           -- canonical JSON: what clients see
    server_json TEXT NOT NULL            -- canonical JSON: what only servers need
) HEAP;
CREATE UNIQUE INDEX events_timeline ON events (room_nid, position);
CREATE INDEX events_room_ts ON events (room_nid, origin_server_ts);
CREATE INDEX events_txn ON events (txn_device, txn_id) WHERE txn_device IS NOT NULL;

-- Nodes of the persistent state tree; an id is the hash of the body, so equal states are stored once.
CREATE TABLE state_nodes (
    id BYTEA PRIMARY KEY,
    body BYTEA NOT NULL
) KEYED;

-- The current membership of each user in each room: derived from state, kept for look-ups by user.
CREATE TABLE room_members (
    room_nid BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    membership BIGINT NOT NULL,          -- enum membership in matrix/event.h
    event_nid BIGINT NOT NULL,
    sender_nid BIGINT NOT NULL,
    position BIGINT NOT NULL,
    is_local BOOLEAN NOT NULL,
    forgotten BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (room_nid, user_nid)
) KEYED;
CREATE INDEX room_members_user ON room_members (user_nid, membership);

-- m.relates_to of events, by what they point at.
CREATE TABLE relations (
    event_nid BIGINT PRIMARY KEY,
    room_nid BIGINT NOT NULL,
    parent_id TEXT NOT NULL,             -- event id as written; it may be unknown here
    rel_type TEXT NOT NULL,
    type_nid BIGINT NOT NULL,
    sender_nid BIGINT NOT NULL,
    position BIGINT NOT NULL
) HEAP;
CREATE INDEX relations_parent ON relations (parent_id, rel_type, position);
CREATE INDEX relations_threads ON relations (room_nid, rel_type, position);

-- Redactions that arrived before the event they redact.
CREATE TABLE waiting_redactions (
    target_id TEXT NOT NULL,
    redaction_nid BIGINT NOT NULL,
    PRIMARY KEY (target_id, redaction_nid)
) KEYED;

CREATE TABLE room_aliases (
    alias TEXT PRIMARY KEY,
    room_nid BIGINT NOT NULL,
    creator_nid BIGINT NOT NULL
) KEYED;
CREATE INDEX room_aliases_room ON room_aliases (room_nid);
