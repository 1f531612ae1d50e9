/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "core/cache.h"
#include "core/server.h"
#include "core/unread_internal.h"
#include "store/account_data.h"
#include "store/names.h"
#include "store/push.h"

/*
 * Forgetting is counting: what is remembered bears the counts of when it was begun, and holds while they are the
 * same. So an answer that was worked out while the counts changed is void by itself, without any lock. Keys that
 * meet in one counter cost an evaluation too many.
 */
enum epoch_of { EPOCH_RULES, EPOCH_RECEIPTS, EPOCH_ROOM };

static atomic_int_least64_t *epoch(struct unread *u, enum epoch_of what, uint64_t user,
                                   uint64_t room)
{
    uint64_t hash = (user * 0x9E3779B97F4A7C15u ^ room * 0xC2B2AE3D27D4EB4Fu ^ (uint64_t)what) *
                    0xD6E8FEB86659FD93u;
    return &u->epochs[(hash >> 32) % UNREAD_EPOCHS];
}

struct count_epochs unread_epochs_now(struct unread *u, uint64_t user, uint64_t room)
{
    return (struct count_epochs){.rules = atomic_load(epoch(u, EPOCH_RULES, user, 0)) +
                                          atomic_load(epoch(u, EPOCH_ROOM, 0, room)),
                                 .receipts = atomic_load(epoch(u, EPOCH_RECEIPTS, user, room))};
}

struct forgetting {
    atomic_int_least64_t *epoch;
};

static void forget(void *arg)
{
    const struct forgetting *f = arg;
    atomic_fetch_add(f->epoch, 1);
}

static void forget_on_commit(struct txn *t, atomic_int_least64_t *epoch)
{
    struct forgetting *f = arena_new(txn_arena(t), struct forgetting);
    f->epoch = epoch;
    txn_on_commit(t, forget, f);
}

void unread_forget_receipts(struct txn *t, struct server *s, uint64_t user_nid, uint64_t room_nid)
{
    forget_on_commit(t, epoch(s->unread, EPOCH_RECEIPTS, user_nid, room_nid));
}

void unread_forget_rules(struct txn *t, struct server *s, uint64_t user_nid)
{
    forget_on_commit(t, epoch(s->unread, EPOCH_RULES, user_nid, 0));
}

void unread_forget_room(struct server *s, uint64_t room_nid)
{
    atomic_fetch_add(epoch(s->unread, EPOCH_ROOM, 0, room_nid), 1);
}

/* ---- work ---- */

/* What is still to be paid off is what exceeds the present. */
static int64_t debt(struct unread *u, uint64_t user, int64_t now_ms)
{
    int64_t paid_at = atomic_load(&u->work[user % UNREAD_WORKERS]);
    return MAX(paid_at - now_ms * UNREAD_WORK_PER_MS, 0);
}

int64_t unread_work_left(struct unread *u, uint64_t user, int64_t now_ms)
{
    int64_t left = UNREAD_WORK_BURST - debt(u, user, now_ms);
    return MIN(MAX(left, UNREAD_WORK_LEAST), PUSH_BUDGET);
}

/* Two threads at once may forget one event's work of one of them: it is little. */
void unread_work_done(struct unread *u, uint64_t user, int64_t now_ms, int64_t steps)
{
    int64_t paid_at = now_ms * UNREAD_WORK_PER_MS + debt(u, user, now_ms) + steps;
    atomic_store(&u->work[user % UNREAD_WORKERS], paid_at);
}

/* ---- readers ---- */

static void reader_ref(void *obj)
{
    ref_take(&((struct reader *)obj)->refs);
}

static void reader_unref(void *obj)
{
    struct reader *r = obj;
    if (ref_drop(&r->refs)) {
        push_ruleset_unref(&r->rules);
        smap_release(&r->ignored);
        arena_release(&r->arena);
        free(r);
    }
}

static int load_rules(struct server *s, struct arena *a, uint64_t user, struct reader *r,
                      struct err *err)
{
    struct str stored = STR_NONE;
    int64_t position = 0;
    int rc = stored_push_rules_get(store_reader(s->store), a, user, &stored, &position, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    r->version += position;
    return push_ruleset_load(stored, &r->rules, err);
}

static int load_ignored(struct server *s, struct arena *a, uint64_t user, struct reader *r,
                        struct err *err)
{
    struct account_data_row row;
    json_t *json = NULL;
    const json_t *users = NULL;
    int rc = account_data_find(store_reader(s->store), a, user, 0, STR("m.ignored_user_list"), &row,
                               err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    r->version += row.position;
    if (row.content.p) {
        rc = json_parse(a, row.content, JPARSE_REALS, &json, err);
    }
    if (rc == 0 && json && json_get_object(json, "ignored_users", &users)) {
        for (struct json_iter it = json_iter(users); json_next(&it);) {
            smap_at(&r->ignored, it.key, NULL);
        }
    }
    return rc;
}

static int reader_load(struct server *s, struct arena *a, uint64_t user, struct reader *r,
                       struct err *err)
{
    int rc = names_text(s->store, store_reader(s->store), user, &r->arena, &r->user_id, err);
    if (rc == 0) {
        rc = load_rules(s, a, user, r, err);
    }
    return rc == 0 ? load_ignored(s, a, user, r, err) : rc;
}

int unread_reader_get(struct server *s, struct arena *a, uint64_t user, struct reader **out,
                      struct err *err)
{
    struct unread *u = s->unread;
    struct cache_key key = {.a = user};
    int64_t now = atomic_load(epoch(u, EPOCH_RULES, user, 0));
    struct reader *r = cache_get(u->readers, key);
    if (r && r->epoch != now) {
        reader_unref(r);
        r = NULL;
    }
    int rc = 0;
    if (!r) {
        r = xcalloc(1, sizeof(*r));
        ref_init(&r->refs);
        arena_init(&r->arena, 0);
        r->epoch = now;
        rc = reader_load(s, a, user, r, err);
        if (rc == 0) {
            size_t shared = r->rules == push_ruleset_default() ? 0 : push_ruleset_bytes(r->rules);
            cache_replace(u->readers, key, r,
                          sizeof(*r) + r->arena.used + smap_bytes(&r->ignored) + shared);
        }
    }
    arena_defer(a, reader_unref, r);
    *out = r;
    return rc;
}

struct cache *unread_readers_new(size_t budget)
{
    static const struct cache_ops ops = {.ref = reader_ref, .unref = reader_unref};
    return cache_new(budget, &ops);
}
