-- Who sent a message to a device: of a full queue, those of whoever has most in it go. 0: stored before this migration.
ALTER TABLE to_device ADD COLUMN sender_nid BIGINT NOT NULL DEFAULT 0;
DROP INDEX to_device_device;
CREATE INDEX to_device_device ON to_device (device_nid, position, sender_nid);
