-- End-to-end encryption: what the server keeps for devices that do not trust it.

-- Messages to devices, until the device has synced past them.
CREATE TABLE to_device (
    position BIGINT PRIMARY KEY,
    device_nid BIGINT NOT NULL,
    event TEXT NOT NULL             -- JSON as /sync gives it: type, sender, content
) HEAP;
CREATE INDEX to_device_device ON to_device (device_nid, position);

-- Who changed their devices or keys, and when last.
CREATE TABLE device_list_changes (
    user_nid BIGINT PRIMARY KEY,
    position BIGINT NOT NULL
) HEAP;
CREATE INDEX device_list_changes_stream ON device_list_changes (position);

CREATE TABLE device_keys (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    json TEXT NOT NULL,             -- the signed object as uploaded, without unsigned
    PRIMARY KEY (user_nid, device_id)
) HEAP;

CREATE TABLE one_time_keys (
    device_nid BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    seq BIGINT NOT NULL,            -- rising: the oldest is claimed first
    key_id TEXT NOT NULL,           -- with the algorithm in front
    json TEXT NOT NULL,
    PRIMARY KEY (device_nid, algorithm, seq)
) KEYED;
CREATE UNIQUE INDEX one_time_keys_id ON one_time_keys (device_nid, key_id);

CREATE TABLE fallback_keys (
    device_nid BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    json TEXT NOT NULL,
    is_used BOOLEAN NOT NULL,
    PRIMARY KEY (device_nid, algorithm)
) KEYED;

CREATE TABLE cross_signing_keys (
    user_nid BIGINT NOT NULL,
    usage BIGINT NOT NULL,          -- enum cross_signing_usage
    json TEXT NOT NULL,             -- as uploaded; signatures of others are in key_signatures
    PRIMARY KEY (user_nid, usage)
) KEYED;

CREATE TABLE key_signatures (
    target_nid BIGINT NOT NULL,     -- the user whose key is signed
    target_key TEXT NOT NULL,       -- device id, or public key of a cross-signing key
    signer_nid BIGINT NOT NULL,
    signer_key TEXT NOT NULL,       -- key id, as in "signatures"
    signature TEXT NOT NULL,
    position BIGINT NOT NULL,       -- the signer's other devices are told what he signed
    PRIMARY KEY (target_nid, target_key, signer_nid, signer_key)
) KEYED;
CREATE INDEX key_signatures_signer ON key_signatures (signer_nid, position);

CREATE TABLE key_backups (
    user_nid BIGINT NOT NULL,
    version BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    auth_data TEXT NOT NULL,        -- JSON
    etag BIGINT NOT NULL,           -- counts the changes of its keys
    n_keys BIGINT NOT NULL,
    is_deleted BOOLEAN NOT NULL,    -- versions are never used again
    PRIMARY KEY (user_nid, version)
) HEAP;

CREATE TABLE key_backup_sessions (
    user_nid BIGINT NOT NULL,
    version BIGINT NOT NULL,
    room_id TEXT NOT NULL,          -- text: the room may be unknown here
    session_id TEXT NOT NULL,
    first_message_index BIGINT NOT NULL,
    forwarded_count BIGINT NOT NULL,
    is_verified BOOLEAN NOT NULL,
    session_data TEXT NOT NULL,     -- JSON
    PRIMARY KEY (user_nid, version, room_id, session_id)
) HEAP;
