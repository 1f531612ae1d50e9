/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits: one token bucket per (class, key), where the key is a user, an address or whatever the
 * caller counts by. Memory is bounded: a fixed table in which a full bucket and an absent one are the same;
 * when a row of the table is full the bucket closest to full is forgotten.
 *
 * Any thread; settings can be changed at any time (reload).
 *
 *     rc = ratelimit_take(limits, RATE_LOGIN, RATE_BY_ACCOUNT, user_id, err);   // 429 M_LIMIT_EXCEEDED
 */
#ifndef INGOT_NET_RATELIMIT_H
#define INGOT_NET_RATELIMIT_H

#include "base/err.h"

enum rate_class {
    RATE_UNSAID,  /* of tests only: a route of the program says its class, none is a word too */
    RATE_NONE,    /* not limited */
    RATE_DEFAULT, /* whatever costs little: one row read or written */
    RATE_READ,    /* pages of events, state, members: reads that cost more */
    RATE_MESSAGE, /* sending events, redactions, to-device */
    RATE_LOGIN,
    RATE_REGISTER, /* registration, availability of names */
    RATE_EMAIL,    /* mails to verify an address */
    RATE_JOIN,     /* joins, knocks, room creation */
    RATE_INVITE,
    RATE_MEDIA,   /* uploads, downloads */
    RATE_PREVIEW, /* of links: each may send requests to other hosts */
    RATE_KEYS,    /* key upload, query, claim */
    RATE_SEARCH,  /* search, user directory, public rooms */
    RATE_SYNC,    /* asking what is new: not the waiting, only how often */
    RATE_FEDERATION,
    RATE_CLASSES,
};
const char *rate_class_name(enum rate_class c); /* "message": key of the configuration */

/* What a bucket is counted by; the dispatcher does address and user (who is not signed in: their address), handlers may
 * do the rest. */
enum rate_by { RATE_BY_ADDRESS, RATE_BY_USER, RATE_BY_ACCOUNT, RATE_BY_COUNT };

struct rate_setting {
    double per_second; /* 0: no limit */
    double burst;      /* at least 1 where per_second is set */
};

struct ratelimit;

/* Starts with limits that suit a public server, switched on. */
struct ratelimit *ratelimit_new(void);
void ratelimit_free(struct ratelimit *rl);
void ratelimit_enable(struct ratelimit *rl, bool on);
void ratelimit_set(struct ratelimit *rl, enum rate_class c, enum rate_by by, struct rate_setting s);
struct rate_setting ratelimit_get(struct ratelimit *rl, enum rate_class c, enum rate_by by);

/* Takes one token. E_LIMIT (429 M_LIMIT_EXCEEDED, retry_after_ms set) if there is none. rl may be NULL. */
MUST_USE int ratelimit_take(struct ratelimit *rl, enum rate_class c, enum rate_by by,
                            struct str key, struct err *err);
/* As take, but only looks: for limits on failures, which call ratelimit_take after the failure. */
MUST_USE int ratelimit_peek(struct ratelimit *rl, enum rate_class c, enum rate_by by,
                            struct str key, struct err *err);

#endif
