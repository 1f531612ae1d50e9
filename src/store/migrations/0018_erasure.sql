-- Who asked to be forgotten ("erase" of POST account/deactivate): whoever comes to a room after this position gets what
-- the user said there only as a redaction would leave it.

CREATE TABLE erased_users (
    user_nid BIGINT PRIMARY KEY,
    position BIGINT NOT NULL        -- of the stream, when it was asked
) KEYED;

INSERT INTO erased_users (user_nid, position) SELECT user_nid, 0 FROM users WHERE is_erased;
