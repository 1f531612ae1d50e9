/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stragglers.h"

#include <stdlib.h>

#include "base/clock.h"
#include "net/tcp_progress.h"

/* conn.phase: the phase, and above it how many there have been. */
enum { PHASE_BITS = 2, PHASE_MASK = (1 << PHASE_BITS) - 1 };

void stragglers_init(struct http_server *s)
{
    struct stragglers *g = &s->stragglers;
    lock_init(&g->lock, RANK_NET, "stragglers");
    list_init(&g->conns);
    g->cut = metrics_counter("ingot_http_too_slow_total", NULL,
                             "Connections cut off because they moved too slowly");
}

void stragglers_release(struct http_server *s)
{
    bug_on(!list_is_empty(&s->stragglers.conns));
    lock_destroy(&s->stragglers.lock);
}

void stragglers_set(struct http_server *s, const struct min_rate_rule *rule)
{
    lock_take(&s->stragglers.lock);
    s->stragglers.rule = *rule;
    s->stragglers.next_ms = 0;
    lock_release(&s->stragglers.lock);
}

struct min_rate_rule stragglers_rule(struct http_server *s)
{
    lock_take(&s->stragglers.lock);
    struct min_rate_rule rule = s->stragglers.rule;
    lock_release(&s->stragglers.lock);
    return rule;
}

void stragglers_add(struct http_server *s, struct conn *c)
{
    lock_take(&s->stragglers.lock);
    list_push_back(&s->stragglers.conns, &c->in_conns);
    lock_release(&s->stragglers.lock);
}

void stragglers_remove(struct http_server *s, struct conn *c)
{
    lock_take(&s->stragglers.lock);
    list_remove(&c->in_conns);
    lock_release(&s->stragglers.lock);
    free(c->rate);
    c->rate = NULL;
}

void stragglers_note(struct conn *c, enum conn_phase phase)
{
    unsigned before = atomic_load_explicit(&c->phase, memory_order_relaxed);
    unsigned after = (before & ~(unsigned)PHASE_MASK) + (1 << PHASE_BITS) + phase;
    atomic_store_explicit(&c->phase, after, memory_order_relaxed);
}

/* --- judging; under the lock --- */

/* What has moved in this phase, since whenever; -1: it is not known, or it is us who are behind. */
static int64_t progress(int fd, enum conn_phase phase)
{
    switch (phase) {
    case CONN_HEAD:
        return tcp_bytes_received(fd);
    case CONN_READING:
        return tcp_has_unread(fd) ? -1 : tcp_bytes_received(fd);
    case CONN_SENDING:
        return tcp_has_unsent(fd) ? tcp_bytes_acked(fd) : -1;
    case CONN_WORK:
        break;
    }
    return -1;
}

static void begin(struct conn *c, unsigned phase, int64_t now, int64_t bytes)
{
    if ((phase & PHASE_MASK) != CONN_HEAD) {
        c->rate = c->rate ? c->rate : xmalloc(sizeof(*c->rate));
        min_rate_begin(c->rate, now, (uint64_t)bytes);
    }
    c->judged_phase = phase;
    c->head_bytes = bytes;
    c->head_since_ms = 0;
}

/* A head has no rate, as nobody knows how long it will be, but a time from its first byte on. Nothing at all is a
 * connection that waits for its next request, which libmicrohttpd ends when it has idled long enough. */
static bool is_head_late(struct http_server *s, struct conn *c, int64_t now, int64_t bytes)
{
    if (c->head_since_ms == 0 && bytes > c->head_bytes) {
        c->head_since_ms = now;
    }
    return c->head_since_ms != 0 && now - c->head_since_ms > (int64_t)s->config.idle_seconds * 1000;
}

static bool is_too_slow(struct http_server *s, struct conn *c, int64_t now)
{
    unsigned phase = atomic_load_explicit(&c->phase, memory_order_relaxed);
    enum conn_phase what = (enum conn_phase)(phase & PHASE_MASK);
    int64_t bytes = progress(c->fd, what);
    if (bytes < 0) {
        c->judged_phase = 0;
        return false;
    }
    if (c->judged_phase != phase) {
        begin(c, phase, now, bytes);
        return false;
    }
    return what == CONN_HEAD ? is_head_late(s, c, now, bytes)
                             : !min_rate_is_met(c->rate, &s->stragglers.rule, now, (uint64_t)bytes);
}

void stragglers_look(struct http_server *s)
{
    struct stragglers *g = &s->stragglers;
    int64_t now = clock_mono_ms();
    lock_take(&g->lock);
    if (now >= g->next_ms) {
        g->next_ms = now + min_rate_interval(&g->rule);
        for (struct list_node *n = g->conns.head.next; n != &g->conns.head; n = n->next) {
            struct conn *c = container_of(n, struct conn, in_conns);
            if (is_too_slow(s, c, now)) {
                tcp_cut(c->fd);
                metric_add(g->cut, 1);
            }
        }
    }
    lock_release(&g->lock);
}

int64_t stragglers_due(struct http_server *s)
{
    lock_take(&s->stragglers.lock);
    int64_t next = s->stragglers.next_ms;
    lock_release(&s->stragglers.lock);
    return MAX(next - clock_mono_ms(), 0);
}
