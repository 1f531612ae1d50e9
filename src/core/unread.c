/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unread.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/cache.h"
#include "core/server.h"
#include "matrix/power_levels.h"
#include "matrix/push_rules.h"
#include "matrix/relation.h"
#include "store/account_data.h"
#include "store/names.h"
#include "store/push.h"
#include "store/receipts.h"

enum {
    EPOCHS = 1 << 14,
    THREAD_HOPS = 3, /* client-server API, "Threading": how far a relation is followed to a thread */
};

/*
 * Forgetting is counting: what is remembered bears the counts of when it was begun, and holds while they are the
 * same. So an answer that was worked out while its grounds changed is void by itself, without any lock. Keys that
 * meet in one counter cost an evaluation too many.
 */
struct unread {
    atomic_int_least64_t epochs[EPOCHS];
    struct cache *memos;   /* {user, room} -> struct memo */
    struct cache *readers; /* {user, 0} -> struct reader */
};

/* ---- epochs ---- */

enum epoch_of { EPOCH_RULES, EPOCH_RECEIPTS, EPOCH_ROOM };

static atomic_int_least64_t *epoch(struct unread *u, enum epoch_of what, uint64_t user,
                                   uint64_t room)
{
    uint64_t hash = (user * 0x9E3779B97F4A7C15u ^ room * 0xC2B2AE3D27D4EB4Fu ^ (uint64_t)what) *
                    0xD6E8FEB86659FD93u;
    return &u->epochs[(hash >> 32) % EPOCHS];
}

/* All of them only grow, so a sum is as good as its parts. */
struct grounds {
    int64_t rules, receipts;
};

static struct grounds grounds_now(struct unread *u, uint64_t user, uint64_t room)
{
    return (struct grounds){.rules = atomic_load(epoch(u, EPOCH_RULES, user, 0)) +
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

/* ---- readers: what is the same for a user in all rooms ---- */

struct reader {
    struct refcount refs;
    int64_t epoch;
    struct str user_id; /* in the arena, as is what follows */
    const struct push_ruleset *rules;
    struct smap ignored; /* user ids */
    struct arena arena;
};

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
    int64_t position;
    int rc = stored_push_rules_get(store_reader(s->store), a, user, &stored, &position, err);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    return push_ruleset_load(stored, &r->rules, err);
}

static int load_ignored(struct server *s, struct arena *a, uint64_t user, struct reader *r,
                        struct err *err)
{
    struct str content;
    json_t *json = NULL;
    const json_t *users = NULL;
    int rc = account_data_get(store_reader(s->store), a, user, 0, STR("m.ignored_user_list"),
                              &content, err);
    if (rc == 0) {
        rc = json_parse(a, content, JPARSE_REALS, &json, err);
    }
    if (rc == 0 && json_get_object(json, "ignored_users", &users)) {
        for (struct json_iter it = json_iter(users); json_next(&it);) {
            smap_at(&r->ignored, it.key, NULL);
        }
    }
    return rc == E_NOT_FOUND ? 0 : rc;
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

/* Held by the arena. */
static int reader_get(struct server *s, struct arena *a, uint64_t user, struct reader **out,
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

/* ---- memos: what is remembered of a user in a room ---- */

struct tally {
    struct str root; /* empty: the main timeline */
    int64_t from;    /* events up to here are counted, or need not be */
    struct unread_count count;
};

/* Immutable, one block. A thread that is not listed has nothing unread up to `upto`. */
struct memo {
    struct refcount refs;
    struct grounds grounds;
    int64_t upto;
    int64_t floor; /* the unthreaded receipt, or the join: nothing before it counts */
    size_t n;
    struct tally tallies[];
};

static void memo_ref(void *obj)
{
    ref_take(&((struct memo *)obj)->refs);
}

static void memo_unref(void *obj)
{
    struct memo *m = obj;
    if (ref_drop(&m->refs)) {
        free(m);
    }
}

/* Counting, from what is remembered (if anything) to now. */
struct counting {
    struct server *server;
    struct arena *arena;
    struct room *room;
    uint64_t user;
    struct reader *reader;
    struct grounds grounds;
    int64_t upto, floor;
    int64_t rest_from; /* `from` of threads that are not listed */
    struct tally *tallies;
    size_t n, room_for;
    /* Of the room now, read when the first event wants it. */
    bool has_context;
    struct push_room context;
    const struct event *create;
    struct str display_name;
};

static struct tally *tally_of(struct counting *c, struct str root)
{
    for (size_t i = 0; i < c->n; i++) {
        if (str_eq(c->tallies[i].root, root)) {
            return &c->tallies[i];
        }
    }
    if (c->n == c->room_for) {
        size_t more = c->room_for ? 2 * c->room_for : 8;
        struct tally *grown = arena_array(c->arena, struct tally, more);
        if (c->n > 0) {
            memcpy(grown, c->tallies, c->n * sizeof(*grown));
        }
        c->tallies = grown;
        c->room_for = more;
    }
    c->tallies[c->n] = (struct tally){.root = root, .from = c->rest_from};
    return &c->tallies[c->n++];
}

static void recall(struct counting *c, const struct memo *m)
{
    c->floor = m->floor;
    c->rest_from = m->upto;
    c->upto = MAX(c->upto, m->upto);
    for (size_t i = 0; i < m->n; i++) {
        *tally_of(c, m->tallies[i].root) = m->tallies[i];
    }
}

/* Threads in which nothing is unread, and whose receipt is not ahead, go without saying. */
static bool goes_without_saying(const struct counting *c, const struct tally *t)
{
    return t->count.notify == 0 && t->count.highlight == 0 && t->from <= c->upto;
}

static void remember(struct counting *c)
{
    size_t n = 0, text = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->tallies[i].from = MAX(c->tallies[i].from, c->upto);
        if (!goes_without_saying(c, &c->tallies[i])) {
            c->tallies[n++] = c->tallies[i];
            text += c->tallies[i].root.n;
        }
    }
    c->n = n;
    size_t bytes = sizeof(struct memo) + n * sizeof(struct tally) + text;
    struct memo *m = xmalloc(bytes);
    *m = (struct memo){.grounds = c->grounds, .upto = c->upto, .floor = c->floor, .n = n};
    ref_init(&m->refs);
    char *at = (char *)&m->tallies[n];
    for (size_t i = 0; i < n; i++) {
        m->tallies[i] = c->tallies[i];
        if (m->tallies[i].root.n > 0) {
            m->tallies[i].root.p = memcpy(at, c->tallies[i].root.p, c->tallies[i].root.n);
            at += m->tallies[i].root.n;
        }
    }
    cache_replace(c->server->unread->memos, (struct cache_key){c->user, c->room->nid}, m, bytes);
    memo_unref(m);
}

/* ---- where counting starts ---- */

static bool is_join(const struct entry *e)
{
    return e->ev->member && e->ev->member->membership == MEMBERSHIP_JOIN;
}

/* Whether a member event is one by which somebody joins, and not a change of his profile. */
static int begins_membership(struct counting *c, const struct entry *e, bool *out, struct err *err)
{
    struct entry *before;
    *out = is_join(e);
    if (!*out || !e->replaces) {
        return 0;
    }
    int rc = entry_hold(c->server, c->arena, e->replaces, &before, err);
    *out = rc == 0 && !is_join(before);
    return rc;
}

static int find_join(struct counting *c, int64_t *out, struct err *err)
{
    struct room_member member = room_member_of(c->room, c->user);
    struct entry *e;
    bool begins = false;
    *out = member.position;
    int rc = entry_hold(c->server, c->arena, member.event_nid, &e, err);
    while (rc == 0 && is_join(e) && !begins) {
        *out = e->position;
        rc = begins_membership(c, e, &begins, err);
        if (rc == 0 && !begins) {
            rc = entry_hold(c->server, c->arena, e->replaces, &e, err);
        }
    }
    return rc;
}

/* A receipt, or being new, says that all of the room is read up to `position`. */
static void raise_floor(struct counting *c, int64_t position)
{
    if (position <= c->floor) {
        return;
    }
    c->floor = position;
    c->rest_from = position;
    for (size_t i = 0; i < c->n; i++) {
        c->tallies[i].count = (struct unread_count){0};
        c->tallies[i].from = position;
    }
}

/* The same for one thread. Threads with something unread are listed; of the others only a receipt that is ahead of
 * what was counted says anything new. */
static void raise_thread(struct counting *c, struct str root, int64_t position, int64_t counted)
{
    if (position <= c->floor) {
        return;
    }
    struct tally *t = tally_of(c, root);
    bool has_unread = t->count.notify > 0 || t->count.highlight > 0;
    if (has_unread || position > counted) {
        t->count = (struct unread_count){0};
        t->from = position;
    }
}

static int apply_receipts(struct counting *c, int64_t counted, struct err *err)
{
    struct receipt_row *rows;
    size_t n = 0;
    int rc = receipts_of_user(store_reader(c->server->store), c->arena, c->room->nid, c->user, &rows,
                              &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (rows[i].thread.n == 0) {
            raise_floor(c, rows[i].event_position);
        }
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct str root = str_eq(rows[i].thread, STR("main")) ? STR("") : rows[i].thread;
        if (rows[i].thread.n > 0) {
            raise_thread(c, root, rows[i].event_position, counted);
        }
    }
    return rc;
}
