-- Pushers of kind "email" send a letter now and then.

ALTER TABLE pushers ADD COLUMN mailed_ts BIGINT NOT NULL DEFAULT 0; -- when the last letter was sent; 0: none
ALTER TABLE pushers ADD COLUMN pause_ms BIGINT NOT NULL DEFAULT 0;  -- until the next may be sent; 0: something was read since
