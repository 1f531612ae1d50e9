/* SPDX-License-Identifier: Apache-2.0 */
#include "net/parking.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "net/acceptor.h"
#include "net/stragglers.h"

enum {
    EVENTS = 128,
    CHUNK = 65536, /* of a file, where sendfile cannot be used */
};

/* Epoll events name a slot and its generation, not a pointer: an event may be under way for an exchange that
 * has just been answered and freed. */
struct slot {
    struct exchange *ex; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* index + 1 */
};

struct parking {
    struct http_server *server;
    struct lock lock;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool stopping, ending;
    VEC(struct slot) slots;
    uint32_t first_free;         /* index + 1; 0: none */
    VEC(struct exchange *) heap; /* by deadline, soonest first */
    struct list parked;
    size_t n_parked;
};

/* --- heap of deadlines; under the lock --- */

static void heap_put(struct parking *p, size_t at, struct exchange *ex)
{
    p->heap.p[at] = ex;
    ex->park.heap_at = at + 1;
}

static void heap_up(struct parking *p, size_t at, struct exchange *ex)
{
    while (at > 0 && p->heap.p[(at - 1) / 2]->park.deadline > ex->park.deadline) {
        heap_put(p, at, p->heap.p[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(p, at, ex);
}

static void heap_down(struct parking *p, size_t at, struct exchange *ex)
{
    for (size_t child; (child = 2 * at + 1) < p->heap.n; at = child) {
        struct exchange **c = &p->heap.p[child];
        if (child + 1 < p->heap.n && c[1]->park.deadline < c[0]->park.deadline) {
            child++;
        }
        if (p->heap.p[child]->park.deadline >= ex->park.deadline) {
            break;
        }
        heap_put(p, at, p->heap.p[child]);
    }
    heap_put(p, at, ex);
}

static void heap_add(struct parking *p, struct exchange *ex)
{
    if (ex->park.deadline == INT64_MAX) {
        return;
    }
    vec_push(&p->heap, ex);
    heap_up(p, p->heap.n - 1, ex);
}

static void heap_remove(struct parking *p, struct exchange *ex)
{
    if (ex->park.heap_at == 0) {
        return;
    }
    size_t at = ex->park.heap_at - 1;
    struct exchange *last = p->heap.p[--p->heap.n];
    ex->park.heap_at = 0;
    if (last == ex) {
        return;
    }
    if (at > 0 && p->heap.p[(at - 1) / 2]->park.deadline > last->park.deadline) {
        heap_up(p, at, last);
    } else {
        heap_down(p, at, last);
    }
}

/* --- slots and epoll; under the lock --- */

static uint32_t slot_take(struct parking *p)
{
    if (p->first_free == 0) {
        vec_push(&p->slots, (struct slot){0});
        return (uint32_t)p->slots.n - 1;
    }
    uint32_t i = p->first_free - 1;
    p->first_free = p->slots.p[i].next_free;
    return i;
}

static void watch(struct parking *p, struct exchange *ex, uint32_t events)
{
    if (ex->park.fd < 0) {
        return;
    }
    uint32_t i = slot_take(p);
    struct slot *s = &p->slots.p[i];
    s->ex = ex;
    s->generation++;
    ex->park.slot = i + 1;
    struct epoll_event e = {.events = events, .data.u64 = (uint64_t)s->generation << 32 | i};
    bug_on(epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, ex->park.fd, &e) != 0);
}

static void unwatch(struct parking *p, struct exchange *ex)
{
    if (ex->park.slot == 0) {
        return;
    }
    uint32_t i = (uint32_t)ex->park.slot - 1;
    epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, ex->park.fd, NULL);
    p->slots.p[i].ex = NULL;
    p->slots.p[i].next_free = p->first_free;
    p->first_free = i + 1;
    ex->park.slot = 0;
}

static struct exchange *slot_find(struct parking *p, uint64_t event)
{
    const struct slot *s = &p->slots.p[(uint32_t)event];
    return s->generation == event >> 32 ? s->ex : NULL;
}

/* Takes it out of heap and epoll set. */
static void withdraw(struct parking *p, struct exchange *ex)
{
    heap_remove(p, ex);
    unwatch(p, ex);
    if (ex->park.state == PARK_PARKED) {
        list_remove(&ex->park.in_list);
        p->n_parked--;
    }
}

static void poke(struct parking *p)
{
    eventfd_write(p->wake_fd, 1);
}

/* --- parking and waking --- */

/* Strings that must survive the arena, in one heap block. */
static void keep_strings(struct exchange *ex)
{
    struct request *rq = &ex->rq;
    struct str *const strings[] = {&rq->who.user_id, &rq->who.device_id, &rq->who.token_hash,
                                   &rq->who.server_name, &rq->remote};
    size_t n = 0;
    if (ex->park.kept) { /* they lie there since it parked before */
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
        n += strings[i]->n;
    }
    char *p = ex->park.kept = xmalloc(n + 1);
    for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
        if (strings[i]->n) {
            memcpy(p, strings[i]->p, strings[i]->n);
            strings[i]->p = p;
            p += strings[i]->n;
        }
    }
}

void request_park(struct request *rq, int64_t deadline_mono_ms, request_fn *resume)
{
    struct exchange *ex = exchange_of(rq);
    ex->park.deadline = deadline_mono_ms;
    ex->park.resume = resume;
}

void request_keep(struct request *rq)
{
    struct exchange *ex = exchange_of(rq);
    struct parked *k = &ex->park;
    size_t at = 0, room = ex->query.n + rq->body.n;
    if (k->asked.p) { /* a replay: its parameters lie there */
        return;
    }
    for (size_t i = 0; i < HTTP_PARAMS_MAX; i++) {
        room += rq->params[i].n;
    }
    /* All of it first, since a buffer that grows moves. */
    k->asked = BUF_INIT(room + 1);
    for (size_t i = 0; i < HTTP_PARAMS_MAX; i++) {
        buf_add(&k->asked, rq->params[i]);
    }
    buf_add(&k->asked, ex->query);
    buf_add(&k->asked, rq->body);
    for (size_t i = 0; i < HTTP_PARAMS_MAX; at += rq->params[i++].n) {
        k->asked_params[i] = rq->params[i].p ? str_n(k->asked.p + at, rq->params[i].n) : STR_NONE;
    }
    k->asked_query = str_n(k->asked.p + at, ex->query.n);
    k->asked_body = str_n(k->asked.p + at + ex->query.n, rq->body.n);
}

static void submit(struct exchange *ex)
{
    pool_submit(ex->server->config.pool, ex->rq.route->lane, &ex->job);
}

/* Why it should not be parked now, if so. Under the lock. */
static enum woken_by reason_to_run(const struct parking *p, const struct exchange *ex)
{
    if (ex->park.pending != WOKEN_NOT) {
        return ex->park.pending;
    }
    if (p->stopping) {
        return WOKEN_SHUTDOWN;
    }
    return p->n_parked >= p->server->config.max_parked ? WOKEN_DEADLINE : WOKEN_NOT;
}

static void run_again(struct exchange *ex, enum woken_by by)
{
    ex->park.state = PARK_RUNNING;
    ex->park.pending = WOKEN_NOT;
    ex->rq.woken_by = by;
    ex->started_us = clock_mono_us(); /* the wait is no latency of ours */
}

bool parking_begin(struct exchange *ex)
{
    struct parking *p = ex->server->parking;
    bug_on(!ex->park.resume);
    bug_on(ex->rq.woken_by == WOKEN_SHUTDOWN || ex->rq.woken_by == WOKEN_GONE); /* told to end */
    keep_strings(ex);
    exchange_release_run(ex);
    lock_take(&p->lock);
    enum woken_by by = reason_to_run(p, ex);
    if (by != WOKEN_NOT) {
        run_again(ex, by);
    } else {
        ex->park.state = PARK_LEAVING;
    }
    lock_release(&p->lock);
    if (by != WOKEN_NOT) {
        return true;
    }
    if (ex->conn && !ex->listener->cert) {
        http_conn_resume(ex, STAGE_DETACH);
    } else {
        parking_commit(ex);
    }
    return false;
}

/* A socket that could not be duplicated, or that libmicrohttpd found closed. */
static bool is_gone(const struct exchange *ex)
{
    return !ex->conn && ex->park.fd < 0;
}

void parking_commit(struct exchange *ex)
{
    struct parking *p = ex->server->parking;
    lock_take(&p->lock);
    enum woken_by by = is_gone(ex) ? WOKEN_GONE : reason_to_run(p, ex);
    if (by != WOKEN_NOT) {
        run_again(ex, by);
        lock_release(&p->lock);
        submit(ex);
        return;
    }
    ex->park.state = PARK_PARKED;
    list_push_back(&p->parked, &ex->park.in_list);
    p->n_parked++;
    watch(p, ex, EPOLLRDHUP);
    heap_add(p, ex);
    bool is_next = ex->park.heap_at == 1;
    lock_release(&p->lock);
    if (is_next) {
        poke(p);
    }
}

/* Under the lock; true: the caller submits it after releasing the lock. */
static bool wake(struct parking *p, struct exchange *ex, enum woken_by by)
{
    if (ex->park.state == PARK_PARKED) {
        withdraw(p, ex);
        run_again(ex, by);
        return true;
    }
    bool is_running = ex->park.state == PARK_RUNNING || ex->park.state == PARK_LEAVING;
    if (is_running && ex->park.pending == WOKEN_NOT) {
        ex->park.pending = by;
    }
    return false;
}

void request_wake(struct request *rq)
{
    struct exchange *ex = exchange_of(rq);
    struct parking *p = ex->server->parking;
    lock_take(&p->lock);
    bool run = wake(p, ex, WOKEN_WAKE);
    lock_release(&p->lock);
    if (run) {
        submit(ex);
    }
}

/* --- sending the reply of a detached exchange --- */

enum progress { SEND_DONE, SEND_BLOCKED, SEND_FAILED };

static enum progress after_error(void)
{
    return errno == EAGAIN || errno == EINTR ? SEND_BLOCKED : SEND_FAILED;
}

/* Head and bytes in one packet where they fit. */
static enum progress send_bytes(struct exchange *ex)
{
    struct parked *k = &ex->park;
    size_t body = ex->is_head || ex->reply.kind == REPLY_FILE ? 0 : ex->reply.n;
    while (k->head_sent < k->head.n || k->body_sent < body) {
        struct iovec io[] = {{k->head.p + k->head_sent, k->head.n - k->head_sent},
                             {ex->reply.p + k->body_sent, body - k->body_sent}};
        struct msghdr m = {.msg_iov = io, .msg_iovlen = 2};
        ssize_t n = sendmsg(k->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            return after_error();
        }
        size_t of_head = MIN((size_t)n, io[0].iov_len);
        k->head_sent += of_head;
        k->body_sent += (size_t)n - of_head;
    }
    return SEND_DONE;
}

/* Not sendfile: that raises SIGPIPE, and a file in answer to a long poll is rare. */
static enum progress send_file(struct exchange *ex)
{
    char chunk[CHUNK];
    struct parked *k = &ex->park;
    while (!ex->is_head && k->body_sent < ex->reply.size) {
        size_t want = MIN(ex->reply.size - k->body_sent, sizeof(chunk));
        ssize_t got = pread(ex->reply.fd, chunk, want, (off_t)(ex->reply.offset + k->body_sent));
        if (got <= 0) {
            return SEND_FAILED;
        }
        ssize_t n = send(k->fd, chunk, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            return after_error();
        }
        k->body_sent += (size_t)n;
    }
    return SEND_DONE;
}

static enum progress send_some(struct exchange *ex)
{
    enum progress done = send_bytes(ex);
    return done == SEND_DONE && ex->reply.kind == REPLY_FILE ? send_file(ex) : done;
}

/* It counts as a connection of its address although libmicrohttpd does not know it now. */
static void uncount(const struct exchange *ex)
{
    struct address a;
    if (ex->park.fd < 0) {
        return;
    }
    atomic_fetch_sub(&ex->server->detached, 1);
    if (address_from_sockaddr((const struct sockaddr *)&ex->peer, &a)) {
        http_conn_count_address(ex->server, &a, -1);
    }
}

/* The reply is out (or cannot be sent): the socket goes back to libmicrohttpd for the next request. */
static void finish(struct exchange *ex, bool keep)
{
    struct http_server *s = ex->server;
    int fd = ex->park.fd;
    bool sending = ex->is_sending;
    uncount(ex);
    ex->park.fd = -1;
    buf_release(&ex->park.head);
    exchange_release_run(ex);
    if (keep) {
        acceptor_hand_over(ex->listener, fd, (struct sockaddr *)&ex->peer, ex->peer_n);
    } else if (fd >= 0) {
        close(fd);
    }
    request_unref(&ex->rq);
    if (sending) {
        http_server_sending_ends(s);
    } else {
        http_server_work_ends(s);
    }
}

static void set_state(struct parking *p, struct exchange *ex, enum park_state state)
{
    lock_take(&p->lock);
    ex->park.state = state;
    lock_release(&p->lock);
}

static bool may_keep(const struct exchange *ex)
{
    return ex->keep_alive && !atomic_load(&ex->server->stopping);
}

/* What the socket has taken of the answer. */
static uint64_t sent(const struct exchange *ex)
{
    return ex->park.head_sent + ex->park.body_sent;
}

/* Begins to judge whether the answer is taken fast enough; gives when to look. */
static int64_t begin_judging(struct exchange *ex)
{
    int64_t now = clock_mono_ms();
    struct min_rate_rule rule = stragglers_rule(ex->server);
    ex->park.rate = xmalloc(sizeof(*ex->park.rate));
    min_rate_begin(ex->park.rate, now, sent(ex));
    return now + min_rate_interval(&rule);
}

void parking_send(struct exchange *ex)
{
    struct parking *p = ex->server->parking;
    set_state(p, ex, PARK_DONE);
    if (ex->rq.woken_by == WOKEN_GONE) {
        finish(ex, false);
        return;
    }
    ex->park.head = BUF_INIT(1 << 20);
    reply_head(ex, may_keep(ex), &ex->park.head);
    exchange_release_work(ex);
    enum progress done = send_some(ex);
    if (done != SEND_BLOCKED) {
        finish(ex, done == SEND_DONE && may_keep(ex));
        return;
    }
    struct http_server *s = ex->server;
    int64_t look_at = begin_judging(ex);
    ex->is_sending = true;
    http_server_sending_begins(s);
    lock_take(&p->lock);
    ex->park.state = PARK_SENDING;
    ex->park.deadline = look_at;
    watch(p, ex, EPOLLOUT);
    heap_add(p, ex);
    lock_release(&p->lock);
    poke(p);
    http_server_work_ends(s);
}

/* --- the thread --- */

static void keep_sending(struct parking *p, struct exchange *ex)
{
    enum progress done = send_some(ex);
    if (done == SEND_BLOCKED) {
        return;
    }
    lock_take(&p->lock);
    withdraw(p, ex);
    ex->park.state = PARK_DONE;
    lock_release(&p->lock);
    finish(ex, done == SEND_DONE && may_keep(ex));
}

/* Whether a receiver may go on; then it is looked at again later. Under the lock, in the thread that also sends. */
static bool is_fast_enough(struct parking *p, struct exchange *ex, const struct min_rate_rule *rule)
{
    int64_t now = clock_mono_ms();
    if (!min_rate_is_met(ex->park.rate, rule, now, sent(ex))) {
        return false;
    }
    heap_remove(p, ex);
    ex->park.deadline = now + min_rate_interval(rule);
    heap_add(p, ex);
    return true;
}

static void on_event(struct parking *p, uint64_t event)
{
    lock_take(&p->lock);
    struct exchange *ex = slot_find(p, event);
    bool sending = ex && ex->park.state == PARK_SENDING;
    bool run = ex && wake(p, ex, WOKEN_GONE);
    lock_release(&p->lock);
    if (run) {
        submit(ex);
    } else if (sending) {
        keep_sending(p, ex);
    }
}

enum due { DUE_NOTHING, DUE_TO_RUN, DUE_TO_CUT, DUE_LATER };

/* What is to be done with the next exchange whose time is up, if any. */
static enum due take_due(struct parking *p, const struct min_rate_rule *rule,
                         struct exchange **out_ex)
{
    enum due due = DUE_NOTHING;
    lock_take(&p->lock);
    struct exchange *ex = p->heap.n ? p->heap.p[0] : NULL;
    if (ex && ex->park.deadline <= clock_mono_ms()) {
        due = wake(p, ex, WOKEN_DEADLINE)   ? DUE_TO_RUN
              : is_fast_enough(p, ex, rule) ? DUE_LATER
                                            : DUE_TO_CUT;
        if (due == DUE_TO_CUT) {
            withdraw(p, ex);
            ex->park.state = PARK_DONE;
        }
    }
    lock_release(&p->lock);
    *out_ex = ex;
    return due;
}

static void serve_deadlines(struct parking *p)
{
    struct exchange *ex;
    enum due due;
    const struct min_rate_rule rule = stragglers_rule(p->server);
    while ((due = take_due(p, &rule, &ex)) != DUE_NOTHING) {
        if (due == DUE_TO_RUN) {
            submit(ex);
        } else if (due == DUE_TO_CUT) {
            metric_add(p->server->stragglers.cut, 1);
            finish(ex, false);
        }
    }
}

static int time_to_next(struct parking *p)
{
    int64_t ms = INT32_MAX;
    lock_take(&p->lock);
    if (p->heap.n) {
        ms = p->heap.p[0]->park.deadline - clock_mono_ms();
    }
    lock_release(&p->lock);
    return (int)MIN(MAX(ms, 0), stragglers_due(p->server));
}

static bool is_ending(struct parking *p)
{
    lock_take(&p->lock);
    bool ending = p->ending;
    lock_release(&p->lock);
    return ending;
}

static void *parking_main(void *arg)
{
    struct parking *p = arg;
    struct epoll_event events[EVENTS];
    while (!is_ending(p)) {
        int n = epoll_wait(p->epoll_fd, events, EVENTS, time_to_next(p));
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == UINT64_MAX) {
                eventfd_t count;
                eventfd_read(p->wake_fd, &count);
            } else {
                on_event(p, events[i].data.u64);
            }
        }
        serve_deadlines(p);
        stragglers_look(p->server);
    }
    return NULL;
}

struct parking *parking_new(struct http_server *s)
{
    struct parking *p = xcalloc(1, sizeof(*p));
    p->server = s;
    list_init(&p->parked);
    lock_init(&p->lock, RANK_NET, "parking");
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bug_on(p->epoll_fd < 0 || p->wake_fd < 0);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    bug_on(epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->wake_fd, &e) != 0);
    bug_on(pthread_create(&p->thread, NULL, parking_main, p) != 0);
    return p;
}

size_t parking_count(struct parking *p)
{
    lock_take(&p->lock);
    size_t n = p->n_parked;
    lock_release(&p->lock);
    return n;
}

void parking_stop(struct parking *p)
{
    struct list ready;
    list_init(&ready);
    lock_take(&p->lock);
    p->stopping = true;
    while (!list_is_empty(&p->parked)) {
        struct exchange *ex = container_of(p->parked.head.next, struct exchange, park.in_list);
        wake(p, ex, WOKEN_SHUTDOWN);
        list_push_back(&ready, &ex->park.in_list);
    }
    lock_release(&p->lock); /* the lock of the pool ranks lower */
    for (struct list_node *n; (n = list_pop_front(&ready));) {
        submit(container_of(n, struct exchange, park.in_list));
    }
}

void parking_free(struct parking *p)
{
    lock_take(&p->lock);
    p->ending = true;
    lock_release(&p->lock);
    poke(p);
    pthread_join(p->thread, NULL);
    while (p->heap.n) { /* replies whose receivers did not take them in time */
        struct exchange *ex = p->heap.p[0];
        withdraw(p, ex);
        finish(ex, false);
    }
    close(p->epoll_fd);
    close(p->wake_fd);
    vec_release(&p->slots);
    vec_release(&p->heap);
    lock_destroy(&p->lock);
    free(p);
}
