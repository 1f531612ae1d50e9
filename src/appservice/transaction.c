/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction: at most a hundred events of interest, in the order of the stream, and what ephemeral data there is.
 * From when it is stored it neither changes nor loses its id, until it is acknowledged ("Homeservers MUST NOT alter …
 * on retries").
 */
#include "appservice/appservice_internal.h"
#include "base/clock.h"
#include "core/render.h"
#include "core/server.h"
#include "store/appservices.h"

enum {
    EVENTS_MAX = 100,
    ROWS_MAX = 1000,       /* looked at in one go; other lines wait meanwhile */
    BODY_ENOUGH = 1 << 20, /* bytes after which a transaction is closed */
    BODY_MAX = 8 << 20,    /* with the last event */
};

/* ---- storing ---------------------------------------------------------------------------------- */

static int put_queue(struct txn *t, void *arg)
{
    return appservice_queues_put(t, arg, txn_err(t));
}

static int store_queue(struct line *l, struct appservice_queue *q, struct err *err)
{
    q->appservice = str_c(l->id);
    return store_write(l->sender->server->store, "appservice-queue", put_queue, q, err);
}

int transaction_store(struct line *l, struct err *err)
{
    struct appservice_queue q = {.position = l->position,
                                 .txn_id = l->txn_id,
                                 .body = l->body.n ? buf_str(&l->body) : STR_NONE,
                                 .events = l->events,
                                 .oldest_ts = l->oldest_ts};
    int rc = store_queue(l, &q, err);
    if (rc == 0) {
        l->stored_position = l->position;
        l->is_acknowledged = false;
    }
    return rc;
}

/* ---- making ----------------------------------------------------------------------------------- */

struct making {
    struct line *line;
    struct arena arena;
    struct buf body, ephemeral;
    struct json_writer w;
    struct renderer render;
    int64_t upto, serial; /* where the logs end */
    int64_t position;     /* looked at up to here */
    int64_t events, oldest_ts;
    size_t n_ephemeral;
    bool has_more;
};

static int add_event(struct making *m, const struct stream_row *row, struct err *err)
{
    struct entry *e;
    struct str json;
    struct server *s = m->line->sender->server;
    int rc = entry_hold(s, &m->arena, row->nid, &e, err);
    rc = rc ? rc : render_to_str(&m->render, e, &json, err);
    if (rc == 0) {
        jw_raw(&m->w, json);
        m->oldest_ts = m->events++ ? m->oldest_ts : row->received_ts;
    }
    return rc == E_NOT_FOUND ? 0 : rc; /* it was purged meanwhile */
}

static bool is_full(const struct making *m)
{
    return m->events >= EVENTS_MAX || m->body.n >= BODY_ENOUGH;
}

static int add_events(struct making *m, struct err *err)
{
    struct stream_row *rows = NULL;
    size_t n = 0, i = 0;
    bool wants;
    int rc = events_stream(store_reader(m->line->sender->server->store), &m->arena, m->position,
                           m->upto, ROWS_MAX, &rows, &n, err);
    for (; rc == 0 && i < n && !is_full(m); i++) {
        rc = interest_in_event(&m->line->interest, &rows[i], &wants, err);
        rc = rc == 0 && wants ? add_event(m, &rows[i], err) : rc;
        m->position = rows[i].position;
    }
    m->has_more = i < n || n == ROWS_MAX;
    m->position = m->has_more ? m->position : m->upto;
    return rc;
}

/* Only of one that has caught up: the others would be told of a time that they have not come to. */
static int add_ephemeral(struct making *m, struct err *err)
{
    struct line *l = m->line;
    struct json_writer w = jw_over(&m->ephemeral);
    if (m->has_more || !(l->as->receives_ephemeral || l->as->receives_old_ephemeral)) {
        return 0;
    }
    jw_array(&w);
    int rc = ephemeral_write(l, &m->arena, m->upto, m->serial, &w, &m->n_ephemeral, err);
    jw_end(&w);
    if (rc == 0 && !jw_is_complete(&w)) {
        m->n_ephemeral = 0; /* too much at once: none of it */
    }
    if (rc == 0 && m->n_ephemeral && l->as->receives_ephemeral) {
        JW_RAW(&m->w, "ephemeral", buf_str(&m->ephemeral));
    }
    if (rc == 0 && m->n_ephemeral && l->as->receives_old_ephemeral) {
        JW_RAW(&m->w, "de.sorunome.msc2409.ephemeral", buf_str(&m->ephemeral));
    }
    return rc;
}

static int make(struct making *m, struct err *err)
{
    jw_object(&m->w);
    JW_ARRAY(&m->w, "events");
    int rc = add_events(m, err);
    jw_end(&m->w);
    rc = rc ? rc : add_ephemeral(m, err);
    jw_end(&m->w);
    if (rc == 0 && !jw_is_complete(&m->w)) {
        rc = err_internal(err, "a transaction for %s outgrew %d bytes", m->line->id, BODY_MAX);
    }
    return rc;
}

/*
 * Ids rise. Not one by one: after a restore a number that was given once would come again with other content, and
 * application services drop what they know already.
 */
static int64_t next_txn_id(const struct line *l)
{
    return MAX(l->txn_id + 1, clock_wall_ms());
}

/* The line has come this far, and what was made (txn_id; 0: nothing) is under way. */
static void take(struct line *l, struct making *m, int64_t txn_id)
{
    l->position = m->position;
    l->has_more = m->has_more;
    if (!m->has_more) {
        l->ephemeral_position = m->upto;
        l->serial = m->serial;
    }
    if (txn_id) {
        l->stored_position = m->position;
        l->txn_id = txn_id;
        l->events = m->events;
        l->oldest_ts = m->oldest_ts;
        l->is_acknowledged = false;
        buf_release(&l->body);
        l->body = m->body;
        m->body = (struct buf){0};
    }
}

static int make_and_store(struct line *l, struct making *m, struct err *err)
{
    int rc = make(m, err);
    int64_t txn_id = m->events > 0 || m->n_ephemeral > 0 ? next_txn_id(l) : 0;
    if (rc == 0 && txn_id) {
        struct appservice_queue q = {.position = m->position,
                                     .txn_id = txn_id,
                                     .body = buf_str(&m->body),
                                     .events = m->events,
                                     .oldest_ts = m->oldest_ts};
        rc = store_queue(l, &q, err);
    }
    if (rc == 0) {
        take(l, m, txn_id);
    } else {
        interest_forget_rooms(&l->interest); /* these events will be looked at once more */
    }
    return rc;
}

int transaction_form(struct line *l, struct err *err)
{
    struct server *s = l->sender->server;
    struct making m = {.line = l,
                       .body = BUF_INIT(BODY_MAX),
                       .ephemeral = BUF_INIT(BODY_ENOUGH),
                       .serial = changes_volatile_serial(s),
                       .upto = store_position(s->store),
                       .position = l->position};
    if (m.upto == l->position && m.serial == l->serial) {
        return 0;
    }
    arena_init(&m.arena, 0);
    struct arena *outer = json_arena_enter(&m.arena);
    m.w = jw_over(&m.body);
    renderer_init(&m.render, s, &m.arena, RENDER_CLIENT, 0, 0);
    m.render.bundle = false; /* nobody in particular reads it */
    int rc = make_and_store(l, &m, err);
    json_arena_leave(outer);
    arena_release(&m.arena);
    buf_release(&m.ephemeral);
    buf_release(&m.body);
    return rc;
}
