-- Messages, people and rooms are found by one folding of letters now (matrix/text_fold.h): Unicode's case folding, without
-- accents. What is in the indexes is made anew: texts and people in the background, bit by bit, the rooms when somebody
-- looks at a list. Meanwhile what is not there yet is not found.

--@ sqlite
DROP TABLE search_index;
CREATE VIRTUAL TABLE search_index USING fts5(body, name, topic, tags, content = '', tokenize = 'ascii');
DELETE FROM search_events;
--@ postgresql
TRUNCATE search_index;
TRUNCATE search_events;
--@ all

UPDATE background_tasks SET is_done = (SELECT event_id = 0 FROM counters), progress =
    (SELECT '{"indexed":' || position || ',"below":' || (event_id + 1) || '}' FROM counters)
    WHERE name = 'search-index';

-- after: the localpart of whoever was put in last.
INSERT INTO background_tasks (name, progress, is_done, updated_ts) VALUES ('user-directory', '{"after":""}', FALSE, 0);
DELETE FROM meta WHERE key = 'user_directory';

UPDATE room_directory SET changes = changes + 1;
