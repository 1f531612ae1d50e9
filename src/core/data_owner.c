/* SPDX-License-Identifier: Apache-2.0 */
#include "core/data_owner.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rand.h"
#include "core/data_mark.h"
#include "core/server.h"
#include "store/epochs.h"
#include "store/one_time_keys.h"
#include "store/owner.h"
#include "wire/base64.h"

struct belongings {
    const struct config *config;
    struct arena *arena;
    struct owner owner; /* as the database says */
    struct str key_path, media_dir;
    struct str *keys;             /* of the key file, the one that signs first */
    size_t n_keys;                /* 0: there is none */
    struct data_mark data, media; /* as the directories say */
};

/* ---- reading ---- */

static struct str fingerprint(struct arena *a, const struct signing_key *key)
{
    struct str public_key = str_n((const char *)key->public_key, sizeof(key->public_key));
    struct str text = base64_encode(a, public_key, 0);
    return arena_printf(a, "%s %.*s", key->id, STR_ARG(text));
}

static int read_keys(struct belongings *b, struct err *err)
{
    struct signing_keys keys;
    int rc = signing_keys_load(b->arena, arena_cstr(b->arena, b->key_path), &keys, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc; /* who needs one says so */
    }
    b->n_keys = keys.n;
    b->keys = arena_array(b->arena, struct str, keys.n);
    for (size_t i = 0; i < keys.n; i++) {
        b->keys[i] = fingerprint(b->arena, &keys.p[i]);
        signing_key_wipe(&keys.p[i]);
    }
    return 0;
}

static int read_owner(struct belongings *b, struct err *err)
{
    const struct db_config db = config_database(b->config, b->arena);
    struct db_read *r = NULL;
    b->owner = (struct owner){.is_new = true};
    if (db.engine == DB_SQLITE && access(db.path, F_OK) != 0) {
        return 0; /* to look must not make it */
    }
    int rc = db_open(&db, DB_READER, &r, err);
    rc = rc ? rc : owner_read(r, b->arena, &b->owner, err);
    db_close(&r);
    return rc;
}

static int read_all(struct belongings *b, const struct config *c, struct arena *a, struct err *err)
{
    *b = (struct belongings){
        .config = c,
        .arena = a,
        .key_path = ARENA_CONCAT(a, c->data_dir, STR("/signing.key")),
        .media_dir = ARENA_CONCAT(a, c->data_dir, STR("/media")),
    };
    int rc = read_owner(b, err);
    rc = rc ? rc : read_keys(b, err);
    rc = rc ? rc : data_mark_read(a, c->data_dir, &b->data, err);
    return rc ? rc : data_mark_read(a, b->media_dir, &b->media, err);
}

/* ---- the rules ---- */

static int refuse(struct err *err, const char *fmt, ...) PRINTF(2, 3);
static int refuse(struct err *err, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(err, E_CONFLICT, 0, NULL, "%s", text);
}

static int check_name(const struct belongings *b, struct err *err)
{
    struct str of = b->owner.server_name, now = b->config->server_name;
    return of.n == 0 || str_eq(of, now)
               ? 0
               : refuse(err,
                        "this database is of %.*s, the configuration says %.*s; a server's name "
                        "can never be changed",
                        STR_ARG(of), STR_ARG(now));
}

static int check_key(const struct belongings *b, struct err *err)
{
    bool is_known = b->owner.signing_key.n == 0 || b->n_keys == 0;
    for (size_t i = 0; i < b->n_keys; i++) {
        is_known = is_known || str_eq(b->keys[i], b->owner.signing_key);
    }
    return is_known
               ? 0
               : refuse(err,
                        "this database is of the signing key %.*s, %.*s holds %.*s; bring "
                        "the key back from a backup, or say `ingot db adopt` if it is lost",
                        STR_ARG(b->owner.signing_key), STR_ARG(b->key_path), STR_ARG(b->keys[0]));
}

/* A key that others know, beside nothing: what was said under it is missing. */
static int check_empty(const struct belongings *b, struct err *err)
{
    if (!b->owner.is_new || b->data.is_new || (!b->data.is_there && b->n_keys == 0)) {
        return 0;
    }
    return refuse(err,
                  "the database is empty, but %.*s was in use%s%.*s; bring the database back from "
                  "a backup, or say `ingot db adopt` to begin a new one with this key",
                  STR_ARG(b->key_path), b->data.is_there ? " with the database " : "",
                  STR_ARG(b->data.database_id));
}

static int check_data_dir(const struct belongings *b, struct err *err)
{
    bool is_named = b->data.is_there && !b->data.is_new && b->owner.database_id.n > 0;
    return !is_named || str_eq(b->data.database_id, b->owner.database_id)
               ? 0
               : refuse(err,
                        "%.*s is of the database %.*s, this is the database %.*s; correct data_dir "
                        "or database.url, or say `ingot db adopt` if they belong together",
                        STR_ARG(b->config->data_dir), STR_ARG(b->data.database_id),
                        STR_ARG(b->owner.database_id));
}

static int check_media(const struct belongings *b, struct err *err)
{
    bool is_same = b->media.is_there ? str_eq(b->media.database_id, b->owner.database_id)
                                     : !b->owner.has_media;
    return is_same || b->owner.database_id.n == 0
               ? 0
               : refuse(err,
                        "%.*s is %s%.*s, not that of this database, %.*s; is it mounted? Say "
                        "`ingot db adopt` if they belong together",
                        STR_ARG(b->media_dir),
                        b->media.is_there ? "the media directory of the database " : "empty or new",
                        STR_ARG(b->media.database_id), STR_ARG(b->owner.database_id));
}

int data_owner_check(const struct config *c, struct err *err)
{
    static int (*const rules[])(const struct belongings *b, struct err *err) = {
        check_name, check_empty, check_key, check_data_dir, check_media,
    };
    struct belongings b;
    struct arena a;
    arena_init(&a, 0);
    int rc = read_all(&b, c, &a, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(rules); i++) {
        rc = rules[i](&b, err);
    }
    arena_release(&a);
    return rc;
}

/* ---- remembering ---- */

static int write_owner(struct txn *t, void *arg)
{
    return owner_write(t, arg, txn_err(t));
}

static int remember(struct store *store, struct belongings *b, struct err *err)
{
    struct owner *o = &b->owner;
    o->server_name = b->config->server_name;
    o->signing_key = b->n_keys > 0 ? b->keys[0] : o->signing_key;
    o->database_id = o->database_id.n > 0 ? o->database_id : rand_alnum(b->arena, 22);
    return store_write(store, "owner", write_owner, o, err);
}

static int note(struct store *store, struct str data_dir, struct str database_id, struct err *err)
{
    int64_t position = store_position(store);
    const struct data_mark now = {
        .is_there = true,
        .database_id = database_id,
        .epoch = store_epoch(store),
        .position = position,
    };
    return data_mark_write(data_dir, &now, err);
}

static int distrust_keys(struct txn *t, UNUSED void *arg)
{
    return one_time_keys_distrust_all(t, txn_err(t));
}

/* The directory has seen this database at a point that it does not know: it was put back to an earlier time. */
static int notice_restore(struct store *store, const struct belongings *b, struct err *err)
{
    int64_t position = b->data.position;
    bool is_foreign = false;
    if (b->data.epoch || b->data.position) {
        int rc = epochs_place(store, b->data.epoch, &position, &is_foreign, err);
        if (rc != 0) {
            return rc;
        }
    }
    if (!is_foreign) {
        return 0;
    }
    log_warn("the database was put back to an earlier time; one-time keys are asked for anew",
             LOG_INT("had_come_to", b->data.position), LOG_INT("is_at", store_position(store)));
    return store_write(store, "distrust-keys", distrust_keys, NULL, err);
}

int data_owner_keep(struct server *s, struct err *err)
{
    struct belongings b;
    struct arena a;
    arena_init(&a, 0);
    int rc = read_all(&b, s->config, &a, err);
    rc = rc ? rc : notice_restore(s->store, &b, err);
    rc = rc ? rc : remember(s->store, &b, err);
    rc = rc ? rc : note(s->store, s->config->data_dir, b.owner.database_id, err);
    arena_release(&a);
    return rc;
}

int data_owner_note(struct server *s, struct err *err)
{
    struct data_mark mark;
    struct arena a;
    arena_init(&a, 0);
    int rc = data_mark_read(&a, s->config->data_dir, &mark, err);
    bool has_moved =
        mark.epoch != store_epoch(s->store) || mark.position != store_position(s->store);
    if (rc == 0 && has_moved) {
        rc = note(s->store, s->config->data_dir, mark.database_id, err);
    }
    arena_release(&a);
    return rc;
}

static int mark_media(struct store *store, struct belongings *b, struct err *err)
{
    const struct data_mark mark = {.is_there = true, .database_id = b->owner.database_id};
    int rc = data_mark_write(b->media_dir, &mark, err);
    b->owner.has_media = true;
    return rc ? rc : remember(store, b, err);
}

int data_owner_keep_media(struct server *s, struct err *err)
{
    struct belongings b;
    struct arena a;
    arena_init(&a, 0);
    int rc = read_all(&b, s->config, &a, err);
    if (rc == 0 && !b.media.is_there) {
        rc = mark_media(s->store, &b, err);
    }
    arena_release(&a);
    return rc;
}

/* ---- by order ---- */

static int open_store(const struct config *c, struct arena *a, struct store **out, struct err *err)
{
    const struct store_config config = {
        .db = config_database(c, a),
        .may_not_migrate = c->database.migrate == MIGRATE_MANUAL,
    };
    return store_open(&config, out, err);
}

static int adopt_database(struct belongings *b, struct err *err)
{
    struct store *store = NULL;
    struct stat st;
    int rc = open_store(b->config, b->arena, &store, err);
    rc = rc ? rc : remember(store, b, err);
    rc = rc ? rc : note(store, b->config->data_dir, b->owner.database_id, err);
    if (rc == 0 && stat(arena_cstr(b->arena, b->media_dir), &st) == 0) {
        rc = mark_media(store, b, err);
    }
    store_close(&store);
    return rc;
}

int data_owner_adopt(const struct config *c, struct err *err)
{
    const struct data_mark none = DATA_MARK_NEW;
    struct belongings b;
    struct arena a;
    arena_init(&a, 0);
    b = (struct belongings){.config = c, .arena = &a};
    int rc = read_owner(&b, err);
    rc = rc ? rc : check_name(&b, err);
    rc = rc ? rc : data_mark_write(c->data_dir, &none, err); /* also for one that is spoilt */
    rc = rc ? rc : read_all(&b, c, &a, err);
    if (rc == 0 && !b.owner.is_new) {
        rc = adopt_database(&b, err);
    }
    arena_release(&a);
    return rc;
}

int data_owner_restored(const struct config *c, struct err *err)
{
    struct store *store = NULL;
    struct belongings b;
    struct arena a;
    arena_init(&a, 0);
    int rc = data_owner_check(c, err);
    rc = rc ? rc : read_all(&b, c, &a, err);
    rc = rc ? rc : open_store(c, &a, &store, err);
    rc = rc ? rc : store_write(store, "distrust-keys", distrust_keys, NULL, err);
    rc = rc ? rc : remember(store, &b, err);
    rc = rc ? rc : note(store, c->data_dir, b.owner.database_id, err);
    store_close(&store);
    arena_release(&a);
    return rc;
}
