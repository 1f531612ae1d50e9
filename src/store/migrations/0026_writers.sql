--@ postgresql
-- Each process that writes leaves the number of its last transaction here, inside that transaction. When a connection
-- breaks during COMMIT, this tells whether it was done. SQLite has nobody between itself and its file.
CREATE TABLE writers (
    writer BIGINT PRIMARY KEY,  -- a random number of the process
    batch BIGINT NOT NULL,      -- its last transaction
    updated_ts BIGINT NOT NULL
) HEAP;
--@ all
