-- What pages say about themselves, as it was fetched for previews of links. A cache.

CREATE TABLE url_previews (
    key TEXT PRIMARY KEY,           -- SHA-256 in hex of language and URL, because URLs are long
    url TEXT NOT NULL,
    fetched_ts BIGINT NOT NULL,
    expires_ts BIGINT NOT NULL,     -- fetched again from then on
    status BIGINT NOT NULL,         -- 200, or the HTTP status that says that there is no preview
    body TEXT NOT NULL,             -- JSON for the client; of a failure the sentence
    image_id TEXT                   -- media id of its picture; NULL: none
) HEAP;
CREATE INDEX url_previews_expiry ON url_previews (expires_ts);
CREATE INDEX url_previews_image ON url_previews (image_id) WHERE image_id IS NOT NULL;
