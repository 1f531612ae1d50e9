/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live server: what every handler reaches through request.app. Made at start by server_new (in order),
 * taken down in reverse. All members but config are set before the first request and not replaced afterwards.
 */
#ifndef INGOT_CORE_SERVER_H
#define INGOT_CORE_SERVER_H

#include <stdatomic.h>

#include "core/config.h"
#include "core/mailer.h"
#include "crypto/signing_key.h"
#include "net/request.h"
#include "store/store.h"

struct server {
    const struct config *_Atomic config; /* replaced by a reload; older ones live until the end */
    struct str server_name;
    struct store *store;
    struct pool *pool;
    struct ratelimit *limits;
    struct signing_key key;  /* signs our events */
    struct cache *entries;   /* nid -> struct entry */
    struct reloads *reloads; /* entry.c's own: which entries were reloaded lately */
    struct cache *nodes;     /* state node id -> bytes */
    struct rooms *rooms;
    struct changes *changes;
    struct echoes *echoes;
    struct live_users *users;
    struct typing *typing;
    struct presence *presence;
    struct erasure *erasure;
    struct unread *unread;
    struct lazy_members *lazy;
    struct key_counts *key_counts;
    struct to_device_received *to_device_received;
    struct appservices *appservices;
    struct thirdparty_cache *thirdparty;
    struct tasks *tasks;
    struct media_store *media;
    struct previews *previews;
    struct http_client *http_client; /* set by main, as the next are */
    struct http_client *federation;  /* to other servers; NULL: federation is off */
    struct server_discovery *discovery;
    struct policy_servers *policy_servers;
    struct push *push;
    struct profile_spread *profile_spread; /* of the client-server API */
    int64_t started_ms;
    atomic_bool user_directory_is_built; /* everybody is in it */
    atomic_bool search_is_filled; /* every event with a text is in the index, also the older ones */
    atomic_uint letters;          /* that people wait for, under way to the mail server */
    atomic_uint identity_calls;   /* to identity servers, under way */
    atomic_ullong letters_sent[MAILER_OUTCOMES];
    atomic_int_least64_t last_create_ms; /* of room ids that are hashes, see batch.c */
};

/* limits.memory_budget is shared out among what grows with use. */
enum budget_share {
    SHARE_EVENTS,
    SHARE_STATE,
    SHARE_ROOMS,
    SHARE_USERS,
    SHARE_UNREAD,
    SHARE_READERS, /* compiled push rules */
    SHARES
};
size_t server_share(const struct server *s, enum budget_share share); /* bytes */

/* Opens the store, reads the signing key, makes the caches; the config is borrowed. Pool and rate limits are set
 * by main. E_BUSY, E_NOT_FOUND, … with a sentence for the operator. */
MUST_USE int server_new(const struct config *config, struct server **out, struct err *err);
/* After the HTTP server and the pool have ended. NULL is allowed. */
void server_free(struct server *s);

/* The server of a request. */
static inline struct server *server_of(const struct request *rq)
{
    return rq->app;
}
/* Whether a user id belongs to this server. */
bool server_is_local(const struct server *s, struct str user_id);

#endif
