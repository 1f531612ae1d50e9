-- What people keep on the server.

CREATE TABLE filters (
    user_nid BIGINT NOT NULL,
    filter_id BIGINT NOT NULL,
    hash BYTEA NOT NULL,            -- SHA-256 of json: the same filter is stored once
    json TEXT NOT NULL,
    PRIMARY KEY (user_nid, filter_id)
) HEAP;
CREATE UNIQUE INDEX filters_hash ON filters (user_nid, hash);

CREATE TABLE account_data (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,       -- 0: global
    type TEXT NOT NULL,
    position BIGINT NOT NULL,
    content TEXT,                   -- JSON; NULL: deleted, kept so that clients hear of it
    PRIMARY KEY (user_nid, room_nid, type)
) HEAP;
CREATE INDEX account_data_stream ON account_data (user_nid, position);
CREATE INDEX account_data_room ON account_data (room_nid);

CREATE TABLE profiles (
    user_nid BIGINT NOT NULL,
    field TEXT NOT NULL,            -- displayname, avatar_url, m.tz, or any other key
    value TEXT NOT NULL,            -- JSON of any kind
    PRIMARY KEY (user_nid, field)
) KEYED;

CREATE TABLE receipts (
    room_nid BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    kind BIGINT NOT NULL,           -- enum receipt_kind
    thread TEXT NOT NULL,           -- '': unthreaded; main; or the thread's root event id
    event_id TEXT NOT NULL,
    event_position BIGINT NOT NULL, -- of that event, 0 if it is not known here
    ts BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (room_nid, user_nid, kind, thread)
) KEYED;
CREATE INDEX receipts_stream ON receipts (room_nid, position);
CREATE INDEX receipts_user ON receipts (user_nid, room_nid);

CREATE TABLE presence (
    user_nid BIGINT PRIMARY KEY,
    state BIGINT NOT NULL,          -- enum presence_state
    status_msg TEXT,
    last_active_ts BIGINT NOT NULL,
    position BIGINT NOT NULL
) HEAP;
CREATE INDEX presence_stream ON presence (position);

CREATE TABLE push_rules (
    user_nid BIGINT PRIMARY KEY,
    json TEXT NOT NULL,             -- what differs from the defaults
    position BIGINT NOT NULL
) HEAP;

CREATE TABLE pushers (
    pusher_id BIGINT PRIMARY KEY,
    user_nid BIGINT NOT NULL,
    app_id TEXT NOT NULL,
    pushkey TEXT NOT NULL,
    kind TEXT NOT NULL,
    app_display_name TEXT NOT NULL,
    device_display_name TEXT NOT NULL,
    profile_tag TEXT,
    lang TEXT NOT NULL,
    data TEXT NOT NULL,             -- JSON
    device_nid BIGINT NOT NULL,     -- the device that set it; goes with it
    is_enabled BOOLEAN NOT NULL,
    created_ts BIGINT NOT NULL,
    pushed_position BIGINT NOT NULL, -- everything up to here has been delivered
    failing_since_ts BIGINT NOT NULL -- 0: the last delivery worked
) HEAP;
CREATE UNIQUE INDEX pushers_user ON pushers (user_nid, app_id, pushkey);
CREATE INDEX pushers_key ON pushers (app_id, pushkey);
CREATE INDEX pushers_device ON pushers (device_nid);
