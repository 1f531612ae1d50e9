/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "core/live_user.h"
#include "core/unread.h"
#include "push/notification.h"
#include "wire/json_writer.h"

enum {
    QUEUE_MAX = 100, /* of what waits for a gateway that does not answer only the newest is kept */
    FIRST_RETRY_MS = 1000,
    LAST_RETRY_MS = 60 * 60 * 1000,
    ANSWER_MAX = 64 * 1024,
};

int64_t pusher_backoff(unsigned attempts)
{
    unsigned doublings = MIN(attempts ? attempts - 1 : 0, 16);
    return MIN((int64_t)FIRST_RETRY_MS << doublings, (int64_t)LAST_RETRY_MS);
}

unsigned pusher_attempts_in(int64_t ms)
{
    unsigned attempts = 0;
    for (int64_t next; ms > 0; ms -= next) {
        next = pusher_backoff(++attempts);
        if (next == LAST_RETRY_MS) {
            break; /* from here on they are all alike */
        }
    }
    return attempts;
}

/* ---- loading --------------------------------------------------------------------------------------- */

static void pusher_free(struct pusher *x)
{
    if (x->delivery) {
        x->delivery->pusher = NULL;
    }
    list_remove(&x->in_user);
    list_remove(&x->in_retry);
    list_remove(&x->in_changed);
    vec_release(&x->queue);
    arena_release(&x->arena);
    free(x);
}

static void copy_row(struct pusher *x, const struct pusher_row *row)
{
    struct arena *a = &x->arena;
    x->row = *row;
    x->row.app_id = arena_str(a, row->app_id);
    x->row.pushkey = arena_str(a, row->pushkey);
    x->row.data = arena_str(a, row->data);
    x->row.kind = x->row.app_display_name = x->row.device_display_name = STR_NONE;
    x->row.profile_tag = x->row.lang = STR_NONE;
}

/* "data … minus the url key" */
static int read_data(struct pusher *x, struct err *err)
{
    json_t *data, *kept;
    struct str format;
    struct arena *outer = json_arena_enter(&x->arena);
    int rc = json_parse(&x->arena, x->row.data, JPARSE_REALS, &data, err);
    if (rc == 0) {
        json_get_str(data, "url", &x->url);
        x->is_id_only =
            json_get_str(data, "format", &format) && str_eq(format, STR("event_id_only"));
        kept = json_object();
        for (struct json_iter it = json_iter(data); json_next(&it);) {
            if (!str_eq(it.key, STR("url"))) {
                json_put(kept, it.key, json_incref((json_t *)it.value));
            }
        }
        x->data = json_encode(&x->arena, kept);
    }
    json_arena_leave(outer);
    return rc;
}

static int pusher_new(const struct pusher_row *row, struct push_user *u, struct err *err)
{
    struct pusher *x = xcalloc(1, sizeof(*x));
    arena_init(&x->arena, 0);
    copy_row(x, row);
    x->user = u;
    x->is_email = str_eq(row->kind, STR("email"));
    x->seen = x->position = row->pushed_position;
    x->failing_since = row->failing_since_ts;
    x->attempts = x->failing_since ? pusher_attempts_in(clock_wall_ms() - x->failing_since) : 0;
    int rc = read_data(x, err);
    if (rc != 0) {
        pusher_free(x);
        return rc;
    }
    list_push_back(&u->pushers, &x->in_user);
    return 0;
}

static struct push_user *user_at(struct push *p, uint64_t nid)
{
    bool is_new;
    union map_val *v = imap_at(&p->users, nid, &is_new);
    if (is_new) {
        struct push_user *u = xcalloc(1, sizeof(*u));
        u->nid = nid;
        u->must_recount = true;
        list_init(&u->pushers);
        v->ptr = u;
    }
    return v->ptr;
}

void push_user_free(struct push *p, struct push_user *u)
{
    while (!list_is_empty(&u->pushers)) {
        pusher_free(container_of(u->pushers.head.next, struct pusher, in_user));
    }
    list_remove(&u->in_dirty);
    imap_remove(&p->users, u->nid);
    imap_release(&u->dirty);
    imap_release(&u->unread);
    vec_release(&u->found);
    free(u);
}

void push_user_mark(struct push *p, struct push_user *u)
{
    if (!list_node_is_linked(&u->in_dirty)) {
        list_push_back(&p->dirty, &u->in_dirty);
    }
}

static const struct pusher_row *row_of(const struct pusher_row *rows, size_t n,
                                       const struct pusher *x)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].pusher_id == x->row.pusher_id && str_eq(rows[i].data, x->row.data) &&
            !rows[i].is_barred) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool has_pusher(const struct push_user *u, const struct pusher_row *row)
{
    list_for_each (it, &((struct push_user *)u)->pushers) {
        if (container_of(it, struct pusher, in_user)->row.pusher_id == row->pusher_id) {
            return true;
        }
    }
    return false;
}

/* Those that are gone or say something else now; what they have sent already is not sent again. */
static void drop_changed(struct push_user *u, struct pusher_row *rows, size_t n)
{
    for (struct list_node *it = u->pushers.head.next, *next; it != &u->pushers.head; it = next) {
        struct pusher *x = container_of(it, struct pusher, in_user);
        next = it->next;
        if (row_of(rows, n, x)) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            if (rows[i].pusher_id == x->row.pusher_id) {
                rows[i].pushed_position = MAX(rows[i].pushed_position, x->position);
            }
        }
        pusher_free(x);
    }
}

static void add_new(struct push *p, struct push_user *u, const struct pusher_row *row)
{
    struct err err = {0};
    bool is_kind = str_eq(row->kind, STR("http")) || str_eq(row->kind, STR("email"));
    if (row->is_barred || !row->is_enabled || !is_kind || has_pusher(u, row)) {
        return;
    }
    if (pusher_new(row, u, &err) != 0) {
        log_warn("pusher cannot be used", LOG_INT("pusher", row->pusher_id),
                 LOG_CSTR("reason", err.message));
        return;
    }
    u->is_behind = true;
    push_user_mark(p, u);
}

int push_user_load(struct push *p, uint64_t user_nid, struct err *err)
{
    struct arena a;
    struct pusher_row *rows;
    size_t n = 0;
    arena_init(&a, 0);
    int rc = pushers_of_user(store_reader(p->server->store), &a, user_nid, &rows, &n, err);
    if (rc == 0 && (n > 0 || imap_has(&p->users, user_nid))) {
        struct push_user *u = user_at(p, user_nid);
        drop_changed(u, rows, n);
        for (size_t i = 0; i < n; i++) {
            add_new(p, u, &rows[i]);
        }
        if (list_is_empty(&u->pushers)) {
            push_user_free(p, u);
        }
    }
    arena_release(&a);
    return rc;
}

int push_users_load(struct push *p, struct err *err)
{
    struct arena a;
    struct pusher_row *rows;
    size_t n = 0;
    arena_init(&a, 0);
    int rc = pushers_list(store_reader(p->server->store), &a, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct push_user *u = user_at(p, rows[i].user_nid);
        add_new(p, u, &rows[i]);
        if (list_is_empty(&u->pushers)) {
            push_user_free(p, u);
        }
    }
    arena_release(&a);
    return rc;
}

/* ---- the queue ------------------------------------------------------------------------------------- */

void pusher_drop(struct pusher *x, size_t n)
{
    x->queue.n -= n;
    memmove(x->queue.p, x->queue.p + n, x->queue.n * sizeof(*x->queue.p));
}

void pusher_add(struct pusher *x, struct awaiting a)
{
    if (x->queue.n == QUEUE_MAX) {
        pusher_drop(x, 1);
    }
    vec_push(&x->queue, a);
}

/* ---- sending --------------------------------------------------------------------------------------- */

void delivery_free(struct delivery *d)
{
    http_fetch_release(&d->fetch);
    arena_release(&d->arena);
    free(d);
}

void delivery_end(struct delivery *d)
{
    struct push *p = d->push;
    lock_take(&p->lock);
    list_push_back(&p->done, &d->in_done);
    p->in_flight--;
    cond_signal(&p->changed);
    lock_release(&p->lock);
}

static void delivery_done(struct http_fetch *f)
{
    delivery_end(container_of(f, struct delivery, fetch));
}

void delivery_begin(struct delivery *d, struct pusher *x)
{
    struct push *p = d->push;
    d->pusher = x;
    x->delivery = d;
    lock_take(&p->lock);
    p->in_flight++;
    lock_release(&p->lock);
}

struct delivery *delivery_new(struct push *p)
{
    struct delivery *d = xcalloc(1, sizeof(*d));
    d->push = p;
    arena_init(&d->arena, 0);
    return d;
}

static void submit(struct push *p, struct pusher *x, struct delivery *d, struct str body)
{
    static const char *const headers[] = {"Content-Type: application/json", "User-Agent: Ingot",
                                          NULL};
    d->fetch = (struct http_fetch){
        .url = arena_str(&d->arena, x->url),
        .headers = headers,
        .body = body,
        .limits = {.body_bytes = ANSWER_MAX, .total_ms = 30 * 1000},
        .private_ok = atomic_load(&p->server->config)->push.allow_private_addresses,
        .lane = LANE_FAST,
        .done = delivery_done};
    delivery_begin(d, x);
    http_client_submit(p->server->http_client, &d->fetch);
}

/* An event of the timeline has no nid here: most of them are read before anybody asks for it. */
static int find_awaited(struct push *p, struct arena *a, struct room *room,
                        const struct awaiting *w, struct entry **out, struct err *err)
{
    struct entry **entries;
    size_t n;
    bool more;
    if (w->invitation) {
        return entry_hold(p->server, a, w->invitation, out, err);
    }
    int rc = room_timeline(p->server, a, room, w->position - 1, w->position, 1, &entries, &n, &more,
                           err);
    *out = rc == 0 && n > 0 ? entries[0] : NULL;
    return rc == 0 && n == 0 ? E_NOT_FOUND : rc;
}

static bool is_too_old(const struct push *p, const struct entry *e)
{
    int64_t limit = atomic_load(&p->server->config)->push.give_up_after_ms;
    return clock_wall_ms() - e->received_ts > limit;
}

int pusher_examine(struct push *p, struct arena *a, const struct awaiting *w,
                   struct notification *n, bool *out_tell, struct err *err)
{
    const struct push_user *u = n->pusher->user;
    struct entry *e;
    bool is_unread = imap_has(&u->unread, w->room); /* an invitation may have been answered */
    *out_tell = false;
    if (!is_unread) {
        return 0;
    }
    int rc = room_hold_nid(p->server, a, w->room, &n->room, err);
    if (rc == 0 && !w->invitation) {
        rc = unread_has(p->server, a, u->nid, n->room, w->position, &is_unread, err);
    }
    if (rc == 0 && is_unread) {
        rc = find_awaited(p, a, n->room, w, &e, err);
    }
    if (rc != 0 || !is_unread || (!n->pusher->is_email && is_too_old(p, e))) {
        return rc;
    }
    n->entry = e;
    rc = unread_evaluate(p->server, a, u->nid, n->room, e, &n->result, err);
    *out_tell = rc == 0 && n->result.notify;
    return rc;
}

static int send_event(struct push *p, struct pusher *x, const struct awaiting *w, bool *out_sent,
                      struct err *err)
{
    struct notification n = {.pusher = x, .badge = badge_of(p, x->user)};
    struct delivery *d = delivery_new(p);
    struct str body;
    int rc = pusher_examine(p, &d->arena, w, &n, out_sent, err);
    if (rc == 0 && *out_sent) {
        rc = notification_json(p->server, &d->arena, &n, &body, err);
    }
    if (rc != 0 || !*out_sent) {
        *out_sent = false;
        delivery_free(d);
        return rc;
    }
    d->position = w->position;
    d->badge = n.badge;
    submit(p, x, d, body);
    return 0;
}

static bool badge_has_changed(const struct pusher *x, struct badge now)
{
    return x->knows_told ? x->told.unread != now.unread || x->told.calls != now.calls
                         : x->tells_badge;
}

static int send_badge(struct push *p, struct pusher *x, struct err *err)
{
    struct notification n = {.pusher = x, .badge = badge_of(p, x->user)};
    struct str body;
    if (!badge_has_changed(x, n.badge)) {
        x->tells_badge = false;
        return 0;
    }
    struct delivery *d = delivery_new(p);
    int rc = notification_json(p->server, &d->arena, &n, &body, err);
    if (rc != 0) {
        delivery_free(d);
        return rc;
    }
    d->badge = n.badge;
    submit(p, x, d, body);
    return 0;
}

void pusher_wait(struct push *p, struct pusher *x, int64_t due_ms)
{
    x->due_ms = due_ms;
    if (!list_node_is_linked(&x->in_retry)) {
        list_push_back(&p->retry, &x->in_retry);
    }
}

static void wait_and_retry(struct push *p, struct pusher *x)
{
    int64_t wait = pusher_backoff(++x->attempts);
    /* A gateway that comes back is not asked by everybody in one moment. */
    pusher_wait(p, x, clock_mono_ms() + wait + (int64_t)rand_below((uint64_t)wait / 4 + 1));
}

static int send_next(struct push *p, struct pusher *x, struct err *err)
{
    bool sent = false;
    int rc = 0;
    while (rc == 0 && !sent && x->queue.n > 0) {
        rc = send_event(p, x, &x->queue.p[0], &sent, err);
        if (rc == E_NOT_FOUND) { /* purged */
            rc = 0;
        }
        if (rc == 0 && !sent) {
            pusher_drop(x, 1);
        }
    }
    if (rc == 0 && !sent) {
        x->position = x->seen;
        rc = send_badge(p, x, err);
    }
    return rc;
}

void pusher_continue(struct push *p, struct pusher *x)
{
    struct err err = {0};
    if (x->is_email && x->tells_badge && x->attempts == 0) {
        x->due_ms = 0; /* something was read: the pause between letters begins anew */
    }
    if (p->is_ending || x->delivery || x->due_ms > clock_mono_ms()) {
        return;
    }
    list_remove(&x->in_retry);
    struct arena scratch;
    arena_init(&scratch, 0);
    struct arena *outer = json_arena_enter(&scratch);
    if ((x->is_email ? email_send_next : send_next)(p, x, &err) != 0) {
        log_warn("notification not made", LOG_CSTR("reason", err.message),
                 LOG_CSTR("detail", err.detail));
        wait_and_retry(p, x);
    }
    json_arena_leave(outer);
    arena_release(&scratch);
}

/* ---- what the gateway says ------------------------------------------------------------------------- */

static bool is_rejected(struct delivery *d, const struct pusher *x)
{
    json_t *answer, *one;
    const json_t *rejected;
    size_t i;
    bool found = false;
    struct arena *outer = json_arena_enter(&d->arena);
    if (json_parse(&d->arena, buf_str(&d->fetch.reply), JPARSE_REALS, &answer, NULL) == 0 &&
        json_get_array(answer, "rejected", &rejected)) {
        json_array_foreach (rejected, i, one) {
            found = found || str_eq(json_str(one), x->row.pushkey);
        }
    }
    json_arena_leave(outer);
    return found;
}

static void delivered(struct push *p, struct pusher *x, const struct delivery *d)
{
    size_t n = 0;
    while (n < x->queue.n && x->queue.p[n].position <= d->position) {
        n++;
    }
    pusher_drop(x, n);
    x->position = MAX(x->position, d->position);
    x->told = d->badge;
    x->knows_told = true;
    x->tells_badge = x->is_email && x->tells_badge; /* of a letter: read after it was written */
    x->attempts = 0;
    x->failing_since = 0;
    if (x->is_email) {
        email_sent(p, x);
    }
    progress_note(p, x);
    pusher_continue(p, x);
}

static void failed(struct push *p, struct pusher *x, const struct delivery *d)
{
    int64_t now = clock_wall_ms();
    if (x->is_email) { /* the operator's own mail server: they want to know */
        log_warn("a notification could not be mailed", LOG_INT("pusher", x->row.pusher_id),
                 LOG_CSTR("reason", d->fetch.err.detail));
    } else {
        log_debug("push gateway failed", LOG_INT("pusher", x->row.pusher_id),
                  LOG_INT("status", d->fetch.status), LOG_CSTR("reason", d->fetch.err.message),
                  LOG_CSTR("detail", d->fetch.err.detail));
    }
    x->failing_since = x->failing_since ? x->failing_since : now;
    progress_note(p, x);
    wait_and_retry(p, x);
}

static void rejected(struct push *p, struct pusher *x)
{
    struct push_user *u = x->user;
    log_info("push key rejected by its gateway", LOG_INT("pusher", x->row.pusher_id));
    progress_reject(p, x);
    pusher_free(x);
    if (list_is_empty(&u->pushers)) {
        push_user_free(p, u);
    }
}

void pusher_take(struct push *p, struct delivery *d)
{
    struct pusher *x = d->pusher;
    p->letters -= d->job.run != NULL;
    if (x) {
        x->delivery = NULL;
        bool is_refused = x->is_email && d->fetch.rc == E_INVALID; /* no such mailbox */
        if (!is_refused && (d->fetch.rc != 0 || d->fetch.status != 200)) {
            if (!p->is_ending) { /* else it is not the gateway's fault */
                failed(p, x, d);
            }
        } else if (is_refused || is_rejected(d, x)) {
            rejected(p, x);
        } else {
            delivered(p, x, d);
        }
    }
    delivery_free(d);
}
