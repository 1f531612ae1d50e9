-- E-mail addresses (and other third-party identifiers) of accounts, and the proofs of them in progress.

CREATE TABLE threepids (
    medium TEXT NOT NULL,           -- "email"
    address TEXT NOT NULL,          -- in its one form (appendices, "3PID Types")
    user_nid BIGINT NOT NULL,
    validated_ts BIGINT NOT NULL,
    added_ts BIGINT NOT NULL,
    PRIMARY KEY (medium, address)
) KEYED;
CREATE INDEX threepids_user ON threepids (user_nid);

-- Somebody says that an address is his. The mail to it holds a token; here is only its SHA-256, as of the client's
-- secret.
CREATE TABLE threepid_sessions (
    session_id TEXT PRIMARY KEY,
    purpose BIGINT NOT NULL,        -- what may be done with the proof: enum threepid_purpose
    medium TEXT NOT NULL,
    address TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    token_hash BYTEA,               -- of the newest mail; NULL: none that could prove anything was sent
    send_attempt BIGINT NOT NULL,   -- of the newest mail
    next_link TEXT,                 -- where the person goes afterwards
    validated_ts BIGINT NOT NULL,   -- 0: not yet
    expires_ts BIGINT NOT NULL
) KEYED;
CREATE UNIQUE INDEX threepid_sessions_attempt ON threepid_sessions (address, secret_hash, purpose);
CREATE INDEX threepid_sessions_expiry ON threepid_sessions (expires_ts);
