/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of devices: upload, query, claim, changes ("End-to-End Encryption", "Key management API"). */
#include "client/handler.h"
#include "client/routes.h"
#include "client/signed_key.h"
#include "core/changes.h"
#include "core/device_list.h"
#include "core/key_counts.h"
#include "core/sync_token.h"
#include "matrix/ids.h"
#include "store/cross_signing.h"
#include "store/device_keys.h"
#include "store/devices.h"
#include "store/names.h"
#include "store/one_time_keys.h"
#include "wire/canonical.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

enum {
    KEYS_OF_UPLOAD = 1000,       /* one-time keys in one request */
    KEYS_OF_DEVICE = 5000,       /* and stored per algorithm: clients keep about fifty */
    ALGORITHMS = 20,             /* of a device's one-time keys, and of its fallback keys */
    ALGORITHM_MAX = 64,          /* bytes of an algorithm's name */
    KEY_ID_MAX = 255,            /* bytes of a key's name, with the algorithm */
    KEY_MAX = 8 * 1024,          /* bytes of one key */
    DEVICE_KEYS_MAX = 64 * 1024, /* bytes of a device's keys with signatures */
    RESPONSE_MAX = 256 * 1024 * 1024,
};

/* ---- upload: what is sent ---- */

struct upload_body {
    const json_t *device_keys, *one_time_keys, *fallback_keys;
};
static const struct jfield upload_fields[] = {
    FIELD(struct upload_body, device_keys, .flags = OPT | J_OBJECT),
    FIELD(struct upload_body, one_time_keys, .flags = OPT | J_OBJECT, .max = KEYS_OF_UPLOAD),
    FIELD(struct upload_body, fallback_keys, .flags = OPT | J_OBJECT, .max = ALGORITHMS),
    {0},
};

struct device_keys_body {
    struct str user_id, device_id;
    struct str_list algorithms;
    const json_t *keys, *signatures;
};
static const struct jfield device_keys_fields[] = {
    FIELD(struct device_keys_body, user_id),
    FIELD(struct device_keys_body, device_id),
    FIELD(struct device_keys_body, algorithms),
    FIELD(struct device_keys_body, keys, .flags = J_OBJECT),
    FIELD(struct device_keys_body, signatures, .flags = J_OBJECT),
    {0},
};

struct new_key {
    struct str algorithm;
    struct one_time_key key;
};
struct new_keys {
    struct new_key *p;
    size_t n;
};

struct upload {
    struct server *server;
    struct arena *arena;
    const struct identity *who;
    struct str device_keys; /* canonical JSON; .p == NULL: none */
    bool is_new_identity;   /* the device had other keys before: signatures on those are void */
    struct new_keys one_time, fallback;
    struct one_time_key_count *counts; /* out */
    size_t n_counts;
};

static int compare_identity(struct request *rq, struct upload *u, const json_t *keys,
                            struct err *err)
{
    struct device_keys_row row;
    json_t *old;
    struct str before, now;
    int rc = device_keys_get(store_reader(u->server->store), rq->arena, rq->who.user_nid,
                             rq->who.device_id, &row, err);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    if (rc == 0) {
        rc = json_parse(rq->arena, row.json, JPARSE_REALS, &old, err);
    }
    if (rc == 0) {
        rc = signed_key_part(rq->arena, old, &before, err);
    }
    if (rc == 0) {
        rc = signed_key_part(rq->arena, keys, &now, err);
    }
    u->is_new_identity = rc == 0 && !str_eq(before, now);
    return rc;
}

static int check_strings(const json_t *object, struct err *err)
{
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        if (!json_is_string(it.value)) {
            return err_bad_json(err, "The public key %.*s is not a string", STR_ARG(it.key));
        }
    }
    return 0;
}

static int read_device_keys(struct request *rq, struct upload *u, const json_t *keys,
                            struct err *err)
{
    static const struct str skip[] = {STR_INIT("unsigned")};
    struct device_keys_body body = {.keys = NULL};
    int rc = json_decode(rq->arena, keys, device_keys_fields, &body, err);
    if (rc == 0) {
        rc = check_strings(body.keys, err);
    }
    if (rc == 0 &&
        !(str_eq(body.user_id, rq->who.user_id) && str_eq(body.device_id, rq->who.device_id))) {
        rc = err_invalid_param(err, "These are the keys of another device than this one");
    }
    if (rc == 0) {
        rc = canonical_encode_without(rq->arena, keys, skip, ARRAY_LEN(skip), 0, &u->device_keys,
                                      err);
    }
    if (rc == 0 && u->device_keys.n > DEVICE_KEYS_MAX) {
        rc = err_too_large(err, "The keys of a device may have %d bytes", DEVICE_KEYS_MAX);
    }
    return rc == 0 ? compare_identity(rq, u, keys, err) : rc;
}

static int read_key(struct request *rq, struct str name, const json_t *value, struct new_key *out,
                    struct err *err)
{
    struct str id;
    if (!str_split(name, ':', &out->algorithm, &id) || out->algorithm.n == 0 || id.n == 0 ||
        out->algorithm.n > ALGORITHM_MAX || name.n > KEY_ID_MAX) {
        return err_invalid_param(err, "\"%.*s\" is not the name of a key: algorithm:id",
                                 (int)MIN(name.n, 64), name.p);
    }
    if (!json_is_string(value) && !json_is_object(value)) {
        return err_bad_json(err, "The key %.*s is neither a string nor an object", STR_ARG(name));
    }
    out->key.key_id = name;
    int rc = canonical_encode(rq->arena, value, 0, &out->key.json, err);
    if (rc == 0 && out->key.json.n > KEY_MAX) {
        rc = err_too_large(err, "A key may have %d bytes", KEY_MAX);
    }
    return rc;
}

static int read_keys(struct request *rq, const json_t *object, struct new_keys *out,
                     struct err *err)
{
    int rc = 0;
    out->p = arena_array(rq->arena, struct new_key, json_object_size(object));
    for (struct json_iter it = json_iter(object); rc == 0 && json_next(&it);) {
        rc = read_key(rq, it.key, it.value, &out->p[out->n++], err);
    }
    return rc;
}

static int check_one_per_algorithm(const struct new_keys *keys, struct err *err)
{
    for (size_t i = 1; i < keys->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (str_eq(keys->p[i].algorithm, keys->p[j].algorithm)) {
                return err_invalid_param(err, "There are two fallback keys for %.*s",
                                         STR_ARG(keys->p[i].algorithm));
            }
        }
    }
    return 0;
}

static int read_upload(struct request *rq, struct upload *u, struct err *err)
{
    const struct upload_body *in = rq->in;
    int rc = 0;
    if (in->device_keys) {
        rc = read_device_keys(rq, u, in->device_keys, err);
    }
    if (rc == 0) {
        rc = read_keys(rq, in->one_time_keys, &u->one_time, err);
    }
    if (rc == 0) {
        rc = read_keys(rq, in->fallback_keys, &u->fallback, err);
    }
    return rc == 0 ? check_one_per_algorithm(&u->fallback, err) : rc;
}

/* ---- upload: storing ---- */

static int put_device_keys(struct txn *t, const struct upload *u)
{
    bool changed = false;
    int rc = 0;
    if (u->is_new_identity) {
        rc = key_signatures_delete_of_key(t, u->who->user_nid, u->who->device_id, txn_err(t));
    }
    if (rc == 0) {
        rc = device_keys_put(t, u->who->user_nid, u->who->device_id, u->device_keys, &changed,
                             txn_err(t));
    }
    return rc == 0 && changed ? device_list_announce(t, u->server, u->who->user_nid, txn_err(t))
                              : rc;
}

static int put_one_time_keys(struct txn *t, const struct upload *u)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < u->one_time.n; i++) {
        const struct new_key *k = &u->one_time.p[i];
        rc = one_time_keys_insert(t, u->who->device_nid, k->algorithm, &k->key, txn_err(t));
    }
    for (size_t i = 0; rc == 0 && i < u->fallback.n; i++) {
        const struct new_key *k = &u->fallback.p[i];
        rc = fallback_keys_put(t, u->who->device_nid, k->algorithm, &k->key, txn_err(t));
    }
    key_counts_changed(t, u->server, u->who->device_nid);
    return rc;
}

static int check_counts(const struct upload *u, struct err *err)
{
    if (u->n_counts > ALGORITHMS) {
        return err_invalid_param(err, "A device may have one-time keys of %d algorithms",
                                 ALGORITHMS);
    }
    for (size_t i = 0; i < u->n_counts; i++) {
        if (u->counts[i].n > KEYS_OF_DEVICE) {
            return err_invalid_param(err, "A device may have %d one-time keys", KEYS_OF_DEVICE);
        }
    }
    return 0;
}

static int read_counts(struct db_read *r, struct upload *u, struct err *err)
{
    return one_time_keys_count(r, u->arena, u->who->device_nid, &u->counts, &u->n_counts, err);
}

static int check_fallbacks(struct txn *t, const struct upload *u)
{
    struct db_str *algorithms;
    size_t n = 0;
    int rc = fallback_keys_unused(txn_read(t), txn_arena(t), u->who->device_nid, &algorithms, &n,
                                  txn_err(t));
    return rc == 0 && n > ALGORITHMS
               ? err_invalid_param(txn_err(t), "A device may have fallback keys of %d algorithms",
                                   ALGORITHMS)
               : rc;
}

static int upload_body(struct txn *t, void *arg)
{
    struct upload *u = arg;
    int rc = u->device_keys.p ? put_device_keys(t, u) : 0;
    if (rc == 0 && u->one_time.n + u->fallback.n > 0) {
        rc = put_one_time_keys(t, u);
    }
    if (rc == 0) {
        rc = read_counts(txn_read(t), u, txn_err(t));
    }
    if (rc == 0) {
        rc = check_counts(u, txn_err(t));
    }
    return rc == 0 && u->fallback.n > 0 ? check_fallbacks(t, u) : rc;
}

static int reply_counts(struct request *rq, const struct upload *u)
{
    json_t *counts = json_object(), *out = json_object();
    json_put_int(counts, "signed_curve25519", 0); /* some clients do not take absence for zero */
    for (size_t i = 0; i < u->n_counts; i++) {
        json_put(counts, u->counts[i].algorithm, json_integer(u->counts[i].n));
    }
    json_put(out, STR("one_time_key_counts"), counts);
    return reply_json(rq, 200, out);
}

static int post_upload(struct request *rq, struct err *err)
{
    struct server *s = server_of(rq);
    struct upload u = {.server = s, .arena = rq->arena, .who = &rq->who};
    if (!rq->who.device_nid) {
        return err_invalid_param(err, "Only a device can upload keys");
    }
    int rc = read_upload(rq, &u, err);
    if (rc == 0 && (u.device_keys.p || u.one_time.n + u.fallback.n > 0)) {
        rc = store_write(s->store, "keys-upload", upload_body, &u, err);
    } else if (rc == 0) {
        rc = read_counts(store_reader(s->store), &u, err);
    }
    return rc == 0 ? reply_counts(rq, &u) : rc;
}

/* ---- users of other servers ---- */

/* There is no way to them: their servers are named as failed, so that clients ask again later. */
static void note_failure(json_t *failures, struct str server)
{
    if (!json_find(failures, server)) {
        json_t *failure = json_object();
        json_put_int(failure, "status", 503);
        json_put_str(failure, "message", STR("This server does not talk to other servers"));
        json_put(failures, server, failure);
    }
}

/* *out_nid = 0 for users whom nobody here knows, or who are elsewhere (their server goes to failures). */
static int find_user(struct request *rq, struct str user_id, json_t *failures, uint64_t *out_nid,
                     struct err *err)
{
    struct server *s = server_of(rq);
    struct matrix_id id;
    *out_nid = 0;
    if (!user_id_parse(user_id, &id)) {
        return err_invalid_param(err, "\"%.*s\" is not a user id", (int)MIN(user_id.n, 64),
                                 user_id.p);
    }
    if (!server_is_local(s, user_id)) {
        note_failure(failures, id.domain);
        return 0;
    }
    return names_find(s->store, store_reader(s->store), user_id, out_nid, err);
}

/* ---- query ---- */

struct query_body {
    const json_t *device_keys;
};
static const struct jfield query_fields[] = {
    FIELD(struct query_body, device_keys, .flags = J_OBJECT),
    {0},
};

/* One user with their keys, and the signatures on them that the asker may see: the user's own and the asker's. */
struct queried {
    struct str user_id;
    uint64_t nid;
    const json_t *wanted; /* device ids; empty: all */
    struct device_keys_row *devices;
    struct cross_signing_key *cross;
    struct key_signature *signatures;
    size_t n_devices, n_cross, n_signatures;
};

struct query {
    struct arena *arena;
    const struct identity *who;
    struct queried *users;
    size_t n;
    json_t *failures;
    struct json_writer w;
};

static int load_user(struct query *q, struct db_read *r, struct queried *u, struct err *err)
{
    int rc = device_keys_of_user(r, q->arena, u->nid, &u->devices, &u->n_devices, err);
    if (rc == 0) {
        rc = cross_signing_of_user(r, q->arena, u->nid, &u->cross, &u->n_cross, err);
    }
    if (rc == 0) {
        rc = key_signatures_of_user(r, q->arena, u->nid, q->who->user_nid, &u->signatures,
                                    &u->n_signatures, err);
    }
    return rc;
}

static int check_wanted(struct str user_id, const json_t *wanted, struct err *err)
{
    bool ok = json_is_array(wanted);
    for (size_t i = 0; ok && i < json_array_size(wanted); i++) {
        ok = json_is_string(json_array_get(wanted, i));
    }
    return ok ? 0
              : err_bad_json(err, "The devices of %.*s are not a list of device ids",
                             STR_ARG(user_id));
}

static int load_users(struct request *rq, struct query *q, const json_t *wanted, struct err *err)
{
    int rc = 0;
    q->users = arena_array(rq->arena, struct queried, json_object_size(wanted));
    for (struct json_iter it = json_iter(wanted); rc == 0 && json_next(&it);) {
        struct queried *u = &q->users[q->n];
        *u = (struct queried){.user_id = it.key, .wanted = it.value};
        rc = check_wanted(it.key, it.value, err);
        if (rc == 0) {
            rc = find_user(rq, it.key, q->failures, &u->nid, err);
        }
        if (rc == 0 && u->nid) {
            rc = load_user(q, store_reader(server_of(rq)->store), u, err);
            q->n++;
        }
    }
    return rc;
}

static json_t *member_object(json_t *object, struct str key)
{
    json_t *member = (json_t *)json_find(object, key);
    if (!json_is_object(member)) {
        json_put(object, key, member = json_object());
    }
    return member;
}

static void add_signatures(const struct query *q, const struct queried *u, struct str key_name,
                           json_t *key)
{
    for (size_t i = 0; i < u->n_signatures; i++) {
        const struct key_signature *s = &u->signatures[i];
        if (str_eq(s->target_key, key_name)) {
            struct str signer = s->signer_nid == u->nid ? u->user_id : q->who->user_id;
            json_t *all = member_object(key, STR("signatures"));
            json_put(member_object(all, signer), s->signer_key, json_new_str(s->signature));
        }
    }
}

static bool has_signatures(const struct queried *u, struct str key_name)
{
    for (size_t i = 0; i < u->n_signatures; i++) {
        if (str_eq(u->signatures[i].target_key, key_name)) {
            return true;
        }
    }
    return false;
}

static void write_members(struct json_writer *w, const json_t *object)
{
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        jw_key(w, it.key);
        jw_json(w, it.value);
    }
}

/* Keys that nobody else has signed are copied as they are stored. */
static int write_device(struct query *q, const struct queried *u,
                        const struct device_keys_row *device, struct err *err)
{
    json_t *keys = NULL;
    if (has_signatures(u, device->device_id)) {
        int rc = json_parse(q->arena, device->json, JPARSE_REALS, &keys, err);
        if (rc != 0) {
            return rc;
        }
        add_signatures(q, u, device->device_id, keys);
    }
    jw_key(&q->w, device->device_id);
    jw_object(&q->w);
    if (keys) {
        write_members(&q->w, keys);
    } else {
        jw_members(&q->w, device->json);
    }
    JW_OBJECT(&q->w, "unsigned");
    if (device->display_name.p) {
        JW_STR(&q->w, "device_display_name", device->display_name);
    }
    jw_end(&q->w);
    jw_end(&q->w);
    return 0;
}

static bool is_wanted(const struct queried *u, struct str device_id)
{
    size_t n = json_array_size(u->wanted);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(json_str(json_array_get(u->wanted, i)), device_id)) {
            return true;
        }
    }
    return n == 0;
}

static int write_devices(struct query *q, struct err *err)
{
    int rc = 0;
    JW_OBJECT(&q->w, "device_keys");
    for (size_t i = 0; i < q->n; i++) {
        const struct queried *u = &q->users[i];
        jw_key(&q->w, u->user_id);
        jw_object(&q->w);
        for (size_t j = 0; rc == 0 && j < u->n_devices; j++) {
            if (is_wanted(u, u->devices[j].device_id)) {
                rc = write_device(q, u, &u->devices[j], err);
            }
        }
        jw_end(&q->w);
    }
    jw_end(&q->w);
    return rc;
}

static int write_cross_key(struct query *q, const struct queried *u, struct str json,
                           struct err *err)
{
    json_t *key;
    struct str name;
    int rc = json_parse(q->arena, json, JPARSE_REALS, &key, err);
    if (rc == 0 && signed_key_public(key, &name)) {
        add_signatures(q, u, name, key);
        jw_key(&q->w, u->user_id);
        jw_json(&q->w, key);
    }
    return rc;
}

/* Whom a user has verified is their own affair: nobody else gets their user-signing key. */
static int write_cross_keys(struct query *q, const char *section, enum cross_signing_usage usage,
                            struct err *err)
{
    int rc = 0;
    jw_key(&q->w, str_c(section));
    jw_object(&q->w);
    for (size_t i = 0; i < q->n; i++) {
        const struct queried *u = &q->users[i];
        bool may_see = usage != CROSS_SIGNING_USER || u->nid == q->who->user_nid;
        for (size_t j = 0; rc == 0 && may_see && j < u->n_cross; j++) {
            if (u->cross[j].usage == (int)usage) {
                rc = write_cross_key(q, u, u->cross[j].json, err);
            }
        }
    }
    jw_end(&q->w);
    return rc;
}

static int write_query(struct query *q, struct err *err)
{
    jw_object(&q->w);
    int rc = write_devices(q, err);
    if (rc == 0) {
        rc = write_cross_keys(q, "master_keys", CROSS_SIGNING_MASTER, err);
    }
    if (rc == 0) {
        rc = write_cross_keys(q, "self_signing_keys", CROSS_SIGNING_SELF, err);
    }
    if (rc == 0) {
        rc = write_cross_keys(q, "user_signing_keys", CROSS_SIGNING_USER, err);
    }
    JW_JSON(&q->w, "failures", q->failures);
    jw_end(&q->w);
    if (rc == 0 && q->w.out->overflow) {
        rc = err_too_large(err, "These are too many keys for one answer");
    }
    return rc;
}

static int post_query(struct request *rq, struct err *err)
{
    const struct query_body *in = rq->in;
    struct db_read *r = store_reader(server_of(rq)->store);
    struct buf out = BUF_INIT(RESPONSE_MAX);
    struct query q = {
        .arena = rq->arena, .who = &rq->who, .failures = json_object(), .w = jw_over(&out)};
    int rc = store_snapshot_begin(r, err); /* keys and the signatures on them belong together */
    if (rc == 0) {
        rc = load_users(rq, &q, in->device_keys, err);
        store_snapshot_end(r);
    }
    if (rc == 0) {
        rc = write_query(&q, err);
    }
    return handler_reply_written(rq, &out, rc, err);
}

/* ---- claim ---- */

struct claim_body {
    const json_t *one_time_keys;
};
static const struct jfield claim_fields[] = {
    FIELD(struct claim_body, one_time_keys, .flags = J_OBJECT),
    {0},
};

struct claim {
    struct str user_id, device_id, algorithm;
    uint64_t user_nid, device_nid;
    struct one_time_key key; /* out; key_id.p == NULL: the device has none */
};
struct claims {
    struct server *server;
    struct arena *arena;
    struct claim *p;
    size_t n, room;
};

static int add_claim(struct claims *all, const struct claim *claim, struct err *err)
{
    struct device_row device;
    int rc = devices_find(store_reader(all->server->store), all->arena, claim->user_nid,
                          claim->device_id, &device, err);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    if (rc == 0) {
        bug_on(all->n == all->room);
        all->p[all->n] = *claim;
        all->p[all->n++].device_nid = device.nid;
    }
    return rc;
}

static int add_claims_of(struct claims *all, struct claim claim, const json_t *devices,
                         struct err *err)
{
    int rc = 0;
    for (struct json_iter it = json_iter(devices); rc == 0 && json_next(&it);) {
        if (!json_is_string(it.value)) {
            return err_bad_json(err, "The algorithm for device %.*s is not a string",
                                STR_ARG(it.key));
        }
        claim.device_id = it.key;
        claim.algorithm = json_str(it.value);
        rc = claim.user_nid ? add_claim(all, &claim, err) : 0;
    }
    return rc;
}

static int read_claims(struct request *rq, struct claims *all, json_t *failures, struct err *err)
{
    const struct claim_body *in = rq->in;
    int rc = 0;
    for (struct json_iter it = json_iter(in->one_time_keys); json_next(&it);) {
        if (!json_is_object(it.value)) {
            return err_bad_json(err, "The devices of %.*s are not an object", STR_ARG(it.key));
        }
        all->room += json_object_size(it.value);
    }
    all->p = arena_array(rq->arena, struct claim, all->room);
    for (struct json_iter it = json_iter(in->one_time_keys); rc == 0 && json_next(&it);) {
        struct claim claim = {.user_id = it.key};
        rc = find_user(rq, it.key, failures, &claim.user_nid, err);
        if (rc == 0) {
            rc = add_claims_of(all, claim, it.value, err);
        }
    }
    return rc;
}

static int take_key(struct txn *t, const struct claims *all, struct claim *claim)
{
    claim->key = (struct one_time_key){.key_id = STR_NONE};
    int rc = one_time_keys_claim(t, all->arena, claim->device_nid, claim->algorithm, &claim->key,
                                 NULL, txn_err(t));
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    key_counts_changed(t, all->server, claim->device_nid);
    changes_add(t, all->server,
                (struct change){CHANGE_KEY_COUNTS, txn_position(t), .user = claim->user_nid,
                                .device = claim->device_nid});
    return 0;
}

static int claim_body(struct txn *t, void *arg)
{
    struct claims *all = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < all->n; i++) {
        rc = take_key(t, all, &all->p[i]);
    }
    return rc;
}

static int put_claimed(struct arena *a, json_t *users, const struct claim *claim, struct err *err)
{
    json_t *key;
    if (!claim->key.key_id.p) {
        return 0;
    }
    int rc = json_parse(a, claim->key.json, JPARSE_REALS | JPARSE_SCALAR, &key, err);
    if (rc == 0) {
        json_t *device = member_object(member_object(users, claim->user_id), claim->device_id);
        json_put(device, claim->key.key_id, key);
    }
    return rc;
}

static int post_claim(struct request *rq, struct err *err)
{
    struct server *s = server_of(rq);
    struct claims all = {.server = s, .arena = rq->arena};
    json_t *failures = json_object(), *users = json_object(), *out = json_object();
    int rc = read_claims(rq, &all, failures, err);
    if (rc == 0 && all.n > 0) {
        rc = store_write(s->store, "keys-claim", claim_body, &all, err);
    }
    for (size_t i = 0; rc == 0 && i < all.n; i++) {
        rc = put_claimed(rq->arena, users, &all.p[i], err);
    }
    json_put(out, STR("one_time_keys"), users);
    json_put(out, STR("failures"), failures);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

/* ---- changes ---- */

static int query_token(struct request *rq, const char *name, struct sync_token *out,
                       struct err *err)
{
    struct str text;
    int rc = request_query_require(rq, name, &text, err);
    return rc == 0 ? sync_token_read(server_of(rq), text, out, err) : rc;
}

static int put_users(struct request *rq, json_t *out, const char *key, const uint64_t *nids,
                     size_t n, struct err *err)
{
    struct store *store = server_of(rq)->store;
    struct str *ids = arena_array(rq->arena, struct str, n);
    json_t *list = json_array();
    int rc = names_texts(store, store_reader(store), nids, n, rq->arena, ids, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        json_array_append_new(list, json_new_str(ids[i]));
    }
    json_put(out, str_c(key), list);
    return rc;
}

static int get_changes(struct request *rq, struct err *err)
{
    struct server *s = server_of(rq);
    struct sync_token from, to;
    struct device_list_updates u;
    json_t *out = json_object();
    int rc = query_token(rq, "from", &from, err);
    if (rc == 0) {
        rc = query_token(rq, "to", &to, err);
    }
    if (rc == 0) {
        to.position = MIN(to.position, store_position(s->store));
        rc = from.is_foreign ? device_list_everybody(s, rq->arena, rq->who.user_nid, &u, err)
                             : device_list_updates(s, rq->arena, rq->who.user_nid, from.position,
                                                   to.position, &u, err);
    }
    if (rc == 0) {
        rc = put_users(rq, out, "changed", u.changed, u.n_changed, err);
    }
    if (rc == 0) {
        rc = put_users(rq, out, "left", u.left, u.n_left, err);
    }
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

const struct route keys_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/keys/upload", post_upload, .auth = ROUTE_GUEST_OK,
     BODY(struct upload_body, upload_fields), .rate = RATE_KEYS},
    {HTTP_POST, "/_matrix/client/v3/keys/query", post_query, .auth = ROUTE_GUEST_OK,
     BODY(struct query_body, query_fields), .rate = RATE_KEYS},
    {HTTP_POST, "/_matrix/client/v3/keys/claim", post_claim, .auth = ROUTE_GUEST_OK,
     BODY(struct claim_body, claim_fields), .rate = RATE_KEYS},
    {HTTP_GET, "/_matrix/client/v3/keys/changes", get_changes, .auth = ROUTE_USER,
     .rate = RATE_KEYS},
    {0},
};
