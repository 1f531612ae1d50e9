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
    THREAD_HOPS =
        3, /* client-server API, "Threading": how far a relation is followed to a thread */
    THREADS_MAX =
        500, /* that are counted one by one in a room; what is unread in further ones counts as the room's */
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
    int64_t start;   /* read up to here: a receipt, an own message, or the room's floor */
    int64_t from;    /* events up to here are counted, or are read */
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
    int64_t rest_from; /* `start` and `from` of threads that are not listed */
    struct tally *tallies;
    size_t n, capacity;
    /* Of the room as it is now, read when the first event wants it. */
    bool has_context;
    struct push_room context;
    const struct event *create;
    struct str display_name;
};

static void grow(struct counting *c)
{
    size_t capacity = c->capacity ? 2 * c->capacity : 8;
    struct tally *grown = arena_array(c->arena, struct tally, capacity);
    if (c->n > 0) {
        memcpy(grown, c->tallies, c->n * sizeof(*grown));
    }
    c->tallies = grown;
    c->capacity = capacity;
}

static struct tally *tally_of(struct counting *c, struct str root)
{
    for (size_t i = 0; i < c->n; i++) {
        if (str_eq(c->tallies[i].root, root)) {
            return &c->tallies[i];
        }
    }
    if (c->n >= THREADS_MAX && root.n > 0) {
        return tally_of(c, STR(""));
    }
    if (c->n == c->capacity) {
        grow(c);
    }
    c->tallies[c->n] = (struct tally){
        .root = arena_str(c->arena, root), .start = c->rest_from, .from = c->rest_from};
    return &c->tallies[c->n++];
}

static void recall(struct counting *c, const struct memo *m)
{
    c->floor = m->floor;
    c->rest_from = m->upto;
    c->upto = MAX(c->upto, m->upto);
    for (size_t i = 0; i < m->n; i++) {
        struct tally *t = tally_of(c, m->tallies[i].root);
        t->start = m->tallies[i].start;
        t->from = m->tallies[i].from;
        t->count = m->tallies[i].count;
    }
}

/* Drops the threads that go without saying: nothing is unread, and no receipt is ahead of what was counted. Gives the
 * bytes of the names of the others. */
static size_t keep_telling(struct counting *c)
{
    size_t n = 0, text = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct tally *t = &c->tallies[i];
        if (t->count.notify > 0 || t->count.highlight > 0 || t->from > c->upto) {
            t->from = MAX(t->from, c->upto);
            text += t->root.n;
            c->tallies[n++] = *t;
        }
    }
    c->n = n;
    return text;
}

static void remember(struct counting *c)
{
    size_t bytes = keep_telling(c) + sizeof(struct memo) + c->n * sizeof(struct tally);
    struct memo *m = xmalloc(bytes);
    *m = (struct memo){.grounds = c->grounds, .upto = c->upto, .floor = c->floor, .n = c->n};
    ref_init(&m->refs);
    char *at = (char *)&m->tallies[c->n];
    for (size_t i = 0; i < c->n; i++) {
        struct str root = c->tallies[i].root;
        m->tallies[i] = c->tallies[i];
        if (root.n > 0) {
            m->tallies[i].root.p = memcpy(at, root.p, root.n);
            at += root.n;
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

/* Whether somebody joins by this member event; it might change a profile only. */
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

/* All of the room is read up to `position`: counting begins anew there. */
static void start_at(struct counting *c, int64_t position)
{
    c->floor = c->rest_from = position;
    c->n = 0;
}

static void read_upto(struct tally *t, int64_t position)
{
    if (position > t->start) {
        *t = (struct tally){.root = t->root, .start = position, .from = position};
    }
}

static int apply_receipts(struct counting *c, struct err *err)
{
    struct receipt_row *rows;
    size_t n = 0;
    int64_t floor = c->floor;
    int rc = receipts_of_user(store_reader(c->server->store), c->arena, c->room->nid, c->user,
                              &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        floor = rows[i].thread.n == 0 ? MAX(floor, rows[i].event_position) : floor;
    }
    if (floor > c->floor) {
        start_at(c, floor);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (rows[i].thread.n > 0) {
            bool is_main = str_eq(rows[i].thread, STR("main"));
            read_upto(tally_of(c, is_main ? STR("") : rows[i].thread), rows[i].event_position);
        }
    }
    return rc;
}

/* ---- events ---- */

static int read_context(struct counting *c, struct err *err)
{
    struct server *s = c->server;
    struct entry *levels, *create, *member;
    if (c->has_context) {
        return 0;
    }
    int rc = room_state_event(s, c->arena, c->room, NID_POWER_LEVELS, NID_EMPTY, &levels, err);
    if (rc == 0) {
        rc = entry_hold(s, c->arena, room_view_hold(c->arena, c->room)->create_nid, &create, err);
    }
    /* No default rule asks for the name that the reader goes by. */
    bool wants_name = c->reader->rules != push_ruleset_default();
    if (rc == 0 && wants_name) {
        rc = entry_hold(s, c->arena, room_member_of(c->room, c->user).event_nid, &member, err);
        c->display_name = rc == 0 && member->ev->member ? member->ev->member->displayname : STR("");
    }
    if (rc == 0) {
        c->create = create->ev;
        c->context = (struct push_room){.members = room_counts_now(c->room).joined,
                                        .levels = levels ? levels->ev->power_levels : NULL};
        c->has_context = true;
    }
    return rc;
}

static int evaluate(struct counting *c, struct arena *scratch, const struct event *ev,
                    struct push_result *out, struct err *err)
{
    struct push_event pe;
    struct push_reader who = {.user_id = c->reader->user_id};
    int rc = read_context(c, err);
    if (rc != 0) {
        return rc;
    }
    who.display_name = c->display_name;
    c->context.sender_level =
        power_level_of(c->context.levels, c->create, c->room->version, ev->sender);
    push_event_init(&pe, scratch, ev, &c->context);
    push_evaluate(&pe, c->reader->rules, &who, out);
    return 0;
}

int unread_thread_of(struct server *s, struct arena *a, const struct entry *e, struct str *out_root,
                     struct err *err)
{
    struct relation rel;
    *out_root = STR("");
    for (int hop = 0; hop < THREAD_HOPS && relation_of_content(a, e->ev->content, &rel); hop++) {
        struct entry *parent;
        if (str_eq(rel.rel_type, STR("m.thread"))) {
            *out_root = rel.event_id;
            return 0;
        }
        int rc = entry_hold_id(s, a, rel.event_id, &parent, err);
        if (rc != 0) {
            return rc == E_NOT_FOUND ? 0 : rc;
        }
        if (parent->ev->ids.room != e->ev->ids.room) {
            return 0; /* what goes on in another room is nobody's business here */
        }
        e = parent;
    }
    return 0;
}

/* Who says something has read what was said before; reactions and edits need not follow reading, and a change of the
 * profile sends state to all rooms. */
static int count_own(struct counting *c, struct arena *scratch, const struct entry *e,
                     struct err *err)
{
    struct relation rel;
    bool joins = false;
    if (e->ev->is_state) {
        int rc = e->ev->ids.state_key == c->user ? begins_membership(c, e, &joins, err) : 0;
        if (joins) {
            start_at(c, e->position);
        }
        return rc;
    }
    bool relates = relation_of_content(scratch, e->ev->content, &rel);
    bool in_thread = relates && str_eq(rel.rel_type, STR("m.thread"));
    if (e->ev->ids.type != NID_REDACTION && (in_thread || !relates)) {
        read_upto(tally_of(c, in_thread ? rel.event_id : STR("")), e->position);
    }
    return 0;
}

static int count_event(struct counting *c, struct arena *scratch, const struct entry *e,
                       struct err *err)
{
    struct push_result result;
    struct str root;
    if (e->redacted_by || e->flags & (EVENT_REJECTED | EVENT_SOFT_FAILED)) {
        return 0;
    }
    if (e->ev->ids.sender == c->user) {
        return count_own(c, scratch, e, err);
    }
    if (c->reader->ignored.n > 0 && smap_find(&c->reader->ignored, e->ev->sender)) {
        return 0;
    }
    int rc = evaluate(c, scratch, e->ev, &result, err);
    if (rc != 0 || (!result.notify && !result.highlight)) {
        return rc;
    }
    rc = unread_thread_of(c->server, scratch, e, &root, err);
    struct tally *t = rc == 0 ? tally_of(c, root) : NULL;
    if (t && e->position > t->from) {
        t->count.notify += result.notify;
        t->count.highlight += result.highlight;
        t->count.calls += result.notify && str_eq(e->ev->type, STR("m.call.invite"));
    }
    return rc;
}

int unread_evaluate(struct server *s, struct arena *a, uint64_t user_nid, struct room *room,
                    const struct entry *e, struct push_result *out, struct err *err)
{
    struct counting c = {.server = s, .arena = a, .room = room, .user = user_nid};
    *out = (struct push_result){0};
    if (e->redacted_by || e->flags & (EVENT_REJECTED | EVENT_SOFT_FAILED) ||
        e->ev->ids.sender == user_nid) {
        return 0;
    }
    int rc = reader_get(s, a, user_nid, &c.reader, err);
    if (rc != 0 || smap_find(&c.reader->ignored, e->ev->sender)) {
        return rc;
    }
    return evaluate(&c, a, e->ev, out, err);
}

static int count_range(struct counting *c, struct arena *held, int64_t from, struct err *err)
{
    struct entry **entries;
    struct arena scratch;
    size_t n;
    bool more;
    int rc = room_timeline(c->server, held, c->room, from, c->upto, UNREAD_SCAN_MAX, &entries, &n,
                           &more, err);
    arena_init(&scratch, 0);
    while (rc == 0 && n-- > 0) {
        rc = count_event(c, &scratch, entries[n], err);
        arena_reset(&scratch);
    }
    arena_release(&scratch);
    return rc;
}

static int count_events(struct counting *c, struct err *err)
{
    int64_t from = c->rest_from;
    for (size_t i = 0; i < c->n; i++) {
        from = MIN(from, c->tallies[i].from);
    }
    if (from >= c->upto) {
        return 0;
    }
    /* A thousand rows are a megabyte: an initial sync asks for hundreds of rooms. */
    struct arena held;
    arena_init(&held, 0);
    int rc = count_range(c, &held, from, err);
    arena_release(&held);
    return rc;
}

/* ---- answers ---- */

static void answer(struct arena *a, const struct tally *tallies, size_t n, bool by_thread,
                   struct unread_counts *out)
{
    *out = (struct unread_counts){.threads =
                                      by_thread ? arena_array(a, struct unread_thread, n) : NULL};
    for (size_t i = 0; i < n; i++) {
        const struct tally *t = &tallies[i];
        if (t->root.n == 0 || !by_thread) {
            out->main.notify += t->count.notify;
            out->main.highlight += t->count.highlight;
            out->main.calls += t->count.calls;
        } else if (t->count.notify > 0 || t->count.highlight > 0) {
            out->threads[out->n_threads++] =
                (struct unread_thread){.root_id = t->root, .count = t->count};
        }
    }
}

/* Takes up what is remembered, as far as it still holds. */
static int begin(struct counting *c, const struct memo *m, struct err *err)
{
    int64_t join;
    if (m && m->grounds.rules == c->grounds.rules) {
        recall(c, m);
        return m->grounds.receipts == c->grounds.receipts ? 0 : apply_receipts(c, err);
    }
    int rc = find_join(c, &join, err);
    if (rc == 0) {
        start_at(c, join);
        rc = apply_receipts(c, err);
    }
    return rc;
}

int unread_count(struct server *s, struct arena *a, uint64_t user_nid, struct room *room,
                 int64_t upto, bool by_thread, struct unread_counts *out, struct err *err)
{
    struct counting c = {.server = s, .arena = a, .room = room, .user = user_nid, .upto = upto};
    c.grounds = grounds_now(s->unread, user_nid, room->nid);
    struct memo *m = cache_get(s->unread->memos, (struct cache_key){user_nid, room->nid});
    if (m) {
        arena_defer(a, memo_unref, m);
        if (m->upto >= upto && memcmp(&m->grounds, &c.grounds, sizeof(c.grounds)) == 0) {
            answer(a, m->tallies, m->n, by_thread, out);
            return 0;
        }
    }
    int rc = reader_get(s, a, user_nid, &c.reader, err);
    if (rc == 0) {
        rc = begin(&c, m, err);
    }
    if (rc == 0) {
        rc = count_events(&c, err);
    }
    if (rc == 0) {
        remember(&c);
        answer(a, c.tallies, c.n, by_thread, out);
    }
    return rc;
}

/* ---- event by event ---- */

struct unread_scan {
    struct counting counting;
    int64_t join;
};

int unread_scan_new(struct server *s, struct arena *a, uint64_t user_nid, struct room *room,
                    struct unread_scan **out, struct err *err)
{
    struct unread_scan *scan = arena_new(a, struct unread_scan);
    struct counting *c = &scan->counting;
    *c = (struct counting){.server = s, .arena = a, .room = room, .user = user_nid};
    int rc = reader_get(s, a, user_nid, &c->reader, err);
    rc = rc ? rc : find_join(c, &scan->join, err);
    if (rc == 0) {
        start_at(c, scan->join);
        rc = apply_receipts(c, err);
    }
    *out = scan;
    return rc;
}

/* Whether it is one that rules are asked about at all. */
static bool may_notify(const struct unread_scan *scan, const struct entry *e)
{
    const struct counting *c = &scan->counting;
    return e->position > scan->join && !e->redacted_by &&
           !(e->flags & (EVENT_REJECTED | EVENT_SOFT_FAILED)) && e->ev->ids.sender != c->user &&
           !smap_find(&c->reader->ignored, e->ev->sender);
}

int unread_scan_look(struct unread_scan *scan, const struct entry *e, struct unread_event *out,
                     struct err *err)
{
    struct counting *c = &scan->counting;
    struct push_result result;
    struct str root;
    *out = (struct unread_event){.actions = STR("[]")};
    out->is_before_join = e->position <= scan->join;
    if (!may_notify(scan, e)) {
        return 0;
    }
    int rc = evaluate(c, c->arena, e->ev, &result, err);
    if (rc != 0 || !result.notify) {
        return rc;
    }
    rc = unread_thread_of(c->server, c->arena, e, &root, err);
    if (rc == 0) {
        out->notify = true;
        out->highlight = result.highlight;
        out->actions = result.actions;
        out->is_read = e->position <= c->floor || e->position <= tally_of(c, root)->start;
    }
    return rc;
}

struct unread *unread_new(struct server *s)
{
    static const struct cache_ops memo_ops = {.ref = memo_ref, .unref = memo_unref};
    static const struct cache_ops reader_ops = {.ref = reader_ref, .unref = reader_unref};
    struct unread *u = xcalloc(1, sizeof(*u));
    u->memos = cache_new(server_share(s, SHARE_UNREAD), &memo_ops);
    u->readers = cache_new(server_share(s, SHARE_READERS), &reader_ops);
    return u;
}

void unread_free(struct unread *u)
{
    if (u) {
        cache_free(u->memos);
        cache_free(u->readers);
        free(u);
    }
}
