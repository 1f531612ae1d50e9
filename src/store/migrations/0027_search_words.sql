-- Texts come as words in lower case and without accents now (matrix/search_text.h), the same for every engine, so the
-- tokenizer only cuts at spaces. What is in the index is made anew in the background.

--@ sqlite
DROP TABLE search_index;
CREATE VIRTUAL TABLE search_index USING fts5(body, name, topic, tags, content = '', tokenize = 'ascii');
--@ postgresql
DELETE FROM search_index;
--@ all

DELETE FROM search_events;
UPDATE background_tasks SET is_done = (SELECT event_id = 0 FROM counters), progress =
    (SELECT '{"indexed":' || position || ',"below":' || (event_id + 1) || '}' FROM counters)
    WHERE name = 'search-index';
