/* SPDX-License-Identifier: Apache-2.0 */
/* Backup of room keys ("Server-side key backups"): versions, and the keys in them. */
#include "base/vec.h"
#include "client/handler.h"
#include "client/routes.h"
#include "store/key_backups.h"
#include "wire/canonical.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

enum {
    KEYS_BODY_MAX = 16 * 1024 * 1024, /* clients send some hundred keys at a time */
    SESSION_MAX = 64 * 1024,          /* bytes of one key */
    NAME_MAX_LEN = 255,               /* bytes of a session's id */
    ALGORITHM_MAX = 255,
    AUTH_DATA_MAX = 64 * 1024,
    RESPONSE_MAX = 512 * 1024 * 1024,
    DELETE_STEP = 500, /* keys */
};

/* ---- versions ---- */

struct version_body {
    struct str algorithm, version;
    const json_t *auth_data;
};
static const struct jfield version_fields[] = {
    FIELD(struct version_body, algorithm, .max = ALGORITHM_MAX),
    FIELD(struct version_body, version, .flags = OPT),
    FIELD(struct version_body, auth_data, .flags = J_OBJECT),
    {0},
};

static struct str version_text(struct arena *a, int64_t version)
{
    return arena_printf(a, "%lld", (long long)version);
}

static int unknown_version(struct err *err)
{
    return err_not_found(err, "Unknown backup version");
}

/* Versions are numbers only to us: what is none was never given out. */
static int read_version(struct str text, int64_t *out, struct err *err)
{
    return str_to_i64(text, out) && *out > 0 ? 0 : unknown_version(err);
}

/* version 0: the newest. */
static int get_backup(struct request *rq, int64_t version, struct key_backup *out, struct err *err)
{
    struct db_read *r = store_reader(server_of(rq)->store);
    int rc = key_backups_get(r, rq->arena, rq->who.user_nid, version, out, err);
    if (rc == E_NOT_FOUND) {
        return version ? unknown_version(err) : err_not_found(err, "No current backup version");
    }
    return rc;
}

static int reply_version(struct request *rq, int64_t version, struct err *err)
{
    struct key_backup b;
    json_t *out = json_object(), *auth_data;
    int rc = get_backup(rq, version, &b, err);
    if (rc == 0) {
        rc = json_parse(rq->arena, b.auth_data, JPARSE_REALS, &auth_data, err);
    }
    if (rc != 0) {
        return rc;
    }
    json_put_str(out, "algorithm", b.algorithm);
    json_put(out, STR("auth_data"), auth_data);
    json_put_int(out, "count", b.n_keys);
    json_put_str(out, "etag", version_text(rq->arena, b.etag));
    json_put_str(out, "version", version_text(rq->arena, b.version));
    return reply_json(rq, 200, out);
}

static int get_current_version(struct request *rq, struct err *err)
{
    return reply_version(rq, 0, err);
}

static int get_version(struct request *rq, struct err *err)
{
    int64_t version;
    int rc = read_version(rq->params[0], &version, err);
    return rc == 0 ? reply_version(rq, version, err) : rc;
}

struct version_change {
    uint64_t user_nid;
    int64_t most; /* bytes of all backups */
    struct str algorithm, auth_data;
    int64_t version;
};

static int read_auth_data(struct request *rq, struct version_change *c, struct err *err)
{
    const struct version_body *in = rq->in;
    c->user_nid = rq->who.user_nid;
    c->most = server_of(rq)->config->limits.key_backup;
    c->algorithm = in->algorithm;
    c->auth_data = json_encode(rq->arena, in->auth_data);
    return c->auth_data.n <= AUTH_DATA_MAX
               ? 0
               : err_too_large(err, "auth_data may have %d bytes", AUTH_DATA_MAX);
}

static int create_body(struct txn *t, void *arg)
{
    struct version_change *c = arg;
    return key_backups_create(t, c->user_nid, c->algorithm, c->auth_data, c->most, &c->version,
                              txn_err(t));
}

static int post_version(struct request *rq, struct err *err)
{
    struct version_change c;
    json_t *out = json_object();
    int rc = read_auth_data(rq, &c, err);
    if (rc == 0) {
        rc = store_write(server_of(rq)->store, "backup-create", create_body, &c, err);
    }
    if (rc != 0) {
        return rc;
    }
    json_put_str(out, "version", version_text(rq->arena, c.version));
    return reply_json(rq, 200, out);
}

static int update_body(struct txn *t, void *arg)
{
    const struct version_change *c = arg;
    return key_backups_set_auth_data(t, c->user_nid, c->version, c->auth_data, c->most, txn_err(t));
}

static int check_update(struct request *rq, int64_t version, struct err *err)
{
    const struct version_body *in = rq->in;
    struct key_backup b;
    int rc = get_backup(rq, version, &b, err);
    if (rc == 0 && in->version.p && !str_eq(in->version, rq->params[0])) {
        return err_invalid_param(err, "The version in the body is not the one in the path");
    }
    if (rc == 0 && !str_eq(in->algorithm, b.algorithm)) {
        return err_invalid_param(err, "Algorithm does not match");
    }
    return rc;
}

static int put_version(struct request *rq, struct err *err)
{
    struct version_change c;
    int rc = read_auth_data(rq, &c, err);
    if (rc == 0) {
        rc = read_version(rq->params[0], &c.version, err);
    }
    if (rc == 0) {
        rc = check_update(rq, c.version, err);
    }
    if (rc == 0) {
        rc = store_write(server_of(rq)->store, "backup-update", update_body, &c, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int delete_body(struct txn *t, void *arg)
{
    const struct version_change *c = arg;
    return key_backups_delete(t, c->user_nid, c->version, txn_err(t));
}

static int delete_version(struct request *rq, struct err *err)
{
    struct version_change c = {.user_nid = rq->who.user_nid};
    int rc = read_version(rq->params[0], &c.version, err);
    if (rc == 0) {
        rc = store_write(server_of(rq)->store, "backup-delete", delete_body, &c, err);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* ---- which keys ---- */

/* From the path and ?version=; n: how many of {roomId}, {sessionId} the path has. */
static int read_range(struct request *rq, unsigned n, struct backup_range *out, struct err *err)
{
    struct str version;
    *out = (struct backup_range){.user_nid = rq->who.user_nid};
    if (n > 0) {
        out->room_id = rq->params[0];
    }
    if (n > 1) {
        out->session_id = rq->params[1];
    }
    int rc = request_query_require(rq, "version", &version, err);
    return rc == 0 ? read_version(version, &out->version, err) : rc;
}

static int reply_state(struct request *rq, const struct key_backup *b)
{
    json_t *out = json_object();
    json_put_str(out, "etag", version_text(rq->arena, b->etag));
    json_put_int(out, "count", b->n_keys);
    return reply_json(rq, 200, out);
}

/* ---- storing keys ---- */

struct session_body {
    int64_t first_message_index, forwarded_count;
    bool is_verified;
    const json_t *session_data;
};
static const struct jfield session_fields[] = {
    FIELD(struct session_body, first_message_index, .max = CANONICAL_INT_MAX),
    FIELD(struct session_body, forwarded_count, .max = CANONICAL_INT_MAX),
    FIELD(struct session_body, is_verified),
    FIELD(struct session_body, session_data, .flags = J_OBJECT),
    {0},
};

struct sessions_body {
    const json_t *sessions;
};
static const struct jfield sessions_fields[] = {
    FIELD(struct sessions_body, sessions, .flags = J_OBJECT),
    {0},
};

struct rooms_body {
    const json_t *rooms;
};
static const struct jfield rooms_fields[] = {
    FIELD(struct rooms_body, rooms, .flags = J_OBJECT),
    {0},
};

struct storing {
    struct arena *arena;
    uint64_t user_nid;
    int64_t version, most;
    VEC(struct backup_session) keys;
    struct key_backup after; /* out */
};

static int read_session(struct storing *s, struct str room_id, struct str session_id,
                        const json_t *key, struct err *err)
{
    struct session_body body = {.session_data = NULL};
    int rc = json_decode(s->arena, key, session_fields, &body, err);
    if (rc != 0) {
        return rc;
    }
    struct str data = json_encode(s->arena, body.session_data);
    if (data.n > SESSION_MAX) {
        return err_too_large(err, "A key may have %d bytes", SESSION_MAX);
    }
    if (room_id.n > NAME_MAX_LEN || session_id.n > NAME_MAX_LEN) {
        return err_invalid_param(err, "The ids of room and session may have %d bytes",
                                 NAME_MAX_LEN);
    }
    vec_push(&s->keys, (struct backup_session){.room_id = room_id,
                                               .session_id = session_id,
                                               .first_message_index = body.first_message_index,
                                               .forwarded_count = body.forwarded_count,
                                               .is_verified = body.is_verified,
                                               .session_data = data});
    return 0;
}

static int read_sessions(struct storing *s, struct str room_id, const json_t *object,
                         struct err *err)
{
    struct sessions_body body = {.sessions = NULL};
    int rc = json_decode(s->arena, object, sessions_fields, &body, err);
    for (struct json_iter it = json_iter(body.sessions); rc == 0 && json_next(&it);) {
        rc = read_session(s, room_id, it.key, it.value, err);
    }
    return rc;
}

static int read_rooms(struct storing *s, const json_t *object, struct err *err)
{
    struct rooms_body body = {.rooms = NULL};
    int rc = json_decode(s->arena, object, rooms_fields, &body, err);
    for (struct json_iter it = json_iter(body.rooms); rc == 0 && json_next(&it);) {
        rc = read_sessions(s, it.key, it.value, err);
    }
    return rc;
}

/* Keys go only into the newest version: a client that does not know of it yet must learn of it. */
static int check_current(struct txn *t, const struct storing *s)
{
    struct key_backup current, named;
    struct err *err = txn_err(t);
    int rc = key_backups_get(txn_read(t), s->arena, s->user_nid, s->version, &named, err);
    if (rc == 0) {
        rc = key_backups_get(txn_read(t), s->arena, s->user_nid, 0, &current, err);
    }
    if (rc == E_NOT_FOUND) {
        return unknown_version(err);
    }
    if (rc == 0 && current.version != s->version) {
        rc = err_set(err, E_FORBIDDEN, 403, "M_WRONG_ROOM_KEYS_VERSION", "Wrong backup version");
        (void)!snprintf(err->extra, sizeof(err->extra), "\"current_version\":\"%lld\"",
                        (long long)current.version);
    }
    return rc;
}

static int store_body(struct txn *t, void *arg)
{
    struct storing *s = arg;
    int rc = check_current(t, s);
    if (rc == 0) {
        rc = backup_sessions_put(t, s->user_nid, s->version, s->keys.p, s->keys.n, s->most,
                                 &s->after, txn_err(t));
    }
    return rc;
}

static int put_keys(struct request *rq, unsigned n, struct err *err)
{
    struct backup_range range;
    struct storing s = {.arena = rq->arena,
                        .user_nid = rq->who.user_nid,
                        .most = server_of(rq)->config->limits.key_backup};
    int rc = read_range(rq, n, &range, err);
    if (rc == 0) {
        s.version = range.version;
        rc = n == 0   ? read_rooms(&s, rq->json, err)
             : n == 1 ? read_sessions(&s, range.room_id, rq->json, err)
                      : read_session(&s, range.room_id, range.session_id, rq->json, err);
    }
    if (rc == 0) {
        rc = store_write(server_of(rq)->store, "backup-keys", store_body, &s, err);
    }
    vec_release(&s.keys);
    return rc == 0 ? reply_state(rq, &s.after) : rc;
}

static int put_all(struct request *rq, struct err *err)
{
    return put_keys(rq, 0, err);
}
static int put_room(struct request *rq, struct err *err)
{
    return put_keys(rq, 1, err);
}
static int put_session(struct request *rq, struct err *err)
{
    return put_keys(rq, 2, err);
}

/* ---- reading keys ---- */

struct backup_reading {
    struct request *rq;
    struct json_writer w;
    struct err *err;
    bool by_room;    /* rooms around the sessions */
    struct str room; /* the open one; .p == NULL: none */
    size_t n;
};

static void write_session_members(struct json_writer *w, const struct backup_session *row)
{
    JW_INT(w, "first_message_index", row->first_message_index);
    JW_INT(w, "forwarded_count", row->forwarded_count);
    JW_BOOL(w, "is_verified", row->is_verified);
    JW_RAW(w, "session_data", row->session_data);
}

static void close_room(struct backup_reading *g)
{
    if (g->room.p) {
        jw_end(&g->w);
        jw_end(&g->w);
    }
}

static int write_session(void *row, void *arg)
{
    const struct backup_session *session = row;
    struct backup_reading *g = arg;
    if (g->by_room && !(g->room.p && str_eq(g->room, session->room_id))) {
        close_room(g);
        g->room = arena_str(g->rq->arena, session->room_id);
        jw_key(&g->w, g->room);
        jw_object(&g->w);
        JW_OBJECT(&g->w, "sessions");
    }
    jw_key(&g->w, session->session_id);
    jw_object(&g->w);
    write_session_members(&g->w, session);
    jw_end(&g->w);
    g->n++;
    return reply_more(g->rq, g->w.out, g->err);
}

static int write_only_session(void *row, void *arg)
{
    struct backup_reading *g = arg;
    jw_object(&g->w);
    write_session_members(&g->w, row);
    jw_end(&g->w);
    g->n++;
    return 0;
}

static int read_only_session(struct request *rq, const struct backup_range *range,
                             struct backup_reading *g, struct err *err)
{
    struct backup_session row;
    int rc = backup_sessions_each(store_reader(server_of(rq)->store), range, &row,
                                  write_only_session, g, err);
    return rc == 0 && g->n == 0 ? err_not_found(err, "Key not found") : rc;
}

static int read_range_of_keys(struct request *rq, const struct backup_range *range,
                              struct backup_reading *g, struct err *err)
{
    struct backup_session row;
    jw_object(&g->w);
    jw_key(&g->w, g->by_room ? STR("rooms") : STR("sessions"));
    jw_object(&g->w);
    int rc = backup_sessions_each(store_reader(server_of(rq)->store), range, &row, write_session, g,
                                  err);
    close_room(g);
    jw_end(&g->w);
    jw_end(&g->w);
    return rc;
}

static int get_keys(struct request *rq, unsigned n, struct err *err)
{
    struct backup_range range;
    struct key_backup b;
    struct buf out = BUF_INIT(RESPONSE_MAX);
    struct backup_reading g = {.rq = rq, .w = jw_over(&out), .err = err, .by_room = n == 0};
    int rc = read_range(rq, n, &range, err);
    if (rc == 0) {
        rc = get_backup(rq, range.version, &b, err);
    }
    if (rc == 0) {
        rc = n == 2 ? read_only_session(rq, &range, &g, err)
                    : read_range_of_keys(rq, &range, &g, err);
    }
    if (rc == 0 && out.overflow) {
        rc = err_too_large(err, "The backup is too large for one answer");
    }
    return handler_reply_written(rq, &out, rc, err);
}

static int get_all(struct request *rq, struct err *err)
{
    return get_keys(rq, 0, err);
}
static int get_room(struct request *rq, struct err *err)
{
    return get_keys(rq, 1, err);
}
static int get_session(struct request *rq, struct err *err)
{
    return get_keys(rq, 2, err);
}

/* ---- deleting keys ---- */

struct deleting {
    struct backup_range range;
    struct key_backup after; /* out */
    bool more;
};

static int delete_keys_body(struct txn *t, void *arg)
{
    struct deleting *d = arg;
    int rc = backup_sessions_delete(t, &d->range, DELETE_STEP, &d->after, &d->more, txn_err(t));
    return rc == E_NOT_FOUND ? unknown_version(txn_err(t)) : rc;
}

/* In steps, so that others get their turn in between: a backup has a hundred thousand keys. */
static int delete_keys(struct request *rq, unsigned n, struct err *err)
{
    struct deleting d = {.more = true};
    int rc = read_range(rq, n, &d.range, err);
    while (rc == 0 && d.more) {
        rc = store_write(server_of(rq)->store, "backup-delete-keys", delete_keys_body, &d, err);
    }
    return rc == 0 ? reply_state(rq, &d.after) : rc;
}

static int delete_all(struct request *rq, struct err *err)
{
    return delete_keys(rq, 0, err);
}
static int delete_room(struct request *rq, struct err *err)
{
    return delete_keys(rq, 1, err);
}
static int delete_session(struct request *rq, struct err *err)
{
    return delete_keys(rq, 2, err);
}

#define VERSION "/_matrix/client/v3/room_keys/version"
#define KEYS    "/_matrix/client/v3/room_keys/keys"
/* Clients of before v1.1, and Element's for phones ever since, say `unstable`. */
#define USER                                                                                       \
    .auth = ROUTE_USER, .rate = RATE_DEFAULT, .flags = ROUTE_ALSO_UNSTABLE | ROUTE_JSON_REALS
#define VERSION_BODY BODY(struct version_body, version_fields)
#define KEYS_BODY    .body = ROUTE_BODY_JSON, .body_max = KEYS_BODY_MAX

const struct route room_keys_routes[] = {
    {HTTP_POST, VERSION, post_version, USER, VERSION_BODY},
    {HTTP_GET, VERSION, get_current_version, USER},
    {HTTP_GET, VERSION "/{version}", get_version, USER},
    {HTTP_PUT, VERSION "/{version}", put_version, USER, VERSION_BODY},
    {HTTP_DELETE, VERSION "/{version}", delete_version, USER},
    {HTTP_PUT, KEYS, put_all, USER, KEYS_BODY},
    {HTTP_GET, KEYS, get_all, USER},
    {HTTP_DELETE, KEYS, delete_all, USER},
    {HTTP_PUT, KEYS "/{roomId}", put_room, USER, KEYS_BODY},
    {HTTP_GET, KEYS "/{roomId}", get_room, USER},
    {HTTP_DELETE, KEYS "/{roomId}", delete_room, USER},
    {HTTP_PUT, KEYS "/{roomId}/{sessionId}", put_session, USER, KEYS_BODY},
    {HTTP_GET, KEYS "/{roomId}/{sessionId}", get_session, USER},
    {HTTP_DELETE, KEYS "/{roomId}/{sessionId}", delete_session, USER},
    {0},
};
