-- An epoch: what one process has written, from the first position that it gave until another process began its own.
-- A token names its epoch, so that one from a time that was lost by a restore is known (store/epochs.h).
CREATE TABLE epochs (
    epoch BIGINT PRIMARY KEY,   -- random; 0: before there were epochs
    ends BIGINT                 -- its last position; NULL: it goes on
) KEYED;
CREATE INDEX epochs_ends ON epochs (ends);
INSERT INTO epochs (epoch, ends) VALUES (0, NULL);
ALTER TABLE counters ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0; -- the one that goes on
