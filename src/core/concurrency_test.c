/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads at once on few rooms: writers, joiners, readers and pollers. What is checked is what each of them is
 * promised whatever the others do. Runs under the thread sanitizer as well.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "base/pool.h"
#include "core/cache.h"
#include "core/changes.h"
#include "core/live_user.h"
#include "core/visibility.h"
#include "tests/support/test_server.h"

enum { ROOMS = 3, WRITERS = 4, MESSAGES = 60, JOINERS = 2, TURNS = 40, READERS = 3 };

struct world {
    struct test_server *t;
    struct room *rooms[ROOMS];
    struct test_user writers[WRITERS], joiners[JOINERS];
    atomic_int writing; /* threads that still write */
    atomic_int sent;
    int64_t before; /* the position that all start from */
};

struct actor {
    struct world *w;
    size_t n;
    pthread_t thread;
    struct arena arena;
    struct err err;
};

/* cmocka's assertions belong to the main thread. */
#define MUST(cond) bug_on(!(cond))

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        fprintf(stderr, "error %d: %s (%s)\n", rc, err->message, err->detail);
    }
    MUST(rc == 0);
}

static struct server *server_in(const struct actor *a)
{
    return a->w->t->server;
}

static void send(struct actor *a, struct room *room, const struct new_event *ev)
{
    struct str id;
    must(room_send(server_in(a), &a->arena, room, ev, &id, &a->err), &a->err);
    test_answered(server_in(a), &a->arena, ev->device_nid);
    atomic_fetch_add(&a->w->sent, 1);
}

/* ---- who writes ---- */

static void *write_messages(void *arg)
{
    struct actor *a = arg;
    for (size_t i = 0; i < MESSAGES; i++) {
        struct room *room = a->w->rooms[i % ROOMS];
        const char *content = arena_printf(&a->arena, "{\"by\":%zu,\"n\":%zu}", a->n, i).p;
        struct new_event ev = test_event(&a->w->writers[a->n], "m.room.message", content);
        struct str id;
        ev.txn_id = arena_printf(&a->arena, "t%zu", i);
        send(a, room, &ev);
        if (i % 10 == 9) { /* a retry, a redaction, a state event in between */
            must(room_send(server_in(a), &a->arena, room, &ev, &id, &a->err), &a->err);
            struct new_event gone =
                test_event(&a->w->writers[a->n], "m.room.redaction",
                           arena_printf(&a->arena, "{\"redacts\":\"%.*s\"}", STR_ARG(id)).p);
            gone.redacts = id;
            send(a, room, &gone);
            struct new_event topic = test_state_event(&a->w->writers[0], "m.room.topic", STR(""),
                                                      arena_cstr(&a->arena, ev.content));
            send(a, room, &topic);
        }
        arena_reset(&a->arena);
    }
    atomic_fetch_sub(&a->w->writing, 1);
    return NULL;
}

static void *join_and_leave(void *arg)
{
    struct actor *a = arg;
    const struct test_user *me = &a->w->joiners[a->n];
    for (size_t i = 0; i < TURNS; i++) {
        struct room *room = a->w->rooms[i % ROOMS];
        struct new_event in = test_membership(&a->arena, me, me, "join");
        struct new_event out = test_membership(&a->arena, me, me, "leave");
        struct user_room mine;
        send(a, room, &in);
        must(user_room(server_in(a), me->nid, room->nid, &mine, &a->err), &a->err);
        MUST(mine.membership == MEMBERSHIP_JOIN); /* one reads one's own writes */
        MUST(room_member_of(room, me->nid).membership == MEMBERSHIP_JOIN);
        send(a, room, &out);
        MUST(room_member_of(room, me->nid).membership == MEMBERSHIP_LEAVE);
        arena_reset(&a->arena);
    }
    atomic_fetch_sub(&a->w->writing, 1);
    return NULL;
}

/* ---- who reads ---- */

struct log_check {
    struct imap *seen; /* positions of events that the log told of */
    int64_t last;
};

static void note(void *arg, const struct change *c)
{
    struct log_check *check = arg;
    MUST(c->position > check->last || c->kind != CHANGE_EVENT);
    check->last = c->position;
    imap_set(check->seen, (uint64_t)c->position, (union map_val){.u = 1});
}

/* Once a redaction is visible, nobody gets the whole event any more, whatever is cached or evicted meanwhile. */
static void check_redacted(struct actor *a, const struct entry *redaction)
{
    struct entry *target;
    if (redaction->ev->redacts.n) {
        must(entry_hold_id(server_in(a), &a->arena, redaction->ev->redacts, &target, &a->err),
             &a->err);
        MUST(target->redacted_by == redaction->ev->ids.event);
        MUST(str_eq(target->ev->content, STR("{}")));
    }
}

/* Every event up to the visible position is in the log and in the room's timeline. */
static void *read_rooms(void *arg)
{
    struct actor *a = arg;
    struct server *s = server_in(a);
    struct imap seen = {0};
    int64_t since = a->w->before;
    while (atomic_load(&a->w->writing) > 0) {
        int64_t upto = store_position(s->store);
        struct log_check check = {.seen = &seen, .last = since};
        MUST(upto >= since);
        MUST(changes_each(s, since, upto, note, &check));
        for (size_t i = 0; i < ROOMS; i++) {
            struct entry **entries;
            size_t n;
            bool more;
            struct room_view *view = room_view_get(a->w->rooms[i]);
            MUST(view->n_heads == 1);
            room_view_unref(&view);
            must(room_timeline(s, &a->arena, a->w->rooms[i], since, upto, 1000, &entries, &n, &more,
                               &a->err),
                 &a->err);
            for (size_t k = 0; k < n; k++) {
                MUST(imap_has(&seen, (uint64_t)entries[k]->position));
                MUST(k == 0 || entries[k]->position < entries[k - 1]->position);
                imap_remove(&seen, (uint64_t)entries[k]->position);
                check_redacted(a, entries[k]);
            }
        }
        MUST(seen.n == 0); /* nothing in the log that the rooms lack */
        arena_reset(&a->arena);
        since = upto;
    }
    imap_release(&seen);
    return NULL;
}

/* A client that polls: it must get each message of the others exactly once, and in order. */
struct progress {
    size_t next[WRITERS][ROOMS];
};

static void take_message(const json_t *ev, struct progress *p)
{
    const json_t *content;
    int64_t by, n;
    MUST(json_get_object(ev, "content", &content));
    if (!str_eq(json_str(json_find(ev, STR("type"))), STR("m.room.message")) ||
        !json_get_int(content, "by", &by) || !json_get_int(content, "n", &n)) {
        return;
    }
    size_t room = (size_t)n % ROOMS;
    MUST((size_t)n >= p->next[by][room]);
    p->next[by][room] = (size_t)n + 1;
}

static void take_answer(const json_t *answer, struct progress *p, size_t *n_events)
{
    const json_t *join = PATH(answer, STR("rooms"), STR("join"));
    for (struct json_iter it = json_iter(join); json_next(&it);) {
        const json_t *events = PATH(it.value, STR("timeline"), STR("events"));
        for (size_t i = 0; i < json_array_size(events); i++) {
            take_message(json_array_get(events, i), p);
            (*n_events)++;
        }
    }
}

static struct sync_token poll_once(struct actor *a, const struct test_user *me,
                                   struct sync_token since, struct progress *p, size_t *n_events)
{
    struct buf out = BUF_INIT(64 << 20);
    struct sync s = {.server = server_in(a),
                     .arena = &a->arena,
                     .user_id = me->id,
                     .user_nid = me->nid,
                     .device_nid = me->device,
                     .since = since};
    bool found;
    json_t *answer;
    struct arena *outer = json_arena_enter(&a->arena);
    filter_defaults(&s.filter);
    s.filter.timeline.limit = 1000;
    must(sync_write(&s, &out, &found, &a->err), &a->err);
    must(json_parse(&a->arena, buf_str(&out), JPARSE_REALS, &answer, &a->err), &a->err);
    take_answer(answer, p, n_events);
    buf_release(&out);
    json_arena_leave(outer);
    arena_reset(&a->arena);
    return s.upto;
}

static void *poll_sync(void *arg)
{
    struct actor *a = arg;
    const struct test_user *me = &a->w->writers[a->n];
    struct progress p = {0};
    size_t n_events = 0;
    struct sync_token since = {.position = a->w->before};
    while (atomic_load(&a->w->writing) > 0) {
        since = poll_once(a, me, since, &p, &n_events);
    }
    since = poll_once(a, me, since, &p, &n_events);
    /* Everybody is in all rooms for good, so each event of this run was told, once. */
    MUST(n_events == (size_t)atomic_load(&a->w->sent));
    return NULL;
}

/* ---- who repeats what they said ---- */

static void *send_the_same(void *arg)
{
    struct actor *a = arg;
    for (int i = 0; i < TURNS; i++) {
        struct new_event ev = test_event(&a->w->writers[0], "m.room.message", "{}");
        ev.txn_id = arena_printf(&a->arena, "same%d", i);
        send(a, a->w->rooms[0], &ev);
        arena_reset(&a->arena);
    }
    return NULL;
}

/* ---- the tests ---- */

static void start(struct actor *a, struct world *w, size_t n, void *(*run)(void *))
{
    *a = (struct actor){.w = w, .n = n};
    arena_init(&a->arena, 0);
    assert_int_equal(pthread_create(&a->thread, NULL, run, a), 0);
}

static void finish(struct actor *actors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pthread_join(actors[i].thread, NULL);
        arena_release(&actors[i].arena);
    }
}

static void make_world(struct world *w)
{
    static const char *const names[] = {"@w0:example.org", "@w1:example.org", "@w2:example.org",
                                        "@w3:example.org", "@j0:example.org", "@j1:example.org"};
    for (size_t i = 0; i < WRITERS; i++) {
        w->writers[i] = test_user_of(w->t, names[i]);
    }
    for (size_t i = 0; i < JOINERS; i++) {
        w->joiners[i] = test_user_of(w->t, names[WRITERS + i]);
    }
    for (size_t i = 0; i < ROOMS; i++) {
        w->rooms[i] = test_room(w->t, &w->writers[0], (struct test_room_options){0});
        for (size_t k = 1; k < WRITERS; k++) {
            test_join(w->t, w->rooms[i], &w->writers[k]);
        }
    }
}

static void readers_writers_joiners_and_pollers_agree(void **state)
{
    struct world w = {.t = *state};
    struct actor actors[WRITERS * 2 + JOINERS + READERS];
    size_t n = 0;
    make_world(&w);
    w.before = store_position(w.t->server->store);
    atomic_store(&w.writing, WRITERS + JOINERS);
    for (size_t i = 0; i < READERS; i++) {
        start(&actors[n++], &w, i, read_rooms);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        start(&actors[n++], &w, i, poll_sync);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        start(&actors[n++], &w, i, write_messages);
    }
    for (size_t i = 0; i < JOINERS; i++) {
        start(&actors[n++], &w, i, join_and_leave);
    }
    finish(actors, n);
    for (size_t i = 0; i < ROOMS; i++) {
        assert_int_equal(room_counts_now(w.rooms[i]).joined, WRITERS);
    }
}

static void retries_that_overtake_each_other_make_one_event(void **state)
{
    struct world w = {.t = *state};
    struct actor actors[WRITERS];
    make_world(&w);
    int64_t before = store_position(w.t->server->store);
    for (size_t i = 0; i < WRITERS; i++) {
        start(&actors[i], &w, i, send_the_same);
    }
    finish(actors, WRITERS);
    assert_int_equal(store_position(w.t->server->store), before + TURNS);
}

/* All of the first test when entries are evicted and read again all the time. */
static void they_agree_while_caches_overflow(void **state)
{
    struct test_server *t = *state;
    cache_free(t->server->entries);
    t->server->entries = entries_cache_new(16 * 1024);
    readers_writers_joiners_and_pollers_agree(state);
    struct cache_stats stats;
    cache_get_stats(t->server->entries, &stats);
    assert_true(stats.evictions > 0);
}

/* ---- many who send to one room ---- */

struct crowd {
    struct test_server *t;
    struct test_user sender;
    struct lock lock; /* of the counts */
    struct cond changed;
    int sent, refused, sent_elsewhere;
    struct room *busy;
};

struct sender {
    struct job job;
    struct crowd *crowd;
    struct room *room;
};

static void send_one(struct job *job)
{
    struct sender *me = container_of(job, struct sender, job);
    struct crowd *c = me->crowd;
    struct new_event ev = test_event(&c->sender, "m.room.message", "{}");
    struct arena a;
    struct err err;
    arena_init(&a, 0);
    int rc = room_send(c->t->server, &a, me->room, &ev, NULL, &err);
    MUST(rc == 0 || (rc == E_LIMIT && err.http == 429 && err.retry_after_ms > 0));
    test_answered(c->t->server, &a, ev.device_nid);
    arena_release(&a);
    lock_take(&c->lock);
    *(rc != 0 ? &c->refused : me->room == c->busy ? &c->sent : &c->sent_elsewhere) += 1;
    cond_broadcast(&c->changed);
    lock_release(&c->lock);
    free(me);
}

static void send_many(struct crowd *c, struct room *room, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sender *s = xcalloc(1, sizeof(*s));
        *s = (struct sender){.job.run = send_one, .crowd = c, .room = room};
        pool_submit(c->t->server->pool, LANE_FAST, &s->job);
    }
}

static void await(struct crowd *c, const int *count, int n)
{
    lock_take(&c->lock);
    while (*count < n) {
        cond_wait(&c->changed, &c->lock);
    }
    lock_release(&c->lock);
}

static void a_busy_room_holds_up_nobody_elsewhere(void **state)
{
    enum { WAITING = 16, MOST = WAITING / 2, TOO_MANY = 30, ELSEWHERE = 20 };
    struct crowd c = {.t = *state};
    struct server *s = c.t->server;
    lock_init(&c.lock, RANK_LEAF, "crowd");
    cond_init(&c.changed);
    s->pool = pool_new(2, 1, WAITING);
    c.sender = test_user(c.t, "sender");
    c.busy = test_room(c.t, &c.sender, (struct test_room_options){0});
    struct room *other = test_room(c.t, &c.sender, (struct test_room_options){0});
    lock_take(&c.busy->lock); /* somebody's commit takes its time */
    send_many(&c, c.busy, MOST + TOO_MANY);
    await(&c, &c.refused, TOO_MANY);
    assert_int_equal(atomic_load(&c.busy->waiting), MOST);
    for (int i = 1; i <= ELSEWHERE; i++) {
        send_many(&c, other, 1);
        await(&c, &c.sent_elsewhere, i);
    }
    lock_release(&c.busy->lock);
    await(&c, &c.sent, MOST);
    pool_free(s->pool);
    s->pool = NULL;
    cond_destroy(&c.changed);
    lock_destroy(&c.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_SERVER(readers_writers_joiners_and_pollers_agree),
        TEST_WITH_SERVER(retries_that_overtake_each_other_make_one_event),
        TEST_WITH_SERVER(they_agree_while_caches_overflow),
        TEST_WITH_SERVER(a_busy_room_holds_up_nobody_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
