/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event: immutable, reference-counted, one heap block (plus what `content` points to).
 *
 * Its bytes are two pieces of canonical JSON that together are the PDU:
 *   client_json  {"content":…,"event_id":…,"origin_server_ts":…,"room_id":…,"sender":…,"state_key":…,"type":…}
 *                what clients see, spliced into answers as it stands (room versions 1-10 also carry
 *                "redacts" here and in content, both places in every version: client-server API,
 *                "m.room.redaction"). `unsigned` is never stored; it is added per reader.
 *   server_json  {"auth_events":…,"depth":…,"hashes":…,"prev_events":…,"signatures":…, and every unknown key}
 *
 * The fields that rules ask for are decoded once, here. Anything that can change (rejected, soft-failed,
 * redacted, stream position) is not in the event but in the room's index.
 *
 * `ids` are this database's integers (names.h); they are 0 until the store has interned them, which happens
 * before the event is shared between threads. Well-known types and state keys have theirs from the start.
 *
 * Where the PDU has a key that client_json lacks or shows in another way, server_json has it as it was: a "content"
 * without the copy of `redacts`, say. Merging takes server_json's; what only client_json has and the version's
 * PDU does not (the event id of v3 and later, the room id of a v12 create event) is left out.
 */
#ifndef INGOT_MATRIX_EVENT_H
#define INGOT_MATRIX_EVENT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/refcount.h"
#include "base/str.h"
#include "matrix/names.h"

struct room_version;

#define EVENT_MAX_BYTES    65536 /* canonical PDU: client-server API, "Size limits" */
#define EVENT_MAX_ID_BYTES 255   /* sender, room_id, state_key, type, event_id: each, in bytes */
#define EVENT_MAX_PREV     20
#define EVENT_MAX_AUTH     10

enum membership {
    MEMBERSHIP_NONE, /* no member event, or a value the specification does not know */
    MEMBERSHIP_INVITE,
    MEMBERSHIP_JOIN,
    MEMBERSHIP_KNOCK,
    MEMBERSHIP_LEAVE,
    MEMBERSHIP_BAN,
};
enum join_rule {
    JOIN_RULE_INVITE, /* also the default, when there is no event or no value */
    JOIN_RULE_PUBLIC,
    JOIN_RULE_KNOCK,
    JOIN_RULE_RESTRICTED,
    JOIN_RULE_KNOCK_RESTRICTED,
    JOIN_RULE_PRIVATE,
    JOIN_RULE_OTHER, /* a value that is not specified: the auth rules let nobody join, not even the invited */
};
enum history_visibility {
    HISTORY_SHARED, /* the default */
    HISTORY_INVITED,
    HISTORY_JOINED,
    HISTORY_WORLD_READABLE,
};

/* The decoded content of the event types that rules read; which member of event_content is set follows
 * from the event's type, and all are NULL when it is another type or not a state event of that type. */
struct member_content {
    enum membership membership;
    struct str join_authorised_via; /* join_authorised_via_users_server; .p == NULL if absent */
    bool has_third_party_invite;
    struct str third_party_token;       /* third_party_invite.signed.token; .p == NULL if absent */
    struct str third_party_mxid;        /* third_party_invite.signed.mxid; .p == NULL if absent */
    struct str displayname, avatar_url; /* empty if absent or not a string (.p == NULL) */
    bool is_direct;
};
struct create_content {
    struct str creator; /* content.creator; .p == NULL if absent, n == 0 if not a string */
    const struct str
        *additional_creators; /* the user ids in the list; what they mean is the version's affair */
    size_t n_additional;
    bool is_additional_valid; /* absent, or an array of user ids */
    struct str room_version;  /* "1" if absent, .p == NULL if not a string */
    struct str room_type;     /* empty if absent */
    bool federate;
};
struct power_levels; /* matrix/power_levels.h */

struct event_ids {
    uint64_t event, room, type, sender, state_key; /* state_key 0: not a state event */
};

struct event {
    struct refcount refs;
    struct event_ids ids;
    const struct room_version *version;
    struct str event_id, room_id, type, sender;
    struct str state_key; /* meaningful if is_state */
    bool is_state;
    struct str redacts; /* the event it redacts, wherever its version keeps that; empty if none */
    int64_t origin_server_ts, depth;
    const struct str *auth_events, *prev_events; /* event ids */
    size_t n_auth, n_prev;
    struct str client_json, server_json;
    struct str content; /* canonical JSON of content: a view into client_json */

    const struct member_content *member;
    const struct create_content *create;
    const struct power_levels
        *power_levels;        /* NULL too if it cannot be decoded: the rules reject that */
    enum join_rule join_rule; /* m.room.join_rules with state key "" */
    enum history_visibility history_visibility; /* m.room.history_visibility with state key "" */
    size_t bytes; /* heap bytes of the whole object, for cache budgets */
    void *extra;  /* event.c's own: what did not fit into the block */
};

struct event *event_ref(const struct event *ev); /* new reference; any thread */
void event_unref(struct event **ev);             /* accepts NULL inside, nulls the pointer */
/* The same for const pointers in containers. */
void event_put(const struct event *ev);

static inline bool event_is(const struct event *ev, uint64_t type_nid, struct str type)
{
    return ev->ids.type ? ev->ids.type == type_nid : str_eq(ev->type, type);
}

/*
 * From the bytes of a PDU that a peer sent, in the format of `version`: checks the format (server-server
 * API, "Checks performed on receipt of a PDU", step 1), sizes, key limits and canonical JSON where the
 * version enforces it; computes the event id (v3 and later) and the room id of a v12 create event.
 * Signatures and content hash are checked by event_check_hash() and event_verify(). E_INVALID with what is
 * wrong. The result is a new reference.
 */
MUST_USE int event_parse(const struct room_version *version, struct str pdu, struct event **out,
                         struct err *err);

/* From our own store: trusted, so only the auth types' content and the lists are decoded. */
MUST_USE int event_load(const struct room_version *version, struct str event_id,
                        struct str client_json, struct str server_json, struct event **out,
                        struct err *err);

/* What somebody on this server wants to send: the builder fills in hashes, signature and event id. */
struct event_draft {
    struct str room_id; /* empty for a v12 create event: it follows from the hash */
    struct str type, sender, state_key;
    bool is_state;
    struct str redacts; /* for m.room.redaction, put where the version wants it; empty otherwise */
    struct str content; /* canonical JSON of an object */
    int64_t origin_server_ts, depth;
    const struct str *auth_events, *prev_events; /* event ids */
    const struct str *auth_hashes,
        *prev_hashes; /* v1, v2 only: base64 reference hashes, same order */
    size_t n_auth, n_prev;
};
struct signing_key; /* crypto/signing_key.h */

/* Builds, hashes and signs. Format and size errors are E_INVALID / E_LIMIT (413 M_TOO_LARGE) and meant for
 * the client. This is the hot path of sending: it writes canonical JSON directly and parses nothing. */
MUST_USE int event_build(const struct room_version *version, const struct event_draft *draft,
                         struct str server_name, const struct signing_key *key, struct event **out,
                         struct err *err);

/* The whole PDU again as canonical JSON (the two pieces merged), in the arena: for federation and hashes. */
struct str event_pdu(struct arena *a, const struct event *ev);

/* Whether the content hash in the event is that of its bytes. False means: keep only the redacted form. */
bool event_check_hash(const struct event *ev);
/* The event as its redaction leaves it (room version's rule); same event id. New reference. */
MUST_USE int event_redacted(const struct event *ev, struct event **out, struct err *err);
/* Signatures (server-server API, "Validating hashes and signatures on received events"). `find` fills in the Ed25519
 * key that `server` has under `key_id`, if one is known that may sign at `at_ms` (0: whenever it was valid, for
 * versions that do not enforce key validity); false if not: that signature is skipped. Called on this thread. */
struct key_lookup {
    bool (*find)(void *ctx, struct str server, struct str key_id, int64_t at_ms,
                 unsigned char out[32]);
    void *ctx;
};
#define EVENT_MAX_SIGNERS 3
/* The servers that must have signed: the sender's (not for a third-party invite's member event, which may come
 * from another), the event id's in v1 and v2, and the one of the user who let a restricted join in (v8 and later).
 * Returns how many; without duplicates; borrowed. Use it to fetch keys beforehand. */
size_t event_signers(const struct event *ev, struct str out[EVENT_MAX_SIGNERS]);
/* Walks the key ids under which `server` signed: start with *pos = 0; false at the end. */
bool event_signature_next(const struct event *ev, struct str server, size_t *pos,
                          struct str *out_key_id);
/* 0: each of those servers has at least one signature by a known key, and none by a known key is wrong. E_FORBIDDEN
 * else: the event is to be dropped. */
MUST_USE int event_verify(const struct event *ev, const struct key_lookup *keys, struct err *err);
/* Whether a signature in base64 is one of this event, made with that key: a policy server's, say. */
bool event_signature_fits(const struct event *ev, const unsigned char public_key[32],
                          struct str signature);
/* The same event with one more signature, made with our key (an invite or restricted join that we co-sign) ... */
MUST_USE int event_cosign(const struct event *ev, struct str server_name,
                          const struct signing_key *key, struct event **out, struct err *err);
/* ... or made elsewhere (a policy server's), in base64; not checked. New references. */
MUST_USE int event_add_signature(const struct event *ev, struct str server_name, struct str key_id,
                                 struct str signature, struct event **out, struct err *err);

/* Base64 reference hash, as v1 and v2 put it into the lists of later events. In the arena. */
struct str event_reference_hash(struct arena *a, const struct event *ev);

#endif
