/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ratelimit.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"

enum {
    BY_COUNT = RATE_BY_COUNT,
    WAYS = 8,       /* buckets of a row */
    ROWS = 1 << 13, /* 65,536 buckets, 1 MiB when all are in use */
    SHARDS = 16,
};

/*
 * A bucket as the generic cell rate algorithm keeps it: one number, the time at which the bucket would be
 * full again. It is in the past for a full bucket, so an absent bucket and a full one are the same.
 */
struct bucket {
    uint64_t key; /* hash of class, kind and key; 0: free */
    int64_t full_at_us;
};

struct ratelimit {
    atomic_bool on;
    struct lock settings_lock;
    struct {
        struct rate_setting now;
        uint64_t raised; /* how often: what was taken before is forgiven */
    } settings[RATE_CLASSES][BY_COUNT];
    struct lock shards[SHARDS]; /* row r belongs to shard r % SHARDS */
    struct bucket rows[ROWS][WAYS];
};

static const char *const class_names[] = {
    [RATE_NONE] = "none",       [RATE_DEFAULT] = "default",   [RATE_MESSAGE] = "message",
    [RATE_LOGIN] = "login",     [RATE_REGISTER] = "register", [RATE_EMAIL] = "email",
    [RATE_JOIN] = "join",       [RATE_INVITE] = "invite",     [RATE_MEDIA] = "media",
    [RATE_KEYS] = "keys",       [RATE_SEARCH] = "search",     [RATE_FEDERATION] = "federation",
    [RATE_PREVIEW] = "preview", [RATE_SYNC] = "sync",         [RATE_READ] = "read",
    [RATE_UNSAID] = "unsaid",
};
_Static_assert(ARRAY_LEN(class_names) == RATE_CLASSES, "a name per class");

/* Ordinary use of several busy clients stays far below these; scripts that misbehave do not. */
static const struct {
    enum rate_class class;
    enum rate_by by;
    struct rate_setting setting;
} defaults[] = {
    {RATE_DEFAULT, RATE_BY_USER, {50, 500}},
    {RATE_READ, RATE_BY_USER, {20, 300}}, /* scrolling back takes a page at a time */
    {RATE_MESSAGE, RATE_BY_USER, {10, 100}},
    {RATE_LOGIN, RATE_BY_ADDRESS, {0.2, 20}},
    {RATE_LOGIN, RATE_BY_ACCOUNT, {0.1, 10}},
    {RATE_REGISTER, RATE_BY_ADDRESS, {0.1, 10}},
    {RATE_EMAIL, RATE_BY_ADDRESS, {0.01, 5}},
    {RATE_EMAIL, RATE_BY_ACCOUNT, {0.01, 5}},
    {RATE_JOIN, RATE_BY_USER, {0.5, 30}},
    {RATE_INVITE, RATE_BY_USER, {0.5, 50}},
    {RATE_INVITE, RATE_BY_ACCOUNT, {0.1, 10}},
    {RATE_MEDIA, RATE_BY_USER, {20, 200}},
    {RATE_MEDIA, RATE_BY_ADDRESS, {50, 500}},
    {RATE_PREVIEW, RATE_BY_USER, {1, 30}},
    {RATE_KEYS, RATE_BY_USER, {20, 200}},
    {RATE_SEARCH, RATE_BY_USER, {2, 30}},
    {RATE_SYNC, RATE_BY_USER, {20, 200}},
    {RATE_FEDERATION, RATE_BY_ADDRESS, {100, 1000}},
};

const char *rate_class_name(enum rate_class c)
{
    return class_names[c];
}

struct ratelimit *ratelimit_new(void)
{
    struct ratelimit *rl = xcalloc(1, sizeof(*rl));
    atomic_init(&rl->on, true);
    lock_init(&rl->settings_lock, RANK_LEAF, "ratelimit settings");
    for (int i = 0; i < SHARDS; i++) {
        lock_init(&rl->shards[i], RANK_LEAF, "ratelimit");
    }
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        rl->settings[defaults[i].class][defaults[i].by].now = defaults[i].setting;
    }
    return rl;
}

void ratelimit_free(struct ratelimit *rl)
{
    if (!rl) {
        return;
    }
    lock_destroy(&rl->settings_lock);
    for (int i = 0; i < SHARDS; i++) {
        lock_destroy(&rl->shards[i]);
    }
    free(rl);
}

void ratelimit_enable(struct ratelimit *rl, bool on)
{
    atomic_store(&rl->on, on);
}

void ratelimit_set(struct ratelimit *rl, enum rate_class c, enum rate_by by, struct rate_setting s)
{
    lock_take(&rl->settings_lock);
    const struct rate_setting *old = &rl->settings[c][by].now;
    rl->settings[c][by].raised += s.per_second > old->per_second || s.burst > old->burst;
    rl->settings[c][by].now = s;
    lock_release(&rl->settings_lock);
}

struct rate_setting ratelimit_get(struct ratelimit *rl, enum rate_class c, enum rate_by by)
{
    lock_take(&rl->settings_lock);
    struct rate_setting s = rl->settings[c][by].now;
    lock_release(&rl->settings_lock);
    return s;
}

/* The setting in force, and the bucket that belongs to it. */
static struct rate_setting setting_of(struct ratelimit *rl, enum rate_class c, enum rate_by by,
                                      struct str key, uint64_t *out_bucket)
{
    lock_take(&rl->settings_lock);
    struct rate_setting s = rl->settings[c][by].now;
    uint64_t kind = (rl->settings[c][by].raised * RATE_CLASSES + c) * BY_COUNT + by;
    lock_release(&rl->settings_lock);
    uint64_t h = str_hash(key) + kind * 0x9e3779b97f4a7c15;
    *out_bucket = h ? h : 1;
    return s;
}

/* The bucket of key in its row, or the one to be given to it: free, or else the fullest. */
static struct bucket *bucket_find(struct bucket *row, uint64_t key)
{
    struct bucket *best = row;
    for (int i = 0; i < WAYS; i++) {
        if (row[i].key == key) {
            return &row[i];
        }
        if (row[i].full_at_us < best->full_at_us) {
            best = &row[i];
        }
    }
    return best;
}

/* Microseconds until there is a token; 0: there is one, and it was taken if `take`. */
static int64_t bucket_use(struct bucket *row, uint64_t key, struct rate_setting s, bool take)
{
    int64_t now = clock_mono_us();
    int64_t cost = (int64_t)(1e6 / s.per_second);
    int64_t room = (int64_t)(MAX(s.burst, 1.0) * 1e6 / s.per_second);
    struct bucket *b = bucket_find(row, key);
    int64_t full_at = b->key == key ? MAX(b->full_at_us, now) : now;
    int64_t wait = full_at + cost - now - room;
    if (wait > 0) {
        return wait;
    }
    if (take) {
        *b = (struct bucket){.key = key, .full_at_us = full_at + cost};
    }
    return 0;
}

static int limit(struct ratelimit *rl, enum rate_class c, enum rate_by by, struct str key,
                 bool take, struct err *err)
{
    if (!rl || c <= RATE_NONE || !atomic_load_explicit(&rl->on, memory_order_relaxed)) {
        return 0;
    }
    uint64_t hash;
    struct rate_setting s = setting_of(rl, c, by, key, &hash);
    if (s.per_second <= 0) {
        return 0;
    }
    size_t row = hash % ROWS;
    lock_take(&rl->shards[row % SHARDS]);
    int64_t wait_us = bucket_use(rl->rows[row], hash, s, take);
    lock_release(&rl->shards[row % SHARDS]);
    if (wait_us == 0) {
        return 0;
    }
    int rc = err_set(err, E_LIMIT, 429, "M_LIMIT_EXCEEDED", "Too many requests");
    if (err) {
        err->retry_after_ms = wait_us / 1000 + 1;
    }
    return rc;
}

int ratelimit_take(struct ratelimit *rl, enum rate_class c, enum rate_by by, struct str key,
                   struct err *err)
{
    return limit(rl, c, by, key, true, err);
}

int ratelimit_peek(struct ratelimit *rl, enum rate_class c, enum rate_by by, struct str key,
                   struct err *err)
{
    return limit(rl, c, by, key, false, err);
}
