access_tokens.created_ts bigint NOT NULL
access_tokens.device_nid bigint NOT NULL
access_tokens.expires_ts bigint NOT NULL
access_tokens.hash bytea NOT NULL
access_tokens.is_used boolean NOT NULL
access_tokens.refresh_hash bytea
access_tokens.user_nid bigint NOT NULL
CREATE INDEX access_tokens_refresh ON public.access_tokens USING btree (refresh_hash)
CREATE INDEX access_tokens_user ON public.access_tokens USING btree (user_nid, device_nid)
CREATE UNIQUE INDEX access_tokens_pkey ON public.access_tokens USING btree (hash)
account_data.content text C
account_data.position bigint NOT NULL
account_data.room_nid bigint NOT NULL
account_data.type text C NOT NULL
account_data.user_nid bigint NOT NULL
CREATE INDEX account_data_room ON public.account_data USING btree (room_nid)
CREATE INDEX account_data_stream ON public.account_data USING btree (user_nid, "position")
CREATE UNIQUE INDEX account_data_pkey ON public.account_data USING btree (user_nid, room_nid, type)
appservice_queues.appservice text C NOT NULL
appservice_queues.body text C
appservice_queues.events bigint NOT NULL
appservice_queues.oldest_ts bigint NOT NULL
appservice_queues.position bigint NOT NULL
appservice_queues.txn_id bigint NOT NULL
CREATE UNIQUE INDEX appservice_queues_pkey ON public.appservice_queues USING btree (appservice)
appservice_rooms.appservice text C NOT NULL
appservice_rooms.network text C NOT NULL
appservice_rooms.room_nid bigint NOT NULL
CREATE INDEX appservice_rooms_room ON public.appservice_rooms USING btree (room_nid)
CREATE UNIQUE INDEX appservice_rooms_pkey ON public.appservice_rooms USING btree (appservice, network, room_nid)
background_tasks.is_done boolean NOT NULL
background_tasks.name text C NOT NULL
background_tasks.progress text C NOT NULL
background_tasks.updated_ts bigint NOT NULL
CREATE UNIQUE INDEX background_tasks_pkey ON public.background_tasks USING btree (name)
blocked_rooms.blocked_ts bigint NOT NULL
blocked_rooms.room_id text C NOT NULL
CREATE UNIQUE INDEX blocked_rooms_pkey ON public.blocked_rooms USING btree (room_id)
counters.epoch bigint NOT NULL
counters.event_id bigint NOT NULL
counters.name_id bigint NOT NULL
counters.one bigint NOT NULL
counters.other_id bigint NOT NULL
counters.position bigint NOT NULL
counters.room_id bigint NOT NULL
CREATE UNIQUE INDEX counters_pkey ON public.counters USING btree (one)
cross_signing_keys.json text C NOT NULL
cross_signing_keys.usage bigint NOT NULL
cross_signing_keys.user_nid bigint NOT NULL
CREATE UNIQUE INDEX cross_signing_keys_pkey ON public.cross_signing_keys USING btree (user_nid, usage)
device_keys.device_id text C NOT NULL
device_keys.json text C NOT NULL
device_keys.user_nid bigint NOT NULL
CREATE UNIQUE INDEX device_keys_pkey ON public.device_keys USING btree (user_nid, device_id)
device_list_changes.position bigint NOT NULL
device_list_changes.user_nid bigint NOT NULL
CREATE INDEX device_list_changes_stream ON public.device_list_changes USING btree ("position")
CREATE UNIQUE INDEX device_list_changes_pkey ON public.device_list_changes USING btree (user_nid)
devices.created_ts bigint NOT NULL
devices.device_id text C NOT NULL
devices.device_nid bigint NOT NULL
devices.display_name text C
devices.last_seen_ip text C
devices.last_seen_ts bigint NOT NULL
devices.user_nid bigint NOT NULL
CREATE UNIQUE INDEX devices_pkey ON public.devices USING btree (device_nid)
CREATE UNIQUE INDEX devices_user ON public.devices USING btree (user_nid, device_id)
doomed_rooms.room_nid bigint NOT NULL
doomed_rooms.since_ts bigint NOT NULL
CREATE INDEX doomed_rooms_due ON public.doomed_rooms USING btree (since_ts)
CREATE UNIQUE INDEX doomed_rooms_pkey ON public.doomed_rooms USING btree (room_nid)
epochs.ends bigint
epochs.epoch bigint NOT NULL
CREATE INDEX epochs_ends ON public.epochs USING btree (ends)
CREATE UNIQUE INDEX epochs_pkey ON public.epochs USING btree (epoch)
erased_users.position bigint NOT NULL
erased_users.user_nid bigint NOT NULL
CREATE UNIQUE INDEX erased_users_pkey ON public.erased_users USING btree (user_nid)
events.auth_nids bytea NOT NULL
events.client_json text C NOT NULL
events.depth bigint NOT NULL
events.event_id text C NOT NULL
events.flags bigint NOT NULL
events.nid bigint NOT NULL
events.origin_server_ts bigint NOT NULL
events.position bigint
events.prev_nids bytea NOT NULL
events.received_ts bigint NOT NULL
events.redacted_by bigint NOT NULL
events.replaces_nid bigint NOT NULL
events.room_nid bigint NOT NULL
events.sender_nid bigint NOT NULL
events.server_json text C NOT NULL
events.state_after bytea
events.state_key_nid bigint NOT NULL
events.txn_device bigint
events.txn_id text C
events.type_nid bigint NOT NULL
CREATE INDEX events_room_ts ON public.events USING btree (room_nid, origin_server_ts)
CREATE INDEX events_stream ON public.events USING btree ("position") WHERE ("position" IS NOT NULL)
CREATE INDEX events_txn ON public.events USING btree (txn_device, txn_id) WHERE (txn_device IS NOT NULL)
CREATE UNIQUE INDEX events_event_id_key ON public.events USING btree (event_id)
CREATE UNIQUE INDEX events_pkey ON public.events USING btree (nid)
CREATE UNIQUE INDEX events_timeline ON public.events USING btree (room_nid, "position")
fallback_keys.algorithm text C NOT NULL
fallback_keys.device_nid bigint NOT NULL
fallback_keys.is_used boolean NOT NULL
fallback_keys.json text C NOT NULL
fallback_keys.key_id text C NOT NULL
CREATE UNIQUE INDEX fallback_keys_pkey ON public.fallback_keys USING btree (device_nid, algorithm)
filters.filter_id bigint NOT NULL
filters.hash bytea NOT NULL
filters.json text C NOT NULL
filters.user_nid bigint NOT NULL
CREATE UNIQUE INDEX filters_hash ON public.filters USING btree (user_nid, hash)
CREATE UNIQUE INDEX filters_pkey ON public.filters USING btree (user_nid, filter_id)
gone_rooms.position bigint NOT NULL
gone_rooms.room_id text C NOT NULL
gone_rooms.user_nid bigint NOT NULL
CREATE UNIQUE INDEX gone_rooms_pkey ON public.gone_rooms USING btree (user_nid, "position")
key_backup_sessions.first_message_index bigint NOT NULL
key_backup_sessions.forwarded_count bigint NOT NULL
key_backup_sessions.is_verified boolean NOT NULL
key_backup_sessions.room_id text C NOT NULL
key_backup_sessions.session_data text C NOT NULL
key_backup_sessions.session_id text C NOT NULL
key_backup_sessions.user_nid bigint NOT NULL
key_backup_sessions.version bigint NOT NULL
CREATE UNIQUE INDEX key_backup_sessions_pkey ON public.key_backup_sessions USING btree (user_nid, version, room_id, session_id)
key_backups.algorithm text C NOT NULL
key_backups.auth_data text C NOT NULL
key_backups.bytes bigint NOT NULL
key_backups.etag bigint NOT NULL
key_backups.is_deleted boolean NOT NULL
key_backups.n_keys bigint NOT NULL
key_backups.user_nid bigint NOT NULL
key_backups.version bigint NOT NULL
CREATE INDEX key_backups_left ON public.key_backups USING btree (user_nid, version) WHERE (is_deleted AND (bytes > 0))
CREATE UNIQUE INDEX key_backups_pkey ON public.key_backups USING btree (user_nid, version)
key_signatures.position bigint NOT NULL
key_signatures.signature text C NOT NULL
key_signatures.signer_key text C NOT NULL
key_signatures.signer_nid bigint NOT NULL
key_signatures.target_key text C NOT NULL
key_signatures.target_nid bigint NOT NULL
CREATE INDEX key_signatures_signer ON public.key_signatures USING btree (signer_nid, "position")
CREATE UNIQUE INDEX key_signatures_pkey ON public.key_signatures USING btree (target_nid, target_key, signer_nid, signer_key)
login_tokens.expires_ts bigint NOT NULL
login_tokens.hash bytea NOT NULL
login_tokens.user_nid bigint NOT NULL
CREATE INDEX login_tokens_expiry ON public.login_tokens USING btree (expires_ts)
CREATE INDEX login_tokens_user ON public.login_tokens USING btree (user_nid)
CREATE UNIQUE INDEX login_tokens_pkey ON public.login_tokens USING btree (hash)
media.class bigint NOT NULL
media.content_type text C
media.created_ts bigint NOT NULL
media.expires_ts bigint NOT NULL
media.hash text C
media.is_quarantined boolean NOT NULL
media.last_access_ts bigint NOT NULL
media.media_id text C NOT NULL
media.needs_token boolean NOT NULL
media.origin text C NOT NULL
media.size bigint NOT NULL
media.upload_name text C
media.uploader_nid bigint NOT NULL
CREATE INDEX media_class ON public.media USING btree (class, last_access_ts) WHERE (hash IS NOT NULL)
CREATE INDEX media_hash ON public.media USING btree (hash)
CREATE INDEX media_pending ON public.media USING btree (expires_ts) WHERE (hash IS NULL)
CREATE INDEX media_uploader ON public.media USING btree (uploader_nid, created_ts)
CREATE UNIQUE INDEX media_pkey ON public.media USING btree (origin, media_id)
media_blocked.blocked_ts bigint NOT NULL
media_blocked.hash text C NOT NULL
media_blocked.reason text C
CREATE UNIQUE INDEX media_blocked_pkey ON public.media_blocked USING btree (hash)
media_usage.bytes bigint NOT NULL
media_usage.class bigint NOT NULL
media_usage.files bigint NOT NULL
media_usage.owner_nid bigint NOT NULL
CREATE INDEX media_usage_bytes ON public.media_usage USING btree (bytes)
CREATE UNIQUE INDEX media_usage_pkey ON public.media_usage USING btree (class, owner_nid)
meta.key text C NOT NULL
meta.value text C NOT NULL
CREATE UNIQUE INDEX meta_pkey ON public.meta USING btree (key)
names.nid bigint NOT NULL
names.text bytea NOT NULL
CREATE UNIQUE INDEX names_pkey ON public.names USING btree (nid)
CREATE UNIQUE INDEX names_text ON public.names USING btree (text)
one_time_keys.algorithm text C NOT NULL
one_time_keys.device_nid bigint NOT NULL
one_time_keys.json text C NOT NULL
one_time_keys.key_id text C NOT NULL
one_time_keys.seq bigint NOT NULL
CREATE UNIQUE INDEX one_time_keys_id ON public.one_time_keys USING btree (device_nid, key_id)
CREATE UNIQUE INDEX one_time_keys_pkey ON public.one_time_keys USING btree (device_nid, algorithm, seq)
openid_tokens.expires_ts bigint NOT NULL
openid_tokens.hash bytea NOT NULL
openid_tokens.user_nid bigint NOT NULL
CREATE INDEX openid_tokens_expiry ON public.openid_tokens USING btree (expires_ts)
CREATE INDEX openid_tokens_user ON public.openid_tokens USING btree (user_nid)
CREATE UNIQUE INDEX openid_tokens_pkey ON public.openid_tokens USING btree (hash)
presence.last_active_ts bigint NOT NULL
presence.position bigint NOT NULL
presence.state bigint NOT NULL
presence.status_msg text C
presence.user_nid bigint NOT NULL
CREATE INDEX presence_stream ON public.presence USING btree ("position")
CREATE UNIQUE INDEX presence_pkey ON public.presence USING btree (user_nid)
profile_spreads.change bigint NOT NULL
profile_spreads.reached bigint NOT NULL
profile_spreads.user_nid bigint NOT NULL
CREATE UNIQUE INDEX profile_spreads_pkey ON public.profile_spreads USING btree (user_nid)
profiles.field text C NOT NULL
profiles.user_nid bigint NOT NULL
profiles.value text C NOT NULL
CREATE INDEX profiles_avatar ON public.profiles USING btree (value) WHERE (field = 'avatar_url'::text)
CREATE UNIQUE INDEX profiles_pkey ON public.profiles USING btree (user_nid, field)
push_rules.json text C NOT NULL
push_rules.position bigint NOT NULL
push_rules.user_nid bigint NOT NULL
CREATE UNIQUE INDEX push_rules_pkey ON public.push_rules USING btree (user_nid)
pushers.app_display_name text C NOT NULL
pushers.app_id text C NOT NULL
pushers.created_ts bigint NOT NULL
pushers.data text C NOT NULL
pushers.device_display_name text C NOT NULL
pushers.device_nid bigint NOT NULL
pushers.failing_since_ts bigint NOT NULL
pushers.is_enabled boolean NOT NULL
pushers.kind text C NOT NULL
pushers.lang text C NOT NULL
pushers.mailed_ts bigint NOT NULL
pushers.pause_ms bigint NOT NULL
pushers.profile_tag text C
pushers.pushed_position bigint NOT NULL
pushers.pusher_id bigint NOT NULL
pushers.pushkey text C NOT NULL
pushers.user_nid bigint NOT NULL
CREATE INDEX pushers_device ON public.pushers USING btree (device_nid)
CREATE INDEX pushers_key ON public.pushers USING btree (app_id, pushkey)
CREATE UNIQUE INDEX pushers_pkey ON public.pushers USING btree (pusher_id)
CREATE UNIQUE INDEX pushers_user ON public.pushers USING btree (user_nid, app_id, pushkey)
receipts.event_id text C NOT NULL
receipts.event_position bigint NOT NULL
receipts.kind bigint NOT NULL
receipts.position bigint NOT NULL
receipts.room_nid bigint NOT NULL
receipts.thread text C NOT NULL
receipts.ts bigint NOT NULL
receipts.user_nid bigint NOT NULL
CREATE INDEX receipts_stream ON public.receipts USING btree (room_nid, "position")
CREATE INDEX receipts_user ON public.receipts USING btree (user_nid, room_nid)
CREATE UNIQUE INDEX receipts_pkey ON public.receipts USING btree (room_nid, user_nid, kind, thread)
redacted_contents.event_nid bigint NOT NULL
redacted_contents.redacted_ts bigint NOT NULL
CREATE INDEX redacted_contents_due ON public.redacted_contents USING btree (redacted_ts)
CREATE UNIQUE INDEX redacted_contents_pkey ON public.redacted_contents USING btree (event_nid)
refresh_tokens.created_ts bigint NOT NULL
refresh_tokens.device_nid bigint NOT NULL
refresh_tokens.expires_ts bigint NOT NULL
refresh_tokens.hash bytea NOT NULL
refresh_tokens.successor bytea
refresh_tokens.user_nid bigint NOT NULL
CREATE INDEX refresh_tokens_successor ON public.refresh_tokens USING btree (successor)
CREATE INDEX refresh_tokens_user ON public.refresh_tokens USING btree (user_nid, device_nid)
CREATE UNIQUE INDEX refresh_tokens_pkey ON public.refresh_tokens USING btree (hash)
registration_tokens.completed bigint NOT NULL
registration_tokens.expires_ts bigint NOT NULL
registration_tokens.pending bigint NOT NULL
registration_tokens.token text C NOT NULL
registration_tokens.uses_allowed bigint
CREATE UNIQUE INDEX registration_tokens_pkey ON public.registration_tokens USING btree (token)
relations.event_nid bigint NOT NULL
relations.origin_server_ts bigint NOT NULL
relations.parent_id text C NOT NULL
relations.position bigint NOT NULL
relations.rel_type text C NOT NULL
relations.room_nid bigint NOT NULL
relations.sender_nid bigint NOT NULL
relations.type_nid bigint NOT NULL
CREATE INDEX relations_edits ON public.relations USING btree (parent_id, origin_server_ts) WHERE (rel_type = 'm.replace'::text)
CREATE INDEX relations_parent ON public.relations USING btree (parent_id, rel_type, "position")
CREATE INDEX relations_threads ON public.relations USING btree (room_nid, rel_type, "position")
CREATE UNIQUE INDEX relations_pkey ON public.relations USING btree (event_nid)
reports.event_id text C
reports.reason text C NOT NULL
reports.received_ts bigint NOT NULL
reports.report_id bigint NOT NULL
reports.reporter_nid bigint NOT NULL
reports.room_nid bigint NOT NULL
reports.user_nid bigint NOT NULL
CREATE UNIQUE INDEX reports_pkey ON public.reports USING btree (report_id)
room_aliases.alias text C NOT NULL
room_aliases.creator_nid bigint NOT NULL
room_aliases.room_nid bigint NOT NULL
CREATE INDEX room_aliases_room ON public.room_aliases USING btree (room_nid)
CREATE UNIQUE INDEX room_aliases_pkey ON public.room_aliases USING btree (alias)
room_directory.changes bigint NOT NULL
room_directory.is_published boolean NOT NULL
room_directory.joined bigint NOT NULL
room_directory.room_nid bigint NOT NULL
room_directory.room_type text C NOT NULL
room_directory.seen bigint NOT NULL
room_directory.words text C NOT NULL
CREATE INDEX room_directory_order ON public.room_directory USING btree (joined, room_nid)
CREATE INDEX room_directory_published ON public.room_directory USING btree (is_published, joined, room_nid)
CREATE INDEX room_directory_stale ON public.room_directory USING btree (room_nid) WHERE (changes <> seen)
CREATE UNIQUE INDEX room_directory_pkey ON public.room_directory USING btree (room_nid)
room_icons.event_nid bigint NOT NULL
room_icons.room_nid bigint NOT NULL
room_icons.url text C NOT NULL
CREATE INDEX room_icons_url ON public.room_icons USING btree (url)
CREATE UNIQUE INDEX room_icons_pkey ON public.room_icons USING btree (room_nid)
room_members.event_nid bigint NOT NULL
room_members.forgotten boolean NOT NULL
room_members.is_local boolean NOT NULL
room_members.membership bigint NOT NULL
room_members.position bigint NOT NULL
room_members.room_nid bigint NOT NULL
room_members.sender_nid bigint NOT NULL
room_members.user_nid bigint NOT NULL
CREATE INDEX room_members_user ON public.room_members USING btree (user_nid, membership)
CREATE UNIQUE INDEX room_members_pkey ON public.room_members USING btree (room_nid, user_nid)
rooms.create_nid bigint NOT NULL
rooms.created_ts bigint NOT NULL
rooms.depth bigint NOT NULL
rooms.heads bytea NOT NULL
rooms.is_published boolean NOT NULL
rooms.last_position bigint NOT NULL
rooms.nid bigint NOT NULL
rooms.purged_upto bigint NOT NULL
rooms.room_id text C NOT NULL
rooms.row_version bigint NOT NULL
rooms.state bytea NOT NULL
rooms.version text C NOT NULL
CREATE INDEX rooms_published ON public.rooms USING btree (is_published, nid)
CREATE UNIQUE INDEX rooms_pkey ON public.rooms USING btree (nid)
CREATE UNIQUE INDEX rooms_room_id_key ON public.rooms USING btree (room_id)
schema_version.applied_ts bigint NOT NULL
schema_version.name text C NOT NULL
schema_version.version bigint NOT NULL
CREATE UNIQUE INDEX schema_version_pkey ON public.schema_version USING btree (version)
search_events.event_nid bigint NOT NULL
search_events.position bigint NOT NULL
search_events.room_nid bigint NOT NULL
CREATE UNIQUE INDEX search_events_pkey ON public.search_events USING btree ("position")
search_index.position bigint NOT NULL
search_index.words tsvector NOT NULL
CREATE INDEX search_index_words ON public.search_index USING gin (words)
CREATE UNIQUE INDEX search_index_pkey ON public.search_index USING btree ("position")
state_nodes.body bytea NOT NULL
state_nodes.id bytea NOT NULL
CREATE UNIQUE INDEX state_nodes_pkey ON public.state_nodes USING btree (id)
thread_people.is_root boolean NOT NULL
thread_people.replies bigint NOT NULL
thread_people.room_nid bigint NOT NULL
thread_people.root_id text C NOT NULL
thread_people.user_nid bigint NOT NULL
CREATE INDEX thread_people_user ON public.thread_people USING btree (user_nid, room_nid)
CREATE UNIQUE INDEX thread_people_pkey ON public.thread_people USING btree (root_id, room_nid, user_nid)
threads.latest bigint NOT NULL
threads.replies bigint NOT NULL
threads.room_nid bigint NOT NULL
threads.root_id text C NOT NULL
CREATE INDEX threads_room ON public.threads USING btree (room_nid, latest)
CREATE UNIQUE INDEX threads_pkey ON public.threads USING btree (root_id, room_nid)
threepid_binds.address text C NOT NULL
threepid_binds.id_server text C NOT NULL
threepid_binds.medium text C NOT NULL
threepid_binds.user_nid bigint NOT NULL
CREATE UNIQUE INDEX threepid_binds_pkey ON public.threepid_binds USING btree (user_nid, medium, address, id_server)
threepid_sessions.address text C NOT NULL
threepid_sessions.expires_ts bigint NOT NULL
threepid_sessions.medium text C NOT NULL
threepid_sessions.next_link text C
threepid_sessions.purpose bigint NOT NULL
threepid_sessions.secret_hash bytea NOT NULL
threepid_sessions.send_attempt bigint NOT NULL
threepid_sessions.session_id text C NOT NULL
threepid_sessions.token_hash bytea
threepid_sessions.validated_ts bigint NOT NULL
CREATE INDEX threepid_sessions_expiry ON public.threepid_sessions USING btree (expires_ts)
CREATE UNIQUE INDEX threepid_sessions_attempt ON public.threepid_sessions USING btree (address, secret_hash, purpose)
CREATE UNIQUE INDEX threepid_sessions_pkey ON public.threepid_sessions USING btree (session_id)
threepids.added_ts bigint NOT NULL
threepids.address text C NOT NULL
threepids.medium text C NOT NULL
threepids.user_nid bigint NOT NULL
threepids.validated_ts bigint NOT NULL
CREATE INDEX threepids_user ON public.threepids USING btree (user_nid)
CREATE UNIQUE INDEX threepids_pkey ON public.threepids USING btree (medium, address)
to_device.device_nid bigint NOT NULL
to_device.event text C NOT NULL
to_device.position bigint NOT NULL
to_device.sender_nid bigint NOT NULL
CREATE INDEX to_device_device ON public.to_device USING btree (device_nid, "position", sender_nid)
CREATE UNIQUE INDEX to_device_pkey ON public.to_device USING btree ("position")
transactions.created_ts bigint NOT NULL
transactions.device_nid bigint NOT NULL
transactions.response text C NOT NULL
transactions.scope text C NOT NULL
transactions.txn_id text C NOT NULL
CREATE INDEX transactions_created ON public.transactions USING btree (created_ts)
CREATE UNIQUE INDEX transactions_pkey ON public.transactions USING btree (device_nid, scope, txn_id)
uia_sessions.body bytea
uia_sessions.expires_ts bigint NOT NULL
uia_sessions.request_hash bytea NOT NULL
uia_sessions.session_id text C NOT NULL
uia_sessions.stages text C NOT NULL
uia_sessions.user_nid bigint NOT NULL
CREATE INDEX uia_sessions_expiry ON public.uia_sessions USING btree (expires_ts)
CREATE INDEX uia_sessions_user ON public.uia_sessions USING btree (user_nid)
CREATE UNIQUE INDEX uia_sessions_pkey ON public.uia_sessions USING btree (session_id)
unread_counts.body bytea NOT NULL
unread_counts.room_nid bigint NOT NULL
unread_counts.rules_version bigint NOT NULL
unread_counts.upto bigint NOT NULL
unread_counts.user_nid bigint NOT NULL
CREATE INDEX unread_counts_room ON public.unread_counts USING btree (room_nid)
CREATE UNIQUE INDEX unread_counts_pkey ON public.unread_counts USING btree (user_nid, room_nid)
url_previews.body text C NOT NULL
url_previews.expires_ts bigint NOT NULL
url_previews.fetched_ts bigint NOT NULL
url_previews.image_id text C
url_previews.key text C NOT NULL
url_previews.status bigint NOT NULL
url_previews.url text C NOT NULL
CREATE INDEX url_previews_expiry ON public.url_previews USING btree (expires_ts)
CREATE INDEX url_previews_image ON public.url_previews USING btree (image_id) WHERE (image_id IS NOT NULL)
CREATE UNIQUE INDEX url_previews_pkey ON public.url_previews USING btree (key)
user_directory.is_inside boolean NOT NULL
user_directory.part text C NOT NULL
user_directory.user_nid bigint NOT NULL
CREATE INDEX user_directory_user ON public.user_directory USING btree (user_nid)
CREATE UNIQUE INDEX user_directory_pkey ON public.user_directory USING btree (is_inside, part, user_nid)
user_totals.bytes bigint NOT NULL
user_totals.kind bigint NOT NULL
user_totals.n bigint NOT NULL
user_totals.user_nid bigint NOT NULL
CREATE UNIQUE INDEX user_totals_pkey ON public.user_totals USING btree (user_nid, kind)
users.appservice text C
users.created_ts bigint NOT NULL
users.is_admin boolean NOT NULL
users.is_deactivated boolean NOT NULL
users.is_erased boolean NOT NULL
users.is_guest boolean NOT NULL
users.is_locked boolean NOT NULL
users.is_suspended boolean NOT NULL
users.localpart text C NOT NULL
users.password_hash text C
users.user_nid bigint NOT NULL
CREATE UNIQUE INDEX users_localpart ON public.users USING btree (localpart)
CREATE UNIQUE INDEX users_pkey ON public.users USING btree (user_nid)
waiting_redactions.redaction_nid bigint NOT NULL
waiting_redactions.target_id text C NOT NULL
CREATE UNIQUE INDEX waiting_redactions_pkey ON public.waiting_redactions USING btree (target_id, redaction_nid)
writers.batch bigint NOT NULL
writers.updated_ts bigint NOT NULL
writers.writer bigint NOT NULL
CREATE UNIQUE INDEX writers_pkey ON public.writers USING btree (writer)
