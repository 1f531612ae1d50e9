-- What people told the administrators of, and the tokens by which they prove to others who they are.

CREATE TABLE reports (
    report_id BIGINT PRIMARY KEY,
    reporter_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,       -- the room, or that of the event; 0: a user was reported
    event_id TEXT,                  -- NULL: not an event
    user_nid BIGINT NOT NULL,       -- the user, or the sender of the event; 0: a room was reported
    reason TEXT NOT NULL,
    received_ts BIGINT NOT NULL
) HEAP;

-- OpenID tokens, as SHA-256: they say whose they are and nothing else.
CREATE TABLE openid_tokens (
    hash BYTEA PRIMARY KEY,
    user_nid BIGINT NOT NULL,
    expires_ts BIGINT NOT NULL
) KEYED;
CREATE INDEX openid_tokens_user ON openid_tokens (user_nid);
CREATE INDEX openid_tokens_expiry ON openid_tokens (expires_ts);
