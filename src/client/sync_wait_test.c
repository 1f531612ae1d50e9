/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long polls of /sync over real HTTP: whatever moment a change comes at (before the client asks, while its request is
 * looked at, when it is parked), it is told at once. A wake-up that got lost would show as a client that hears nothing
 * until its patience ends, long before the poll's own time-out. Runs under the thread sanitizer as well.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "base/pool.h"
#include "client/routes.h"
#include "core/changes.h"
#include "net/http_server.h"
#include "tests/support/http_client.h"
#include "tests/support/test_server.h"

enum { POLLERS = 4, ROUNDS = 60, PATIENCE_S = 30 };

struct poller {
    struct test_user user;
    pthread_t thread;
    uint16_t port;
    char since[64];
    int rounds;
    sem_t *heard;
    sem_t *answered; /* each answer counts; NULL: nobody wants to know */
};

static struct poller pollers[POLLERS];
static struct router *router;
static struct http_server *http;

/* The token is the number of the poller. */
static int who_is_it(struct request *rq, const struct route *route, struct str token,
                     struct err *err)
{
    uint64_t n;
    (void)route;
    if (!str_to_u64(token, &n) || n >= POLLERS) {
        return err_set(err, E_FORBIDDEN, 401, "M_UNKNOWN_TOKEN", "Who are you?");
    }
    rq->who.user_id = pollers[n].user.id;
    rq->who.user_nid = pollers[n].user.nid;
    rq->who.device_id = STR("D");
    rq->who.device_nid = pollers[n].user.device;
    return 0;
}

static int setup_with_room(void **state, unsigned max_parked)
{
    static const char *const names[POLLERS] = {"@p0:example.org", "@p1:example.org",
                                               "@p2:example.org", "@p3:example.org"};
    /* Presence wakes everybody at each poll, which would hide what is looked for here. */
    struct test_server *t = test_server_new("presence: off\n");
    t->server->pool = pool_new(POLLERS, 1, 0);
    router = router_new();
    router_add(router, SERVE_CLIENT, sync_routes);
    const struct http_listener_config listener = {.bind = "127.0.0.1", .serve = SERVE_CLIENT};
    const struct http_server_config config = {.listeners = &listener,
                                              .n_listeners = 1,
                                              .router = router,
                                              .pool = t->server->pool,
                                              .temp_dir = "/tmp",
                                              .authenticate = who_is_it,
                                              .max_parked = max_parked,
                                              .app = t->server};
    assert_ok(http_server_new(&config, &http, &t->err), &t->err);
    for (size_t i = 0; i < POLLERS; i++) {
        pollers[i] =
            (struct poller){.user = test_user_of(t, names[i]), .port = http_server_port(http, 0)};
    }
    *state = t;
    return 0;
}

static int setup(void **state)
{
    return setup_with_room(state, 0);
}

static int setup_for_one(void **state)
{
    return setup_with_room(state, 1);
}

static int teardown(void **state)
{
    struct test_server *t = *state;
    http_server_free(http, 1000);
    pool_free(t->server->pool);
    router_free(router);
    return test_server_teardown(state);
}

/* ---- who polls ---- */

static struct str member_text(struct str json, const char *before)
{
    struct str text = STR_NONE, rest;
    ptrdiff_t at = str_find(json, str_c(before));
    assert_true(at >= 0);
    str_split(str_from(json, (size_t)at + strlen(before)), '"', &text, &rest);
    return text;
}

static void *poll_rounds(void *arg)
{
    struct poller *p = arg;
    char path[160], headers[64], wanted[32];
    struct client c = client_open(p->port);
    snprintf(headers, sizeof(headers), "Authorization: Bearer %td\r\n", p - pollers);
    for (int next = 0; next < p->rounds;) {
        snprintf(path, sizeof(path), "/_matrix/client/v3/sync?timeout=600000&since=%s", p->since);
        struct answer a = client_ask(&c, "GET", path, headers);
        assert_int_equal(a.status, 200);
        if (p->answered) {
            sem_post(p->answered);
        }
        struct str token = member_text(a.body, "\"next_batch\":\"");
        snprintf(p->since, sizeof(p->since), "%.*s", STR_ARG(token));
        while (snprintf(wanted, sizeof(wanted), "round %d;", next),
               next < p->rounds && str_find(a.body, str_c(wanted)) >= 0) {
            next++;
            sem_post(p->heard);
        }
        answer_release(&a);
    }
    client_close(&c);
    return NULL;
}

static void start_polling(struct test_server *t, struct poller *p, int rounds, sem_t *heard)
{
    struct sync_token token = {.position = store_position(t->server->store),
                               .serial = changes_volatile_serial(t->server)};
    struct str text = sync_token_format(t->server, &t->arena, token);
    snprintf(p->since, sizeof(p->since), "%.*s", STR_ARG(text));
    p->rounds = rounds;
    p->heard = heard;
    assert_int_equal(pthread_create(&p->thread, NULL, poll_rounds, p), 0);
}

static void wait_until_heard(sem_t *heard, int times, int round)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    for (int i = 0; i < times; i++) {
        while (sem_timedwait(heard, &until) != 0) {
            if (errno != EINTR) {
                fail_msg("round %d was not heard by all", round);
            }
        }
    }
}

/* ---- the tests ---- */

static void every_poller_hears_every_message_at_once(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    sem_t heard;
    sem_init(&heard, 0, 0);
    for (size_t i = 0; i < POLLERS; i++) {
        test_join(t, room, &pollers[i].user);
    }
    for (size_t i = 0; i < POLLERS; i++) {
        start_polling(t, &pollers[i], ROUNDS, &heard);
    }
    for (int round = 0; round < ROUNDS; round++) {
        char body[32];
        snprintf(body, sizeof(body), "round %d;", round);
        test_message(t, room, &alice, body);
        wait_until_heard(&heard, POLLERS, round);
    }
    for (size_t i = 0; i < POLLERS; i++) {
        pthread_join(pollers[i].thread, NULL);
    }
    sem_destroy(&heard);
}

static void invites_and_kicks_reach_whom_they_concern(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){.is_private = true});
    struct poller *p = &pollers[0];
    sem_t heard;
    sem_init(&heard, 0, 0);
    start_polling(t, p, ROUNDS, &heard);
    for (int round = 0; round < ROUNDS; round++) {
        const char *content =
            arena_printf(&t->arena, "{\"membership\":\"%s\",\"reason\":\"round %d;\"}",
                         round % 2 ? "leave" : "invite", round)
                .p;
        struct new_event ev = test_state_event(&alice, "m.room.member", p->user.id, content);
        test_send(t, room, &ev);
        wait_until_heard(&heard, 1, round);
    }
    pthread_join(p->thread, NULL);
    sem_destroy(&heard);
}

/* Who sends and does not read the answer: their next /sync tells them all the same, a little later. */
static void an_answer_that_is_never_read_holds_nothing_back_for_long(void **state)
{
    struct test_server *t = *state;
    struct poller *p = &pollers[0];
    struct room *room = test_room(t, &p->user, (struct test_room_options){0});
    struct arena unanswered;
    sem_t heard;
    sem_init(&heard, 0, 0);
    arena_init(&unanswered, 0);
    start_polling(t, p, 1, &heard);
    struct new_event ev = test_event(&p->user, "m.room.message", "{\"body\":\"round 0;\"}");
    assert_ok(room_send(t->server, &unanswered, room, &ev, NULL, &t->err), &t->err);
    wait_until_heard(&heard, 1, 0);
    pthread_join(p->thread, NULL);
    test_answered(t->server, &unanswered, p->user.device);
    arena_release(&unanswered);
    sem_destroy(&heard);
}

/* There is room for one to wait, and two ask: one is answered, with nothing. */
static void who_finds_no_room_to_wait_is_answered_at_once(void **state)
{
    struct test_server *t = *state;
    struct test_user alice = test_user(t, "alice");
    struct room *room = test_room(t, &alice, (struct test_room_options){0});
    sem_t heard, answered;
    sem_init(&heard, 0, 0);
    sem_init(&answered, 0, 0);
    for (size_t i = 0; i < 2; i++) {
        test_join(t, room, &pollers[i].user);
    }
    for (size_t i = 0; i < 2; i++) {
        pollers[i].answered = &answered;
        start_polling(t, &pollers[i], 1, &heard);
    }
    wait_until_heard(&answered, 1, 0);
    test_message(t, room, &alice, "round 0;");
    wait_until_heard(&heard, 2, 0);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(pollers[i].thread, NULL);
    }
    sem_destroy(&answered);
    sem_destroy(&heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_poller_hears_every_message_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(invites_and_kicks_reach_whom_they_concern, setup, teardown),
        cmocka_unit_test_setup_teardown(who_finds_no_room_to_wait_is_answered_at_once,
                                        setup_for_one, teardown),
        cmocka_unit_test_setup_teardown(an_answer_that_is_never_read_holds_nothing_back_for_long,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
