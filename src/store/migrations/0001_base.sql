-- What every other table rests on. Dialect: see docs/storage.md; KEYED and HEAP end each table.

-- The numbers that the server gives out; one row, updated at the end of each grouped transaction.
CREATE TABLE counters (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    position BIGINT NOT NULL,   -- stream position: events, receipts, account data, to-device, device lists
    name_id BIGINT NOT NULL,    -- nids of names; below 1000 are fixed (matrix/names.h)
    event_id BIGINT NOT NULL,   -- nids of events
    room_id BIGINT NOT NULL,    -- nids of rooms
    other_id BIGINT NOT NULL    -- everything else: devices, filters, one-time keys
) HEAP;
INSERT INTO counters (one, position, name_id, event_id, room_id, other_id) VALUES (1, 0, 1000, 0, 0, 0);

-- Interned strings: user ids, event types, state keys. Rows are never changed or removed.
CREATE TABLE names (
    nid BIGINT PRIMARY KEY,
    text BYTEA NOT NULL         -- bytes, because a state key may hold U+0000
) HEAP;
CREATE UNIQUE INDEX names_text ON names (text);

-- Server-wide facts: when it was made, its server name, keys of features.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) KEYED;

-- How far long work has come, so that it goes on after a restart.
CREATE TABLE background_tasks (
    name TEXT PRIMARY KEY,
    progress TEXT NOT NULL,     -- JSON, the task's own
    is_done BOOLEAN NOT NULL,
    updated_ts BIGINT NOT NULL
) KEYED;
