-- People, their devices, and everything by which they prove who they are.

CREATE TABLE users (
    user_nid BIGINT PRIMARY KEY,    -- names.nid of the full user id
    localpart TEXT NOT NULL,
    password_hash TEXT,             -- NULL: no password login
    is_admin BOOLEAN NOT NULL,
    is_guest BOOLEAN NOT NULL,
    is_deactivated BOOLEAN NOT NULL,
    is_erased BOOLEAN NOT NULL,     -- asked to be forgotten when deactivated
    is_locked BOOLEAN NOT NULL,     -- M_USER_LOCKED
    is_suspended BOOLEAN NOT NULL,  -- M_USER_SUSPENDED
    created_ts BIGINT NOT NULL,
    appservice TEXT                 -- id of the appservice that made it, NULL otherwise
) HEAP;
CREATE UNIQUE INDEX users_localpart ON users (localpart);

CREATE TABLE devices (
    device_nid BIGINT PRIMARY KEY,
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    display_name TEXT,
    created_ts BIGINT NOT NULL,
    last_seen_ts BIGINT NOT NULL,   -- written in batches, minutes late
    last_seen_ip TEXT
) HEAP;
CREATE UNIQUE INDEX devices_user ON devices (user_nid, device_id);

-- Tokens are stored as SHA-256, never as they are.
CREATE TABLE access_tokens (
    hash BYTEA PRIMARY KEY,
    user_nid BIGINT NOT NULL,
    device_nid BIGINT NOT NULL,     -- 0: a token without a device
    refresh_hash BYTEA,             -- the refresh token given out with it
    expires_ts BIGINT NOT NULL,     -- 0: never
    is_used BOOLEAN NOT NULL,       -- only kept for tokens that came from a refresh
    created_ts BIGINT NOT NULL
) KEYED;
CREATE INDEX access_tokens_user ON access_tokens (user_nid, device_nid);
CREATE INDEX access_tokens_refresh ON access_tokens (refresh_hash);

CREATE TABLE refresh_tokens (
    hash BYTEA PRIMARY KEY,
    user_nid BIGINT NOT NULL,
    device_nid BIGINT NOT NULL,
    successor BYTEA,                -- what it was exchanged for; it stays valid until that is used
    expires_ts BIGINT NOT NULL,     -- 0: never
    created_ts BIGINT NOT NULL
) KEYED;
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_nid, device_nid);
CREATE INDEX refresh_tokens_successor ON refresh_tokens (successor);

-- m.login.token: good once.
CREATE TABLE login_tokens (
    hash BYTEA PRIMARY KEY,
    user_nid BIGINT NOT NULL,
    expires_ts BIGINT NOT NULL
) KEYED;
CREATE INDEX login_tokens_user ON login_tokens (user_nid);
CREATE INDEX login_tokens_expiry ON login_tokens (expires_ts);

-- User-interactive authentication in progress.
CREATE TABLE uia_sessions (
    session_id TEXT PRIMARY KEY,
    request_hash BYTEA NOT NULL,    -- method, path and body, keyed: the stages may not be spent on another request
    user_nid BIGINT NOT NULL,       -- 0: not signed in (registration)
    stages TEXT NOT NULL,           -- JSON: stages completed, with what each found out
    expires_ts BIGINT NOT NULL
) KEYED;
CREATE INDEX uia_sessions_user ON uia_sessions (user_nid);
CREATE INDEX uia_sessions_expiry ON uia_sessions (expires_ts);

CREATE TABLE registration_tokens (
    token TEXT PRIMARY KEY,
    uses_allowed BIGINT,            -- NULL: any number
    pending BIGINT NOT NULL,        -- registrations that hold a use but are not complete
    completed BIGINT NOT NULL,
    expires_ts BIGINT NOT NULL      -- 0: never
) KEYED;

-- Answers to requests that carry a transaction id: a repeated request gets the same answer. (Events carry
-- theirs themselves.)
CREATE TABLE transactions (
    device_nid BIGINT NOT NULL,
    scope TEXT NOT NULL,            -- the path without its transaction id
    txn_id TEXT NOT NULL,
    response TEXT NOT NULL,         -- JSON body
    created_ts BIGINT NOT NULL,
    PRIMARY KEY (device_nid, scope, txn_id)
) KEYED;
CREATE INDEX transactions_created ON transactions (created_ts);
