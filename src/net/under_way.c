/* SPDX-License-Identifier: Apache-2.0 */
#include "net/under_way.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/http_internal.h"

enum {
    RETRY_AFTER_MS = 5000,
    WARN_EVERY_MS = 60000,
};

static double count_memory(void *server)
{
    struct http_server *s = server;
    return (double)byte_budget_total(&s->budgets[HELD_IN_MEMORY]);
}

static double count_disk(void *server)
{
    struct http_server *s = server;
    return (double)byte_budget_total(&s->budgets[HELD_ON_DISK]);
}

void under_way_init(struct http_server *s)
{
    static const char help[] = "Bodies that come in and answers that go out";
    byte_budget_init(&s->budgets[HELD_IN_MEMORY], "memory under way");
    byte_budget_init(&s->budgets[HELD_ON_DISK], "disk under way");
    metrics_gauge_fn("ingot_http_bytes_under_way", "kind=\"memory\"", help, count_memory, s);
    metrics_gauge_fn("ingot_http_bytes_under_way", "kind=\"disk\"", help, count_disk, s);
}

void under_way_release(struct http_server *s)
{
    for (int i = 0; i < HELD_KINDS; i++) {
        byte_budget_release(&s->budgets[i]);
    }
}

/* Once a minute: an operator should know, but whoever fills the budget should not fill the log as well. */
static void warn(struct http_server *s, enum held_in where)
{
    int64_t now = clock_mono_ms(), last = atomic_load(&s->warned_of_budget);
    if ((last == 0 || now - last >= WARN_EVERY_MS) &&
        atomic_compare_exchange_strong(&s->warned_of_budget, &last, now)) {
        log_warn("requests are refused because too many bytes are under way",
                 LOG_CSTR("limit", where == HELD_IN_MEMORY ? "limits.under_way.memory"
                                                           : "limits.under_way.disk"));
    }
}

static int refuse(struct http_server *s, enum byte_refusal why, enum held_in where, struct err *err)
{
    int rc;
    switch (why) {
    case BYTES_FIT:
        return 0;
    case BYTES_OF_ALL:
        warn(s, where);
        rc = err_set(err, E_LIMIT, 503, "M_UNKNOWN",
                     "The server has too much to read and to send; try later");
        break;
    default:
        rc = err_set(err, E_LIMIT, 429, "M_LIMIT_EXCEEDED",
                     "Too much is on its way from or to your %s; first let it arrive",
                     why == BYTES_OF_USER ? "account" : "address");
    }
    err->retry_after_ms = RETRY_AFTER_MS;
    return rc;
}

static uint64_t counted(uint64_t n)
{
    return n > UNDER_WAY_SMALL ? n : 0;
}

int under_way_check(struct exchange *ex, struct err *err)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < HELD_KINDS; i++) {
        enum byte_refusal why = byte_budget_take(&ex->server->budgets[i], &ex->holder, 0);
        rc = refuse(ex->server, why, (enum held_in)i, err);
    }
    return rc;
}

int under_way_name_user(struct exchange *ex, struct err *err)
{
    uint64_t user = ex->rq.who.user_nid;
    struct byte_holder named = ex->holder;
    if (user == 0 || ex->holder.user != 0) {
        return 0;
    }
    for (int i = 0; i < HELD_KINDS; i++) {
        struct byte_budget *b = &ex->server->budgets[i];
        uint64_t n = counted(ex->body_held.bytes[i]);
        enum byte_refusal why = byte_budget_name(b, &named, user, n);
        if (why != BYTES_FIT) {
            return refuse(ex->server, why, (enum held_in)i, err);
        }
    }
    ex->holder = named;
    return 0;
}

static bool is_less(const struct held *h, enum held_in where, uint64_t n)
{
    return counted(n) <= counted(h->bytes[where]);
}

static void lower(struct exchange *ex, struct held *h, enum held_in where, uint64_t n)
{
    uint64_t had = counted(h->bytes[where]), has = counted(n);
    byte_budget_give(&ex->server->budgets[where], &ex->holder, had - has);
    h->bytes[where] = n;
}

int under_way_hold(struct exchange *ex, struct held *h, enum held_in where, uint64_t n,
                   struct err *err)
{
    if (is_less(h, where, n)) {
        lower(ex, h, where, n);
        return 0;
    }
    uint64_t more = counted(n) - counted(h->bytes[where]);
    enum byte_refusal why = byte_budget_take(&ex->server->budgets[where], &ex->holder, more);
    if (why == BYTES_FIT) {
        h->bytes[where] = n;
    }
    return refuse(ex->server, why, where, err);
}

void under_way_note(struct exchange *ex, struct held *h, enum held_in where, uint64_t n)
{
    if (is_less(h, where, n)) {
        lower(ex, h, where, n);
        return;
    }
    uint64_t more = counted(n) - counted(h->bytes[where]);
    byte_budget_note(&ex->server->budgets[where], &ex->holder, more);
    h->bytes[where] = n;
}

void under_way_drop(struct exchange *ex, struct held *h)
{
    lower(ex, h, HELD_IN_MEMORY, 0);
    lower(ex, h, HELD_ON_DISK, 0);
}
