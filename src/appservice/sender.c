/* SPDX-License-Identifier: Apache-2.0 */
#include "appservice/sender.h"

#include <inttypes.h>

#include "appservice/appservice_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "core/appservices.h"
#include "core/server.h"
#include "net/metrics.h"
#include "store/appservices.h"

enum {
    SEND_MS = 60 * 1000, /* for an answer; bridges may have work to do first */
    FIRST_RETRY_MS = 1000,
    LAST_RETRY_MS = 5 * 60 * 1000,
    STUCK_MS = 1000, /* before another attempt to read or write the store */
    GATHER_MS = 5,   /* what happens in this time goes together */
    IDLE_MS = 60 * 1000,
    UNSTORED_MAX = 10000, /* positions that may have to be looked at again after a crash */
};

/* ---- metrics ---------------------------------------------------------------------------------- */

static double queue_length(void *arg)
{
    const struct line *l = arg;
    int64_t unseen = store_position(l->sender->server->store) - atomic_load(&l->looked_at);
    return (double)(atomic_load(&l->waiting) + MAX(unseen, 0));
}

static double queue_age(void *arg)
{
    const struct line *l = arg;
    int64_t since = atomic_load(&l->waiting_since_ts);
    return since ? (double)MAX(clock_wall_ms() - since, 0) / 1000 : 0;
}

static void update_metrics(struct line *l)
{
    atomic_store(&l->looked_at, l->position);
    atomic_store(&l->waiting, l->events);
    atomic_store(&l->waiting_since_ts, l->oldest_ts);
}

/* The id as a label: quotes and what else would end it become '_'. */
static void add_metrics(struct line *l)
{
    char labels[300];
    (void)snprintf(labels, sizeof(labels), "appservice=\"%s\"", l->id);
    for (char *p = labels + strlen("appservice=\""); *p && p[1]; p++) {
        *p = *p == '"' || *p == '\\' || (unsigned char)*p < ' ' ? '_' : *p;
    }
    metrics_gauge_fn("ingot_appservice_queue_length", labels,
                     "Events in the transaction under way, and positions not yet looked at",
                     queue_length, l);
    metrics_gauge_fn("ingot_appservice_queue_seconds", labels,
                     "Age of the oldest event of the transaction under way", queue_age, l);
}

/* ---- lines ------------------------------------------------------------------------------------ */

static struct line *line_new(struct appservice_sender *s, const struct appservice *as)
{
    struct line *l = xcalloc(1, sizeof(*l));
    l->sender = s;
    l->as = as;
    l->id = xmalloc(as->id.n + 1);
    (void)snprintf(l->id, as->id.n + 1, "%.*s", STR_ARG(as->id));
    interest_init(&l->interest, s->server, as);
    l->position = l->stored_position = l->ephemeral_position = store_position(s->server->store);
    l->serial = changes_volatile_serial(s->server);
    list_push_back(&s->lines, &l->in_sender);
    atomic_fetch_add(&s->n_lines, 1);
    add_metrics(l);
    return l;
}

static void line_free(struct line *l)
{
    bug_on(l->call);
    metrics_remove_fn(l);
    list_remove(&l->in_sender);
    atomic_fetch_sub(&l->sender->n_lines, 1);
    interest_release(&l->interest);
    buf_release(&l->body);
    free(l->id);
    free(l);
}

static void take_row(struct line *l, const struct appservice_queue *row)
{
    l->position = l->stored_position = row->position;
    l->txn_id = row->txn_id;
    l->events = row->events;
    l->oldest_ts = row->oldest_ts;
    if (row->body.n) {
        l->body = BUF_INIT(row->body.n);
        buf_add(&l->body, row->body);
    }
    update_metrics(l);
}

static int delete_queue(struct txn *t, void *arg)
{
    const struct str *id = arg;
    return appservice_queues_delete(t, *id, txn_err(t));
}

/* ---- sending ---------------------------------------------------------------------------------- */

static void on_answer(struct appservice_call *c)
{
    struct line *l = c->arg;
    struct appservice_sender *s = l->sender;
    lock_take(&s->lock);
    vec_push(&s->done, c);
    s->in_flight--;
    cond_broadcast(&s->changed);
    lock_release(&s->lock);
}

static void send_transaction(struct line *l)
{
    struct appservice_sender *s = l->sender;
    struct appservice_call *c = l->call = appservice_call_new(l->as);
    c->method = "PUT";
    c->path = arena_printf(&c->arena, "/transactions/%" PRId64, l->txn_id);
    c->body = buf_str(&l->body);
    c->timeout_ms = SEND_MS;
    c->done = on_answer;
    c->arg = l;
    lock_take(&s->lock);
    s->in_flight++;
    lock_release(&s->lock);
    appservice_call_submit(s->server->http_client, c);
}

static void delivered(struct line *l)
{
    if (l->attempts > 0) {
        log_info("application service takes events again", LOG_CSTR("appservice", l->id),
                 LOG_INT("failed_attempts", l->attempts));
    }
    l->attempts = 0;
    l->events = l->oldest_ts = 0;
    l->is_acknowledged = true;
    buf_release(&l->body);
}

static void failed(struct line *l, const struct appservice_call *c)
{
    int64_t wait = (int64_t)FIRST_RETRY_MS << MIN(l->attempts, 20);
    wait = MIN(wait, LAST_RETRY_MS);
    l->attempts++;
    l->due_ms = clock_mono_ms() + wait + (int64_t)rand_below((uint64_t)wait / 8 + 1);
    log_warn("application service does not take events", LOG_CSTR("appservice", l->id),
             LOG_STR("url", l->as->url), LOG_INT("status", c->fetch.status),
             LOG_CSTR("reason", c->fetch.err.message), LOG_CSTR("detail", c->fetch.err.detail),
             LOG_INT("attempt", l->attempts), LOG_INT("retry_ms", wait));
}

/* What an application service answers with 200 is accepted, whatever it says besides. */
static void take_answer(struct appservice_sender *s, struct appservice_call *c)
{
    struct line *l = c->arg;
    l->call = NULL;
    if (appservice_call_outcome(c) == APPSERVICE_OK) {
        delivered(l);
    } else if (!s->is_ending) { /* else it is not its fault */
        failed(l, c);
    }
    appservice_call_free(c);
    if (l->is_removed) {
        line_free(l);
    }
}

static void report_stuck(struct line *l, const struct err *err)
{
    log_warn("application service: events cannot be read or stored", LOG_CSTR("appservice", l->id),
             LOG_CSTR("reason", err->message), LOG_CSTR("detail", err->detail));
    l->due_ms = clock_mono_ms() + STUCK_MS;
}

/* Whatever can be done for the line now. */
static void line_continue(struct line *l)
{
    struct err err = {0};
    int rc = 0;
    if (l->call || l->is_removed || l->due_ms > clock_mono_ms()) {
        return;
    }
    if (l->body.n == 0) {
        rc = transaction_form(l, &err);
    }
    bool is_unstored = l->is_acknowledged || l->position - l->stored_position > UNSTORED_MAX;
    if (rc == 0 && l->body.n > 0) {
        send_transaction(l);
    } else if (rc == 0 && is_unstored && !l->has_more) {
        rc = transaction_store(l, &err);
    }
    if (rc != 0) {
        report_stuck(l, &err);
    }
    update_metrics(l);
}

/* ---- registrations ---------------------------------------------------------------------------- */

static struct line *find_line(struct appservice_sender *s, struct str id)
{
    list_for_each (it, &s->lines) {
        struct line *l = container_of(it, struct line, in_sender);
        if (!l->is_removed && str_eq(str_c(l->id), id)) {
            return l;
        }
    }
    return NULL;
}

static bool is_wanted(const struct appservice_set *set, struct str id)
{
    const struct appservice *as = appservice_set_by_id(set, id);
    return as && as->url.n > 0;
}

/* Namespaces and URL may be others now. */
static void renew_line(struct line *l, const struct appservice *as)
{
    interest_release(&l->interest);
    interest_init(&l->interest, l->sender->server, as);
    l->as = as;
    l->due_ms = 0;
}

static void drop_unwanted(struct appservice_sender *s, const struct appservice_set *set)
{
    for (struct list_node *it = s->lines.head.next, *next; it != &s->lines.head; it = next) {
        struct line *l = container_of(it, struct line, in_sender);
        next = it->next;
        if (!is_wanted(set, str_c(l->id))) {
            log_info("application service gets no events any more", LOG_CSTR("appservice", l->id));
            l->is_removed = true;
        }
        if (l->is_removed && !l->call) {
            line_free(l);
        }
    }
}

static int drop_queues(struct appservice_sender *s, const struct appservice_set *set,
                       const struct appservice_queue *rows, size_t n, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct str id = rows[i].appservice;
        if (!is_wanted(set, id)) {
            rc = store_write(s->server->store, "appservice-queue-delete", delete_queue, &id, err);
        }
    }
    return rc;
}

/* A new line goes on where its queue is; without one it begins now, and that is stored at once: what happens from here
 * on is not lost by a crash. */
static int add_line(struct appservice_sender *s, const struct appservice *as,
                    const struct appservice_queue *rows, size_t n, struct err *err)
{
    struct line *l = line_new(s, as);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(rows[i].appservice, as->id)) {
            take_row(l, &rows[i]);
            return 0;
        }
    }
    update_metrics(l);
    return transaction_store(l, err);
}

static int take_registrations(struct appservice_sender *s, struct err *err)
{
    const struct appservice_set *set = appservices_now(s->server);
    struct appservice_queue *rows = NULL;
    struct arena a;
    size_t n = 0;
    arena_init(&a, 0);
    drop_unwanted(s, set);
    int rc = appservice_queues_list(store_reader(s->server->store), &a, &rows, &n, err);
    rc = rc ? rc : drop_queues(s, set, rows, n, err);
    for (size_t i = 0; rc == 0 && i < set->n; i++) {
        struct line *l = find_line(s, set->p[i].id);
        if (l) {
            renew_line(l, &set->p[i]);
        } else if (set->p[i].url.n > 0) {
            rc = add_line(s, &set->p[i], rows, n, err);
        }
    }
    arena_release(&a);
    return rc;
}

static void reload(struct appservice_sender *s)
{
    struct err err = {0};
    if (take_registrations(s, &err) != 0) {
        log_error("queues of application services cannot be read or stored",
                  LOG_CSTR("reason", err.message), LOG_CSTR("detail", err.detail));
    }
}

/* ---- the thread ------------------------------------------------------------------------------- */

static void wake(void *arg)
{
    struct appservice_sender *s = arg;
    if (atomic_load(&s->n_lines) == 0) {
        return;
    }
    lock_take(&s->lock);
    if (!s->is_woken) {
        s->is_woken = true;
        cond_broadcast(&s->changed);
    }
    lock_release(&s->lock);
}

static void on_change(void *arg, enum appservices_change change, struct str id)
{
    struct appservice_sender *s = arg;
    lock_take(&s->lock);
    if (change == APPSERVICES_RELOADED) {
        s->is_reloaded = true;
    } else {
        char *copy = xmalloc(id.n + 1);
        (void)snprintf(copy, id.n + 1, "%.*s", STR_ARG(id));
        vec_push(&s->reached, copy);
    }
    s->is_woken = true;
    cond_broadcast(&s->changed);
    lock_release(&s->lock);
}

/* Milliseconds until some line has something to do. */
static int64_t next_due(struct appservice_sender *s)
{
    int64_t now = clock_mono_ms(), wait = IDLE_MS;
    list_for_each (it, &s->lines) {
        const struct line *l = container_of(it, struct line, in_sender);
        if (!l->call && (l->body.n > 0 || l->has_more || l->due_ms > now)) {
            wait = MIN(wait, l->due_ms - now);
        }
    }
    return MAX(wait, 0);
}

/* What others have put down for the thread. */
struct work {
    VEC(struct appservice_call *) done;
    VEC(char *) reached;
    bool is_reloaded;
};

static void take_work(struct appservice_sender *s, struct work *w)
{
    vec_for_each (c, &s->done) {
        vec_push(&w->done, *c);
    }
    vec_for_each (id, &s->reached) {
        vec_push(&w->reached, *id);
    }
    vec_clear(&s->done);
    vec_clear(&s->reached);
    w->is_reloaded = s->is_reloaded;
    s->is_woken = s->is_reloaded = false;
}

/* False when it is time to stop. */
static bool wait_for_work(struct appservice_sender *s, struct work *w)
{
    int64_t wait = next_due(s);
    lock_take(&s->lock);
    if (wait > 0 && !s->is_stopping && !s->is_woken && s->done.n == 0) {
        (void)cond_wait_ms(&s->changed, &s->lock, wait);
    }
    if (!s->is_stopping && s->is_woken && s->done.n == 0) {
        (void)cond_wait_ms(&s->changed, &s->lock, GATHER_MS);
    }
    take_work(s, w);
    bool go_on = !s->is_stopping;
    lock_release(&s->lock);
    return go_on;
}

static void do_work(struct appservice_sender *s, struct work *w)
{
    vec_for_each (c, &w->done) {
        take_answer(s, *c);
    }
    if (w->is_reloaded) {
        reload(s);
    }
    vec_for_each (id, &w->reached) {
        struct line *l = find_line(s, str_c(*id));
        if (l) {
            l->due_ms = 0;
        }
        free(*id);
    }
    vec_clear(&w->done);
    vec_clear(&w->reached);
}

/* The HTTP client has been stopped, so these end soon. */
static void await_answers(struct appservice_sender *s, struct work *w)
{
    lock_take(&s->lock);
    while (s->in_flight > 0) {
        cond_wait(&s->changed, &s->lock);
    }
    take_work(s, w);
    w->is_reloaded = false;
    lock_release(&s->lock);
}

static void store_all(struct appservice_sender *s)
{
    struct err err = {0};
    list_for_each (it, &s->lines) {
        struct line *l = container_of(it, struct line, in_sender);
        bool is_unstored = l->is_acknowledged || l->position != l->stored_position;
        if (is_unstored && !l->is_removed && transaction_store(l, &err) != 0) {
            report_stuck(l, &err);
        }
    }
}

static void *run(void *arg)
{
    struct appservice_sender *s = arg;
    struct work work = {.is_reloaded = false};
    while (wait_for_work(s, &work)) {
        do_work(s, &work);
        list_for_each (it, &s->lines) {
            line_continue(container_of(it, struct line, in_sender));
        }
    }
    s->is_ending = true;
    do_work(s, &work);
    await_answers(s, &work);
    do_work(s, &work);
    store_all(s);
    vec_release(&work.done);
    vec_release(&work.reached);
    return NULL;
}

/* ---- interface -------------------------------------------------------------------------------- */

int appservice_sender_start(struct server *server, struct appservice_sender **out, struct err *err)
{
    struct appservice_sender *s = xcalloc(1, sizeof(*s));
    s->server = server;
    lock_init(&s->lock, RANK_POOL, "appservice sender");
    cond_init(&s->changed);
    list_init(&s->lines);
    int rc = take_registrations(s, err);
    if (rc != 0) {
        appservice_sender_free(s);
        return rc;
    }
    s->watcher = (struct changes_watcher){.wake = wake, .arg = s, .wants_volatile = true};
    changes_watch(server, &s->watcher);
    appservices_watch(server, on_change, s);
    bug_on(pthread_create(&s->thread, NULL, run, s) != 0);
    *out = s;
    return 0;
}

void appservice_sender_stop(struct appservice_sender *s)
{
    if (!s) {
        return;
    }
    appservices_watch(s->server, NULL, NULL);
    changes_unwatch(s->server, &s->watcher);
    lock_take(&s->lock);
    s->is_stopping = true;
    cond_broadcast(&s->changed);
    lock_release(&s->lock);
    pthread_join(s->thread, NULL);
}

void appservice_sender_free(struct appservice_sender *s)
{
    if (!s) {
        return;
    }
    while (!list_is_empty(&s->lines)) {
        line_free(container_of(s->lines.head.next, struct line, in_sender));
    }
    vec_release(&s->done);
    vec_for_each (id, &s->reached) {
        free(*id);
    }
    vec_release(&s->reached);
    cond_destroy(&s->changed);
    lock_destroy(&s->lock);
    free(s);
}
