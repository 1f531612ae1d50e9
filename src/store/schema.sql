CREATE TABLE access_tokens (
    hash BLOB PRIMARY KEY,
    user_nid INTEGER NOT NULL,
    device_nid INTEGER NOT NULL,     -- 0: a token without a device
    refresh_hash BLOB,             -- the refresh token given out with it
    expires_ts INTEGER NOT NULL,     -- 0: never
    is_used INTEGER NOT NULL,       -- only kept for tokens that came from a refresh
    created_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX access_tokens_refresh ON access_tokens (refresh_hash);

CREATE INDEX access_tokens_user ON access_tokens (user_nid, device_nid);

CREATE TABLE account_data (
    user_nid INTEGER NOT NULL,
    room_nid INTEGER NOT NULL,       -- 0: global
    type TEXT NOT NULL,
    position INTEGER NOT NULL,
    content TEXT,                   -- JSON; NULL: deleted, kept so that clients hear of it
    PRIMARY KEY (user_nid, room_nid, type)
) STRICT;

CREATE INDEX account_data_room ON account_data (room_nid);

CREATE INDEX account_data_stream ON account_data (user_nid, position);

CREATE TABLE appservice_queues (
    appservice TEXT PRIMARY KEY,        -- id of the registration
    position INTEGER NOT NULL,           -- events up to here were delivered, are in the transaction, or are not for it
    txn_id INTEGER NOT NULL,             -- of the newest transaction; ids rise by one and are never used again
    body TEXT,                          -- JSON of that transaction; NULL: it was acknowledged
    events INTEGER NOT NULL,             -- how many events are in it
    oldest_ts INTEGER NOT NULL           -- when the oldest of them arrived here; 0: none
) STRICT, WITHOUT ROWID;

CREATE TABLE appservice_rooms (
    appservice TEXT NOT NULL,
    network TEXT NOT NULL,
    room_nid INTEGER NOT NULL,
    PRIMARY KEY (appservice, network, room_nid)
) STRICT, WITHOUT ROWID;

CREATE INDEX appservice_rooms_room ON appservice_rooms (room_nid);

CREATE TABLE background_tasks (
    name TEXT PRIMARY KEY,
    progress TEXT NOT NULL,     -- JSON, the task's own
    is_done INTEGER NOT NULL,
    updated_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE blocked_rooms (
    room_id TEXT PRIMARY KEY,
    blocked_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,   -- stream position: events, receipts, account data, to-device, device lists
    name_id INTEGER NOT NULL,    -- nids of names; below 1000 are fixed (matrix/names.h)
    event_id INTEGER NOT NULL,   -- nids of events
    room_id INTEGER NOT NULL,    -- nids of rooms
    other_id INTEGER NOT NULL    -- everything else: devices, filters, one-time keys
, epoch INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE cross_signing_keys (
    user_nid INTEGER NOT NULL,
    usage INTEGER NOT NULL,          -- enum cross_signing_usage
    json TEXT NOT NULL,             -- as uploaded; signatures of others are in key_signatures
    PRIMARY KEY (user_nid, usage)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_keys (
    user_nid INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    json TEXT NOT NULL,             -- the signed object as uploaded, without unsigned
    PRIMARY KEY (user_nid, device_id)
) STRICT;

CREATE TABLE device_list_changes (
    user_nid INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT;

CREATE INDEX device_list_changes_stream ON device_list_changes (position);

CREATE TABLE devices (
    device_nid INTEGER PRIMARY KEY,
    user_nid INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    display_name TEXT,
    created_ts INTEGER NOT NULL,
    last_seen_ts INTEGER NOT NULL,   -- written in batches, minutes late
    last_seen_ip TEXT
) STRICT;

CREATE UNIQUE INDEX devices_user ON devices (user_nid, device_id);

CREATE TABLE doomed_rooms (
    room_nid INTEGER PRIMARY KEY,
    since_ts INTEGER NOT NULL        -- 0: an administrator ordered it; else when the last user of this server forgot it
) STRICT;

CREATE INDEX doomed_rooms_due ON doomed_rooms (since_ts);

CREATE TABLE epochs (
    epoch INTEGER PRIMARY KEY,   -- random; 0: before there were epochs
    ends INTEGER                 -- its last position; NULL: it goes on
) STRICT, WITHOUT ROWID;

CREATE INDEX epochs_ends ON epochs (ends);

CREATE TABLE erased_users (
    user_nid INTEGER PRIMARY KEY,
    position INTEGER NOT NULL        -- of the stream, when it was asked
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    nid INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    room_nid INTEGER NOT NULL,
    position INTEGER,                     -- place in the stream and in the room's timeline; NULL: not in the timeline
    type_nid INTEGER NOT NULL,
    sender_nid INTEGER NOT NULL,
    state_key_nid INTEGER NOT NULL,       -- 0: not a state event
    origin_server_ts INTEGER NOT NULL,
    received_ts INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    flags INTEGER NOT NULL,               -- bits of enum event_flag in store/events.h
    state_after BLOB,                   -- root of the state after the event; NULL for outliers
    replaces_nid INTEGER NOT NULL DEFAULT 0, -- the event that held this state key before
    redacted_by INTEGER NOT NULL DEFAULT 0,  -- nid of the redaction that was applied to it
    auth_nids BLOB NOT NULL,            -- nids of its auth events, 8 bytes each, big-endian
    prev_nids BLOB NOT NULL,            -- nids of its previous events that are known here
    txn_device INTEGER,                   -- device that sent it with the transaction id txn_id; NULL: none
    txn_id TEXT,
    client_json TEXT NOT NULL,           -- canonical JSON: what clients see
    server_json TEXT NOT NULL            -- canonical JSON: what only servers need
) STRICT;

CREATE INDEX events_room_ts ON events (room_nid, origin_server_ts);

CREATE INDEX events_stream ON events (position) WHERE position IS NOT NULL;

CREATE UNIQUE INDEX events_timeline ON events (room_nid, position);

CREATE INDEX events_txn ON events (txn_device, txn_id) WHERE txn_device IS NOT NULL;

CREATE TABLE fallback_keys (
    device_nid INTEGER NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    json TEXT NOT NULL,
    is_used INTEGER NOT NULL,
    PRIMARY KEY (device_nid, algorithm)
) STRICT, WITHOUT ROWID;

CREATE TABLE filters (
    user_nid INTEGER NOT NULL,
    filter_id INTEGER NOT NULL,
    hash BLOB NOT NULL,            -- SHA-256 of json: the same filter is stored once
    json TEXT NOT NULL,
    PRIMARY KEY (user_nid, filter_id)
) STRICT;

CREATE UNIQUE INDEX filters_hash ON filters (user_nid, hash);

CREATE TABLE gone_rooms (
    user_nid INTEGER NOT NULL,
    position INTEGER NOT NULL,       -- when it was deleted
    room_id TEXT NOT NULL,
    PRIMARY KEY (user_nid, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_backup_sessions (
    user_nid INTEGER NOT NULL,
    version INTEGER NOT NULL,
    room_id TEXT NOT NULL,          -- text: the room may be unknown here
    session_id TEXT NOT NULL,
    first_message_index INTEGER NOT NULL,
    forwarded_count INTEGER NOT NULL,
    is_verified INTEGER NOT NULL,
    session_data TEXT NOT NULL,     -- JSON
    PRIMARY KEY (user_nid, version, room_id, session_id)
) STRICT;

CREATE TABLE key_backups (
    user_nid INTEGER NOT NULL,
    version INTEGER NOT NULL,
    algorithm TEXT NOT NULL,
    auth_data TEXT NOT NULL,        -- JSON
    etag INTEGER NOT NULL,           -- counts the changes of its keys
    n_keys INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL, bytes INTEGER NOT NULL DEFAULT 0,    -- versions are never used again
    PRIMARY KEY (user_nid, version)
) STRICT;

CREATE INDEX key_backups_left ON key_backups (user_nid, version) WHERE is_deleted AND bytes > 0;

CREATE TABLE key_signatures (
    target_nid INTEGER NOT NULL,     -- the user whose key is signed
    target_key TEXT NOT NULL,       -- device id, or public key of a cross-signing key
    signer_nid INTEGER NOT NULL,
    signer_key TEXT NOT NULL,       -- key id, as in "signatures"
    signature TEXT NOT NULL,
    position INTEGER NOT NULL,       -- the signer's other devices are told what he signed
    PRIMARY KEY (target_nid, target_key, signer_nid, signer_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_signatures_signer ON key_signatures (signer_nid, position);

CREATE TABLE login_tokens (
    hash BLOB PRIMARY KEY,
    user_nid INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX login_tokens_expiry ON login_tokens (expires_ts);

CREATE INDEX login_tokens_user ON login_tokens (user_nid);

CREATE TABLE media (
    origin TEXT NOT NULL,           -- '': this server
    media_id TEXT NOT NULL,
    hash TEXT,                      -- SHA-256 in hex; NULL: created, but not uploaded yet
    size INTEGER NOT NULL,
    content_type TEXT,
    upload_name TEXT,
    uploader_nid INTEGER NOT NULL,   -- 0: fetched from another server
    created_ts INTEGER NOT NULL,
    last_access_ts INTEGER NOT NULL, -- written in batches
    expires_ts INTEGER NOT NULL,     -- of a creation without upload; 0: none
    is_quarantined INTEGER NOT NULL, class INTEGER NOT NULL DEFAULT 0, needs_token INTEGER NOT NULL DEFAULT TRUE,
    PRIMARY KEY (origin, media_id)
) STRICT;

CREATE INDEX media_class ON media (class, last_access_ts) WHERE hash IS NOT NULL;

CREATE INDEX media_hash ON media (hash);

CREATE INDEX media_pending ON media (expires_ts) WHERE hash IS NULL;

CREATE INDEX media_uploader ON media (uploader_nid, created_ts);

CREATE TABLE media_blocked (
    hash TEXT PRIMARY KEY,          -- SHA-256 in hex
    reason TEXT,                    -- for administrators; NULL: not given
    blocked_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE media_usage (
    class INTEGER NOT NULL,
    owner_nid INTEGER NOT NULL,      -- the uploader; 0: nobody of this server
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (class, owner_nid)
) STRICT, WITHOUT ROWID;

CREATE INDEX media_usage_bytes ON media_usage (bytes);

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE names (
    nid INTEGER PRIMARY KEY,
    text BLOB NOT NULL         -- bytes, because a state key may hold U+0000
) STRICT;

CREATE UNIQUE INDEX names_text ON names (text);

CREATE TABLE one_time_keys (
    device_nid INTEGER NOT NULL,
    algorithm TEXT NOT NULL,
    seq INTEGER NOT NULL,            -- rising: the oldest is claimed first
    key_id TEXT NOT NULL,           -- with the algorithm in front
    json TEXT NOT NULL,
    PRIMARY KEY (device_nid, algorithm, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_time_keys_id ON one_time_keys (device_nid, key_id);

CREATE TABLE openid_tokens (
    hash BLOB PRIMARY KEY,
    user_nid INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX openid_tokens_expiry ON openid_tokens (expires_ts);

CREATE INDEX openid_tokens_user ON openid_tokens (user_nid);

CREATE TABLE presence (
    user_nid INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,          -- enum presence_state
    status_msg TEXT,
    last_active_ts INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT;

CREATE INDEX presence_stream ON presence (position);

CREATE TABLE profile_spreads (
    user_nid INTEGER PRIMARY KEY,
    change INTEGER NOT NULL,     -- number of the newest change: an older one's progress does not count for it
    reached INTEGER NOT NULL     -- rooms up to this nid have it
) STRICT, WITHOUT ROWID;

CREATE TABLE profiles (
    user_nid INTEGER NOT NULL,
    field TEXT NOT NULL,            -- displayname, avatar_url, m.tz, or any other key
    value TEXT NOT NULL,            -- JSON of any kind
    PRIMARY KEY (user_nid, field)
) STRICT, WITHOUT ROWID;

CREATE INDEX profiles_avatar ON profiles (value) WHERE field = 'avatar_url';

CREATE TABLE push_rules (
    user_nid INTEGER PRIMARY KEY,
    json TEXT NOT NULL,             -- what differs from the defaults
    position INTEGER NOT NULL
) STRICT;

CREATE TABLE pushers (
    pusher_id INTEGER PRIMARY KEY,
    user_nid INTEGER NOT NULL,
    app_id TEXT NOT NULL,
    pushkey TEXT NOT NULL,
    kind TEXT NOT NULL,
    app_display_name TEXT NOT NULL,
    device_display_name TEXT NOT NULL,
    profile_tag TEXT,
    lang TEXT NOT NULL,
    data TEXT NOT NULL,             -- JSON
    device_nid INTEGER NOT NULL,     -- the device that set it; goes with it
    is_enabled INTEGER NOT NULL,
    created_ts INTEGER NOT NULL,
    pushed_position INTEGER NOT NULL, -- everything up to here has been delivered
    failing_since_ts INTEGER NOT NULL -- 0: the last delivery worked
, mailed_ts INTEGER NOT NULL DEFAULT 0, pause_ms INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX pushers_device ON pushers (device_nid);

CREATE INDEX pushers_key ON pushers (app_id, pushkey);

CREATE UNIQUE INDEX pushers_user ON pushers (user_nid, app_id, pushkey);

CREATE TABLE receipts (
    room_nid INTEGER NOT NULL,
    user_nid INTEGER NOT NULL,
    kind INTEGER NOT NULL,           -- enum receipt_kind
    thread TEXT NOT NULL,           -- '': unthreaded; main; or the thread's root event id
    event_id TEXT NOT NULL,
    event_position INTEGER NOT NULL, -- of that event, 0 if it is not known here
    ts INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (room_nid, user_nid, kind, thread)
) STRICT, WITHOUT ROWID;

CREATE INDEX receipts_stream ON receipts (room_nid, position);

CREATE INDEX receipts_user ON receipts (user_nid, room_nid);

CREATE TABLE redacted_contents (
    event_nid INTEGER PRIMARY KEY,
    redacted_ts INTEGER NOT NULL     -- when this server got the redaction
) STRICT;

CREATE INDEX redacted_contents_due ON redacted_contents (redacted_ts);

CREATE TABLE refresh_tokens (
    hash BLOB PRIMARY KEY,
    user_nid INTEGER NOT NULL,
    device_nid INTEGER NOT NULL,
    successor BLOB,                -- what it was exchanged for; it stays valid until that is used
    expires_ts INTEGER NOT NULL,     -- 0: never
    created_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_successor ON refresh_tokens (successor);

CREATE INDEX refresh_tokens_user ON refresh_tokens (user_nid, device_nid);

CREATE TABLE registration_tokens (
    token TEXT PRIMARY KEY,
    uses_allowed INTEGER,            -- NULL: any number
    pending INTEGER NOT NULL,        -- registrations that hold a use but are not complete
    completed INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL      -- 0: never
) STRICT, WITHOUT ROWID;

CREATE TABLE relations (
    event_nid INTEGER PRIMARY KEY,
    room_nid INTEGER NOT NULL,
    parent_id TEXT NOT NULL,             -- event id as written; it may be unknown here
    rel_type TEXT NOT NULL,
    type_nid INTEGER NOT NULL,
    sender_nid INTEGER NOT NULL,
    position INTEGER NOT NULL
, origin_server_ts INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX relations_edits ON relations (parent_id, origin_server_ts) WHERE rel_type = 'm.replace';

CREATE INDEX relations_parent ON relations (parent_id, rel_type, position);

CREATE INDEX relations_threads ON relations (room_nid, rel_type, position);

CREATE TABLE reports (
    report_id INTEGER PRIMARY KEY,
    reporter_nid INTEGER NOT NULL,
    room_nid INTEGER NOT NULL,       -- the room, or that of the event; 0: a user was reported
    event_id TEXT,                  -- NULL: not an event
    user_nid INTEGER NOT NULL,       -- the user, or the sender of the event; 0: a room was reported
    reason TEXT NOT NULL,
    received_ts INTEGER NOT NULL
) STRICT;

CREATE TABLE room_aliases (
    alias TEXT PRIMARY KEY,
    room_nid INTEGER NOT NULL,
    creator_nid INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX room_aliases_room ON room_aliases (room_nid);

CREATE TABLE room_directory (
    room_nid INTEGER PRIMARY KEY,
    is_published INTEGER NOT NULL,  -- as rooms.is_published
    joined INTEGER NOT NULL,         -- members
    room_type TEXT NOT NULL,        -- '': none
    words TEXT NOT NULL,            -- what it can be found by: name, topic, alias, a line each
    changes INTEGER NOT NULL,        -- of the room, since it is listed
    seen INTEGER NOT NULL            -- of them, those that the other columns know
) STRICT;

CREATE INDEX room_directory_order ON room_directory (joined, room_nid);

CREATE INDEX room_directory_published ON room_directory (is_published, joined, room_nid);

CREATE INDEX room_directory_stale ON room_directory (room_nid) WHERE changes <> seen;

CREATE TABLE room_icons (
    room_nid INTEGER PRIMARY KEY,
    event_nid INTEGER NOT NULL,
    url TEXT NOT NULL
) STRICT;

CREATE INDEX room_icons_url ON room_icons (url);

CREATE TABLE room_members (
    room_nid INTEGER NOT NULL,
    user_nid INTEGER NOT NULL,
    membership INTEGER NOT NULL,          -- enum membership in matrix/event.h
    event_nid INTEGER NOT NULL,
    sender_nid INTEGER NOT NULL,
    position INTEGER NOT NULL,
    is_local INTEGER NOT NULL,
    forgotten INTEGER NOT NULL DEFAULT FALSE,
    PRIMARY KEY (room_nid, user_nid)
) STRICT, WITHOUT ROWID;

CREATE INDEX room_members_user ON room_members (user_nid, membership);

CREATE TABLE rooms (
    nid INTEGER PRIMARY KEY,
    room_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,               -- room version, for ever
    row_version INTEGER NOT NULL,         -- +1 with each commit: a commit that was built on another one loses
    state BLOB NOT NULL,                -- root of the current, resolved state
    heads BLOB NOT NULL,                -- nids of the forward extremities, 8 bytes each, big-endian
    depth INTEGER NOT NULL,               -- greatest depth of an event in the room
    last_position INTEGER NOT NULL,       -- stream position of the newest event
    create_nid INTEGER NOT NULL,          -- nid of the m.room.create event
    is_published INTEGER NOT NULL DEFAULT FALSE, -- in this server's room directory
    created_ts INTEGER NOT NULL, purged_upto INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX rooms_published ON rooms (is_published, nid);

CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_ts INTEGER NOT NULL -- milliseconds
) STRICT;

CREATE TABLE search_events (
    position INTEGER PRIMARY KEY,    -- of the event; also its rowid in search_index
    event_nid INTEGER NOT NULL,
    room_nid INTEGER NOT NULL
) STRICT;

CREATE VIRTUAL TABLE search_index USING fts5(body, name, topic, tags, content = '', tokenize = 'ascii');

CREATE TABLE 'search_index_config'(k PRIMARY KEY, v) WITHOUT ROWID;

CREATE TABLE 'search_index_data'(id INTEGER PRIMARY KEY, block BLOB);

CREATE TABLE 'search_index_docsize'(id INTEGER PRIMARY KEY, sz BLOB);

CREATE TABLE 'search_index_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

CREATE TABLE state_nodes (
    id BLOB PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE thread_people (
    root_id TEXT NOT NULL,
    room_nid INTEGER NOT NULL,
    user_nid INTEGER NOT NULL,
    replies INTEGER NOT NULL,
    is_root INTEGER NOT NULL,       -- sent the root
    PRIMARY KEY (root_id, room_nid, user_nid)
) STRICT, WITHOUT ROWID;

CREATE INDEX thread_people_user ON thread_people (user_nid, room_nid);

CREATE TABLE threads (
    root_id TEXT NOT NULL,          -- event id as the replies write it; it may be unknown here
    room_nid INTEGER NOT NULL,       -- of the replies
    latest INTEGER NOT NULL,         -- position of the newest reply
    replies INTEGER NOT NULL,
    PRIMARY KEY (root_id, room_nid)
) STRICT;

CREATE INDEX threads_room ON threads (room_nid, latest);

CREATE TABLE threepid_binds (
    user_nid INTEGER NOT NULL,
    medium TEXT NOT NULL,           -- "email", "msisdn"
    address TEXT NOT NULL,          -- as the identity server told it
    id_server TEXT NOT NULL,        -- host, and port if it has one
    PRIMARY KEY (user_nid, medium, address, id_server)
) STRICT, WITHOUT ROWID;

CREATE TABLE threepid_sessions (
    session_id TEXT PRIMARY KEY,
    purpose INTEGER NOT NULL,        -- what may be done with the proof: enum threepid_purpose
    medium TEXT NOT NULL,
    address TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    token_hash BLOB,               -- of the newest mail; NULL: none that could prove anything was sent
    send_attempt INTEGER NOT NULL,   -- of the newest mail
    next_link TEXT,                 -- where the person goes afterwards
    validated_ts INTEGER NOT NULL,   -- 0: not yet
    expires_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX threepid_sessions_attempt ON threepid_sessions (address, secret_hash, purpose);

CREATE INDEX threepid_sessions_expiry ON threepid_sessions (expires_ts);

CREATE TABLE threepids (
    medium TEXT NOT NULL,           -- "email"
    address TEXT NOT NULL,          -- in its one form (appendices, "3PID Types")
    user_nid INTEGER NOT NULL,
    validated_ts INTEGER NOT NULL,
    added_ts INTEGER NOT NULL,
    PRIMARY KEY (medium, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX threepids_user ON threepids (user_nid);

CREATE TABLE to_device (
    position INTEGER PRIMARY KEY,
    device_nid INTEGER NOT NULL,
    event TEXT NOT NULL             -- JSON as /sync gives it: type, sender, content
, sender_nid INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX to_device_device ON to_device (device_nid, position, sender_nid);

CREATE TABLE transactions (
    device_nid INTEGER NOT NULL,
    scope TEXT NOT NULL,            -- the path without its transaction id
    txn_id TEXT NOT NULL,
    response TEXT NOT NULL,         -- JSON body
    created_ts INTEGER NOT NULL,
    PRIMARY KEY (device_nid, scope, txn_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX transactions_created ON transactions (created_ts);

CREATE TABLE uia_sessions (
    session_id TEXT PRIMARY KEY,
    request_hash BLOB NOT NULL,    -- method, path and body, keyed: the stages may not be spent on another request
    user_nid INTEGER NOT NULL,       -- 0: not signed in (registration)
    stages TEXT NOT NULL,           -- JSON: stages completed, with what each found out
    expires_ts INTEGER NOT NULL
, body BLOB) STRICT, WITHOUT ROWID;

CREATE INDEX uia_sessions_expiry ON uia_sessions (expires_ts);

CREATE INDEX uia_sessions_user ON uia_sessions (user_nid);

CREATE TABLE unread_counts (
    user_nid INTEGER NOT NULL,
    room_nid INTEGER NOT NULL,
    rules_version INTEGER NOT NULL,  -- position of the push rules plus that of the ignore list it was counted by
    upto INTEGER NOT NULL,           -- events up to this position are counted
    body BLOB NOT NULL,            -- per thread the positions of unread events, see core/unread_marks.c
    PRIMARY KEY (user_nid, room_nid)
) STRICT, WITHOUT ROWID;

CREATE INDEX unread_counts_room ON unread_counts (room_nid);

CREATE TABLE url_previews (
    key TEXT PRIMARY KEY,           -- SHA-256 in hex of language and URL, because URLs are long
    url TEXT NOT NULL,
    fetched_ts INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL,     -- fetched again from then on
    status INTEGER NOT NULL,         -- 200, or the HTTP status that says that there is no preview
    body TEXT NOT NULL,             -- JSON for the client; of a failure the sentence
    image_id TEXT                   -- media id of its picture; NULL: none
) STRICT;

CREATE INDEX url_previews_expiry ON url_previews (expires_ts);

CREATE INDEX url_previews_image ON url_previews (image_id) WHERE image_id IS NOT NULL;

CREATE TABLE user_directory (
    is_inside INTEGER NOT NULL,     -- the part begins inside of a word
    part TEXT NOT NULL,             -- in lower case, cut at a length
    user_nid INTEGER NOT NULL,
    PRIMARY KEY (is_inside, part, user_nid)
) STRICT, WITHOUT ROWID;

CREATE INDEX user_directory_user ON user_directory (user_nid);

CREATE TABLE user_totals (
    user_nid INTEGER NOT NULL,
    kind INTEGER NOT NULL,           -- enum user_total
    n INTEGER NOT NULL,              -- rows
    bytes INTEGER NOT NULL,          -- of their text, with TOTAL_ROW_BYTES for each row
    PRIMARY KEY (user_nid, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    user_nid INTEGER PRIMARY KEY,    -- names.nid of the full user id
    localpart TEXT NOT NULL,
    password_hash TEXT,             -- NULL: no password login
    is_admin INTEGER NOT NULL,
    is_guest INTEGER NOT NULL,
    is_deactivated INTEGER NOT NULL,
    is_erased INTEGER NOT NULL,     -- asked to be forgotten when deactivated
    is_locked INTEGER NOT NULL,     -- M_USER_LOCKED
    is_suspended INTEGER NOT NULL,  -- M_USER_SUSPENDED
    created_ts INTEGER NOT NULL,
    appservice TEXT                 -- id of the appservice that made it, NULL otherwise
) STRICT;

CREATE UNIQUE INDEX users_localpart ON users (localpart);

CREATE TABLE waiting_redactions (
    target_id TEXT NOT NULL,
    redaction_nid INTEGER NOT NULL,
    PRIMARY KEY (target_id, redaction_nid)
) STRICT, WITHOUT ROWID;
