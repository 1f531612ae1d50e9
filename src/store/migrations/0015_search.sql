-- Full text of what is said and of what rooms are called: messages, names, topics that are neither encrypted nor
-- redacted. Two steps: an event is noted in the transaction that writes it, and its text gets into the index a moment
-- later, many at once, which costs a fraction. Events that are older than these tables follow in the background.

CREATE TABLE search_events (
    position BIGINT PRIMARY KEY,    -- of the event; also its rowid in search_index
    event_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL
) HEAP;

--@ sqlite
-- SQLite's FTS5. It keeps no copy of the texts: they are in the events. tags holds r<room nid> and s<sender nid>, so
-- that the index itself finds what was said in some rooms or by some people.
CREATE VIRTUAL TABLE search_index USING fts5(body, name, topic, tags, content = '',
    tokenize = 'unicode61 remove_diacritics 2');

--@ postgresql
-- One row per event: lexemes of weight A are of the body, B of a name, C of a topic, D of the tags.
CREATE TABLE search_index (
    position BIGINT PRIMARY KEY,
    words tsvector NOT NULL
);
CREATE INDEX search_index_words ON search_index USING gin (words);

--@ all

-- indexed: the texts of what was noted up to this position are in the index; below: of the events that are older than
-- the tables, those with smaller nids are still to come.
INSERT INTO background_tasks (name, progress, is_done, updated_ts)
    SELECT 'search-index', '{"indexed":' || position || ',"below":' || (event_id + 1) || '}', event_id = 0, 0
    FROM counters;
