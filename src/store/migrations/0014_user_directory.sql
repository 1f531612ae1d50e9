-- What people can be found by: each name from each of its characters on, so that a part of a name is the beginning of
-- a row. Made from names and profiles (core/user_directory.c), also for the accounts that are older than this table.
CREATE TABLE user_directory (
    is_inside BOOLEAN NOT NULL,     -- the part begins inside of a word
    part TEXT NOT NULL,             -- in lower case, cut at a length
    user_nid BIGINT NOT NULL,
    PRIMARY KEY (is_inside, part, user_nid)
) KEYED;
CREATE INDEX user_directory_user ON user_directory (user_nid);
