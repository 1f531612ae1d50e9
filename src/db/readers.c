/* SPDX-License-Identifier: Apache-2.0 */
#include "db/readers.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/lock.h"
#include "db/db_driver.h"

struct connection {
    struct list_node in_free;
    struct db_read *db;
    bool was_used; /* since unused ones were last closed */
};

struct db_readers {
    const struct db_config *config;
    struct db_driver driver; /* the engine's, with the slots of a leased connection */
    struct lock lock;        /* RANK_LEAF: a room's may be held, and whatever else a reader holds */
    struct cond is_free;
    struct list free; /* the last used first */
    unsigned open, most, waiting;
};

/* What a thread reads by. */
struct lease {
    struct db_read read; /* first: see db_driver.h */
    struct db_readers *readers;
    struct connection *conn; /* NULL while nothing runs */
    unsigned depth;          /* a snapshot, and statements inside each other's callbacks */
};

static struct lease *lease_of(struct db_read *r)
{
    return container_of(r, struct lease, read);
}

/* ---- taking and giving back ---- */

static struct connection *connection_new(const struct db_config *config)
{
    struct connection *c = xcalloc(1, sizeof(*c));
    int rc = db_open(config, DB_READER, &c->db, NULL);
    bug_on(rc != 0); /* a reader connects with its first statement */
    return c;
}

static void close_all(struct list *connections)
{
    for (struct list_node *n; (n = list_pop_front(connections)) != NULL;) {
        struct connection *c = container_of(n, struct connection, in_free);
        db_close(&c->db);
        free(c);
    }
}

static struct connection *take(struct db_readers *p)
{
    struct list_node *n;
    lock_take(&p->lock);
    while ((n = list_pop_front(&p->free)) == NULL && p->open == p->most) {
        p->waiting++;
        cond_wait(&p->is_free, &p->lock);
        p->waiting--;
    }
    p->open += n == NULL;
    lock_release(&p->lock);
    return n ? container_of(n, struct connection, in_free) : connection_new(p->config);
}

static void give(struct db_readers *p, struct connection *c)
{
    lock_take(&p->lock);
    c->was_used = true;
    list_push_front(&p->free, &c->in_free);
    if (p->waiting > 0) {
        cond_signal(&p->is_free);
    }
    lock_release(&p->lock);
}

static struct db_read *enter(struct lease *l)
{
    if (l->depth++ == 0) {
        l->conn = take(l->readers);
    }
    return l->conn->db;
}

static void leave(struct lease *l)
{
    if (--l->depth == 0) {
        struct connection *c = l->conn;
        l->conn = NULL;
        give(l->readers, c);
    }
}

/* ---- the slots of a driver that a reader needs ---- */

static int lease_run(struct db_read *r, const struct sql *sql, struct db_params params,
                     db_row_fn *row, void *arg, int64_t *out_changed, struct err *err)
{
    struct lease *l = lease_of(r);
    struct db_read *db = enter(l);
    int rc = db->driver->run(db, sql, params, row, arg, out_changed, err);
    leave(l);
    return rc;
}

static int lease_begin(struct db_read *r, enum db_mode mode, struct err *err)
{
    struct lease *l = lease_of(r);
    bug_on(mode != DB_READER);
    int rc = db_snapshot_begin(enter(l), err);
    if (rc != 0) {
        leave(l);
    }
    return rc;
}

static void lease_rollback(struct db_read *r)
{
    struct lease *l = lease_of(r);
    db_snapshot_end(l->conn->db);
    leave(l);
}

static int lease_schema(struct db_read *r, struct arena *a, struct str *out, struct err *err)
{
    struct lease *l = lease_of(r);
    struct db_read *db = enter(l);
    int rc = db->driver->schema(db, a, out, err);
    leave(l);
    return rc;
}

static int lease_explain(struct db_read *r, struct arena *a, const struct sql *sql, struct str *out,
                         struct err *err)
{
    struct lease *l = lease_of(r);
    struct db_read *db = enter(l);
    int rc = db->driver->explain(db, a, sql, out, err);
    leave(l);
    return rc;
}

static void lease_free(struct db_read *r)
{
    bug_on(lease_of(r)->depth > 0);
    free(lease_of(r));
}

/* ---- all of them ---- */

struct db_readers *db_readers_new(const struct db_config *config, unsigned most)
{
    bug_on(most == 0);
    struct db_readers *p = xcalloc(1, sizeof(*p));
    const struct db_driver *engine = config->engine == DB_SQLITE ? &db_sqlite : &db_postgres;
    p->config = config;
    p->driver = (struct db_driver){.name = engine->name,
                                   .engine = engine->engine,
                                   .ddl = engine->ddl,
                                   .free = lease_free,
                                   .run = lease_run,
                                   .begin = lease_begin,
                                   .rollback = lease_rollback,
                                   .schema = lease_schema,
                                   .explain = lease_explain};
    p->most = most;
    lock_init(&p->lock, RANK_LEAF, "readers");
    cond_init(&p->is_free);
    list_init(&p->free);
    return p;
}

void db_readers_free(struct db_readers **readers)
{
    struct db_readers *p = *readers;
    *readers = NULL;
    if (!p) {
        return;
    }
    db_readers_give_back(p); /* now none counts as used */
    db_readers_give_back(p);
    bug_on(p->open > 0);
    cond_destroy(&p->is_free);
    lock_destroy(&p->lock);
    free(p);
}

struct db_read *db_readers_get(struct db_readers *readers)
{
    struct lease *l = xcalloc(1, sizeof(*l));
    l->read = (struct db_read){.driver = &readers->driver, .mode = DB_READER};
    l->readers = readers;
    return &l->read;
}

bool db_readers_is_leased(const struct db_read *r)
{
    return container_of(r, struct lease, read)->depth > 0;
}

void db_readers_give_back(struct db_readers *readers)
{
    struct list unused;
    list_init(&unused);
    lock_take(&readers->lock);
    for (struct list_node *n = readers->free.head.next, *next; n != &readers->free.head; n = next) {
        struct connection *c = container_of(n, struct connection, in_free);
        next = n->next;
        if (!c->was_used) {
            list_remove(n);
            list_push_back(&unused, n);
            readers->open--;
        }
        c->was_used = false;
    }
    lock_release(&readers->lock);
    close_all(&unused);
}

unsigned db_readers_open(struct db_readers *readers)
{
    lock_take(&readers->lock);
    unsigned open = readers->open;
    lock_release(&readers->lock);
    return open;
}
