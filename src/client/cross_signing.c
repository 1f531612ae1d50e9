/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-signing: a user's three signing keys, and signatures on keys ("Cross-signing"). */
#include "store/cross_signing.h"
#include "client/handler.h"
#include "client/routes.h"
#include "client/signed_key.h"
#include "client/uia.h"
#include "core/device_list.h"
#include "crypto/json_sign.h"
#include "store/device_keys.h"
#include "store/devices.h"
#include "store/names.h"
#include "wire/base64.h"
#include "wire/jfield.h"

enum {
    CROSS_KEY_MAX = 64 * 1024, /* bytes of one key with its signatures */
    KINDS = CROSS_SIGNING_USER + 1,
};

static const struct str usage_names[KINDS] = {[CROSS_SIGNING_MASTER] = STR_INIT("master"),
                                              [CROSS_SIGNING_SELF] = STR_INIT("self_signing"),
                                              [CROSS_SIGNING_USER] = STR_INIT("user_signing")};

static int bad_signature(struct err *err, const char *sentence)
{
    return err_set(err, E_INVALID, 400, "M_INVALID_SIGNATURE", "%s", sentence);
}

static bool decode_public(struct str text, unsigned char out[ED25519_PUBLIC_LEN])
{
    return base64_decode_exact(out, ED25519_PUBLIC_LEN, text, 0);
}

/* ---- uploading the three keys ---- */

struct setup_body {
    const json_t *master_key, *self_signing_key, *user_signing_key;
};
static const struct jfield setup_fields[] = {
    FIELD(struct setup_body, master_key, .flags = OPT | J_OBJECT),
    FIELD(struct setup_body, self_signing_key, .flags = OPT | J_OBJECT),
    FIELD(struct setup_body, user_signing_key, .flags = OPT | J_OBJECT),
    {0},
};

struct cross_key_body {
    struct str user_id;
    struct str_list usage;
    const json_t *keys, *signatures;
};
static const struct jfield cross_key_fields[] = {
    FIELD(struct cross_key_body, user_id),
    FIELD(struct cross_key_body, usage),
    FIELD(struct cross_key_body, keys, .flags = J_OBJECT),
    FIELD(struct cross_key_body, signatures, .flags = OPT | J_OBJECT),
    {0},
};

/* Arrays by enum cross_signing_usage; what is not there is NULL and empty. */
struct setup {
    struct server *server;
    struct arena *arena;
    const struct identity *who;
    const json_t *given[KINDS];
    struct str given_public[KINDS], old_public[KINDS];
    bool is_proved; /* by user-interactive authentication */
};

static bool has_usage(const struct cross_key_body *body, struct str usage)
{
    for (size_t i = 0; i < body->usage.n; i++) {
        if (str_eq(body->usage.p[i], usage)) {
            return true;
        }
    }
    return false;
}

static int read_cross_key(struct setup *s, int usage, const json_t *key, struct err *err)
{
    struct cross_key_body body = {.keys = NULL};
    unsigned char public_key[ED25519_PUBLIC_LEN];
    int rc = json_decode(s->arena, key, cross_key_fields, &body, err);
    if (rc != 0) {
        return rc;
    }
    if (!str_eq(body.user_id, s->who->user_id)) {
        return err_invalid_param(err, "This is the key of another user");
    }
    if (!has_usage(&body, usage_names[usage])) {
        return err_invalid_param(err, "The usage of this key is not %s", usage_names[usage].p);
    }
    if (!signed_key_public(key, &s->given_public[usage]) ||
        !decode_public(s->given_public[usage], public_key)) {
        return err_invalid_param(err, "There must be one public key, \"ed25519:key\": \"key\"");
    }
    s->given[usage] = key;
    return 0;
}

static int read_setup(struct setup *s, const struct setup_body *in, struct err *err)
{
    const json_t *const keys[KINDS] = {[CROSS_SIGNING_MASTER] = in->master_key,
                                       [CROSS_SIGNING_SELF] = in->self_signing_key,
                                       [CROSS_SIGNING_USER] = in->user_signing_key};
    int rc = 0;
    for (int usage = CROSS_SIGNING_MASTER; rc == 0 && usage < KINDS; usage++) {
        rc = keys[usage] ? read_cross_key(s, usage, keys[usage], err) : 0;
    }
    return rc;
}

static int read_old(struct setup *s, struct db_read *r, struct err *err)
{
    struct cross_signing_key *rows;
    size_t n = 0;
    json_t *key;
    memset(s->old_public, 0, sizeof(s->old_public));
    int rc = cross_signing_of_user(r, s->arena, s->who->user_nid, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = json_parse(s->arena, rows[i].json, JPARSE_REALS, &key, err);
        if (rc == 0) {
            (void)signed_key_public(key, &s->old_public[rows[i].usage]);
        }
    }
    return rc;
}

/* The other two must be signed by the master key that comes with them, or else by the one that is there. */
static int check_by_master(struct setup *s, int usage, struct err *err)
{
    unsigned char public_key[ED25519_PUBLIC_LEN];
    struct str master = s->given_public[CROSS_SIGNING_MASTER];
    master = master.p ? master : s->old_public[CROSS_SIGNING_MASTER];
    if (!s->given[usage]) {
        return 0;
    }
    if (!master.p || !decode_public(master, public_key)) {
        return err_missing_param(err, "There is no master signing key");
    }
    int rc = json_verify(s->arena, s->given[usage], s->who->user_id,
                         ARENA_CONCAT(s->arena, STR("ed25519:"), master), public_key, 0, err);
    if (rc == E_NOT_FOUND || rc == E_FORBIDDEN) {
        return bad_signature(err, "The key is not signed by the master signing key");
    }
    return rc;
}

/* A device's id and a key's name share one name space in "signatures". */
static int check_no_device(struct setup *s, struct err *err)
{
    struct device_row *devices;
    size_t n = 0;
    int rc = devices_of_user(store_reader(s->server->store), s->arena, s->who->user_nid, &devices,
                             &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        for (int usage = CROSS_SIGNING_MASTER; usage < KINDS; usage++) {
            if (s->given[usage] && str_eq(s->given_public[usage], devices[i].device_id)) {
                return err_forbidden(err, "The public key is the id of one of your devices");
            }
        }
    }
    return rc;
}

static int check_setup(struct setup *s, struct err *err)
{
    if (!s->given[CROSS_SIGNING_MASTER] && !s->old_public[CROSS_SIGNING_MASTER].p) {
        return err_missing_param(err, "There is no master signing key");
    }
    int rc = check_by_master(s, CROSS_SIGNING_SELF, err);
    if (rc == 0) {
        rc = check_by_master(s, CROSS_SIGNING_USER, err);
    }
    return rc == 0 ? check_no_device(s, err) : rc;
}

/* The first keys, and the same keys again, may be uploaded without further proof of who it is. */
static bool needs_proof(const struct setup *s)
{
    bool any = false, same = true;
    for (int usage = CROSS_SIGNING_MASTER; usage < KINDS; usage++) {
        any = any || s->given[usage];
        same = same && (!s->given[usage] || str_eq(s->given_public[usage], s->old_public[usage]));
    }
    return s->old_public[CROSS_SIGNING_MASTER].p && !(any && same);
}

static int put_cross_key(struct txn *t, struct setup *s, int usage, bool *changed)
{
    struct cross_signing_key key = {.usage = usage};
    struct str old = s->old_public[usage];
    static const struct str skip[] = {STR_INIT("unsigned")};
    int rc = canonical_encode_without(s->arena, s->given[usage], skip, ARRAY_LEN(skip), 0,
                                      &key.json, txn_err(t));
    if (rc == 0 && key.json.n > CROSS_KEY_MAX) {
        rc = err_too_large(txn_err(t), "A cross-signing key may have %d bytes", CROSS_KEY_MAX);
    }
    if (rc == 0 && old.p && !str_eq(old, s->given_public[usage])) {
        rc = key_signatures_delete_of_key(t, s->who->user_nid, old, txn_err(t));
    }
    if (rc == 0) {
        rc = cross_signing_put(t, s->who->user_nid, &key, changed, txn_err(t));
    }
    return rc;
}

static int setup_body(struct txn *t, void *arg)
{
    struct setup *s = arg;
    bool changed[KINDS] = {false};
    int rc = read_old(s, txn_read(t), txn_err(t));
    if (rc == 0 && !s->is_proved && needs_proof(s)) {
        rc = err_forbidden(txn_err(t), "Another device has just uploaded other keys");
    }
    for (int usage = CROSS_SIGNING_MASTER; rc == 0 && usage < KINDS; usage++) {
        rc = s->given[usage] ? put_cross_key(t, s, usage, &changed[usage]) : 0;
    }
    if (rc == 0 && (changed[CROSS_SIGNING_MASTER] || changed[CROSS_SIGNING_SELF])) {
        return device_list_announce(t, s->server, s->who->user_nid, txn_err(t));
    }
    if (rc == 0 && changed[CROSS_SIGNING_USER]) {
        device_list_announce_own(t, s->server, s->who->user_nid);
    }
    return rc;
}

static int post_device_signing(struct request *rq, struct err *err)
{
    static const unsigned flows[] = {UIA_PASSWORD};
    struct setup s = {.server = server_of(rq), .arena = rq->arena, .who = &rq->who};
    struct uia_result uia;
    int rc = read_setup(&s, rq->in, err);
    if (rc == 0) {
        rc = read_old(&s, store_reader(s.server->store), err);
    }
    if (rc == 0) {
        rc = check_setup(&s, err);
    }
    if (rc == 0 && !rq->who.appservice && needs_proof(&s)) {
        rc = uia_check(rq, flows, ARRAY_LEN(flows), &uia, err);
        s.is_proved = true;
    }
    if (rc != 0) {
        return uia_reply(rc);
    }
    s.is_proved = s.is_proved || rq->who.appservice;
    rc = store_write(s.server->store, "cross-signing", setup_body, &s, err);
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* ---- uploading signatures ---- */

/* Who may sign a key, besides whom it came from. */
enum signed_by { BY_SELF_SIGNING, BY_USER_SIGNING, BY_DEVICES };

struct signature {
    uint64_t target_nid;
    struct key_signature row;
};

struct signatures {
    struct server *server;
    struct arena *arena;
    const struct identity *who;
    struct setup own; /* the signer's public keys */
    struct signature *p;
    size_t n, room;
};

/* The key that a signature is for. */
struct target {
    struct str user_id, name;
    uint64_t nid;
    const json_t *signed_key; /* as sent */
    struct str stored;
    enum signed_by by;
};

static struct db_read *reader_of(const struct signatures *s)
{
    return store_reader(s->server->store);
}

static int no_such_key(struct err *err, const struct target *t)
{
    return err_not_found(err, "%.*s has no such key", STR_ARG(t->user_id));
}

/* The user's own: a device, signed by the self-signing key; or the master key, signed by a device. */
static int find_own_target(struct signatures *s, struct target *t, struct err *err)
{
    struct device_keys_row row;
    int rc = device_keys_get(reader_of(s), s->arena, t->nid, t->name, &row, err);
    if (rc != E_NOT_FOUND) {
        t->stored = rc == 0 ? row.json : STR_NONE;
        t->by = BY_SELF_SIGNING;
        return rc;
    }
    if (!str_eq(t->name, s->own.old_public[CROSS_SIGNING_MASTER])) {
        return no_such_key(err, t);
    }
    t->by = BY_DEVICES;
    return cross_signing_get(reader_of(s), s->arena, t->nid, CROSS_SIGNING_MASTER, &t->stored, err);
}

/* Another user's: only their master key, signed by one's user-signing key. */
static int find_other_target(struct signatures *s, struct target *t, struct err *err)
{
    json_t *key;
    struct str name;
    int rc = names_find(s->server->store, reader_of(s), t->user_id, &t->nid, err);
    if (rc == 0) {
        rc = cross_signing_get(reader_of(s), s->arena, t->nid, CROSS_SIGNING_MASTER, &t->stored,
                               err);
    }
    if (rc == 0) {
        rc = json_parse(s->arena, t->stored, JPARSE_REALS, &key, err);
    }
    t->by = BY_USER_SIGNING;
    if (rc == E_NOT_FOUND ||
        (rc == 0 && !(signed_key_public(key, &name) && str_eq(name, t->name)))) {
        return no_such_key(err, t);
    }
    return rc;
}

static int find_target(struct signatures *s, struct target *t, struct err *err)
{
    if (str_eq(t->user_id, s->who->user_id)) {
        t->nid = s->who->user_nid;
        return find_own_target(s, t, err);
    }
    return find_other_target(s, t, err);
}

static int check_same(struct signatures *s, const struct target *t, struct err *err)
{
    json_t *stored;
    struct str theirs, ours;
    int rc = json_parse(s->arena, t->stored, JPARSE_REALS, &stored, err);
    if (rc == 0) {
        rc = signed_key_part(s->arena, stored, &ours, err);
    }
    if (rc == 0) {
        rc = signed_key_part(s->arena, t->signed_key, &theirs, err);
    }
    if (rc == 0 && !str_eq(ours, theirs)) {
        rc = err_invalid_param(err, "The key that was signed is not the one that is stored");
    }
    return rc;
}

/* The public key behind "ed25519:DEVICE" of one of the signer's devices; E_NOT_FOUND. */
static int find_device_public(struct signatures *s, struct str key_id,
                              unsigned char out[ED25519_PUBLIC_LEN], struct err *err)
{
    struct str algorithm, device_id;
    struct device_keys_row row;
    json_t *keys;
    if (!str_split(key_id, ':', &algorithm, &device_id)) {
        return err_not_found(err, "There is no such key");
    }
    int rc = device_keys_get(reader_of(s), s->arena, s->who->user_nid, device_id, &row, err);
    if (rc == 0) {
        rc = json_parse(s->arena, row.json, JPARSE_REALS, &keys, err);
    }
    if (rc == 0 && !decode_public(json_str(json_find(json_get(keys, "keys"), key_id)), out)) {
        rc = err_not_found(err, "There is no such key");
    }
    return rc;
}

/* The public key of a signature's key id, if it is one that may sign this target; E_NOT_FOUND. */
static int find_signer(struct signatures *s, const struct target *t, struct str key_id,
                       unsigned char out[ED25519_PUBLIC_LEN], struct err *err)
{
    if (t->by == BY_DEVICES) {
        return find_device_public(s, key_id, out, err);
    }
    struct str name =
        s->own.old_public[t->by == BY_SELF_SIGNING ? CROSS_SIGNING_SELF : CROSS_SIGNING_USER];
    bool is_it = name.p && str_eq(key_id, ARENA_CONCAT(s->arena, STR("ed25519:"), name));
    return is_it && decode_public(name, out) ? 0 : err_not_found(err, "There is no such key");
}

static int take_signature(struct signatures *s, const struct target *t, struct str key_id,
                          const json_t *signature, struct err *err)
{
    unsigned char public_key[ED25519_PUBLIC_LEN];
    int rc = find_signer(s, t, key_id, public_key, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND
                   ? 0
                   : rc; /* others, like the device's own, stand with the key already */
    }
    rc = json_verify(s->arena, t->signed_key, s->who->user_id, key_id, public_key, 0, err);
    if (rc == E_NOT_FOUND || rc == E_FORBIDDEN) {
        return bad_signature(err, "Invalid signature");
    }
    if (rc == 0) {
        bug_on(s->n == s->room);
        s->p[s->n++] = (struct signature){t->nid,
                                          {.target_key = t->name,
                                           .signer_nid = s->who->user_nid,
                                           .signer_key = key_id,
                                           .signature = json_str(signature)}};
    }
    return rc;
}

static const json_t *signatures_of(const struct signatures *s, const json_t *key)
{
    return json_find(json_get(key, "signatures"), s->who->user_id);
}

static int take_signatures(struct signatures *s, struct target *t, struct err *err)
{
    size_t before = s->n;
    int rc = find_target(s, t, err);
    if (rc == 0) {
        rc = check_same(s, t, err);
    }
    for (struct json_iter it = json_iter(signatures_of(s, t->signed_key));
         rc == 0 && json_next(&it);) {
        rc = take_signature(s, t, it.key, it.value, err);
    }
    if (rc == 0 && s->n == before) {
        rc = bad_signature(err, "There is no signature by a key of yours that may sign this one");
    }
    if (rc != 0) {
        s->n = before; /* all of a key's signatures or none */
    }
    return rc;
}

static void note_failure(json_t *failures, const struct target *t, const struct err *why)
{
    json_t *of_user = (json_t *)json_find(failures, t->user_id), *failure = json_object();
    if (!of_user) {
        json_put(failures, t->user_id, of_user = json_object());
    }
    json_put_str(failure, "errcode", str_c(err_errcode(why)));
    json_put_str(failure, "error", str_c(why->message));
    json_put(of_user, t->name, failure);
}

/* One key that cannot be signed does not hinder the others. */
static int take_all(struct signatures *s, const json_t *users, json_t *failures, struct err *err)
{
    for (struct json_iter user = json_iter(users); json_next(&user);) {
        for (struct json_iter key = json_iter(user.value); json_next(&key);) {
            struct target t = {.user_id = user.key, .name = key.key, .signed_key = key.value};
            struct err why = {.kind = E_OK};
            int rc = take_signatures(s, &t, &why);
            if (rc == E_INTERNAL || rc == E_BUSY) {
                *err = why;
                return rc;
            }
            if (rc != 0) {
                note_failure(failures, &t, &why);
            }
        }
    }
    return 0;
}

static int check_shape(struct signatures *s, const json_t *users, struct err *err)
{
    for (struct json_iter user = json_iter(users); json_next(&user);) {
        if (!json_is_object(user.value)) {
            return err_bad_json(err, "The keys of %.*s are not an object", STR_ARG(user.key));
        }
        for (struct json_iter key = json_iter(user.value); json_next(&key);) {
            if (!json_is_object(key.value)) {
                return err_bad_json(err, "The key %.*s is not an object", STR_ARG(key.key));
            }
            s->room += json_object_size(signatures_of(s, key.value));
        }
    }
    s->p = arena_array(s->arena, struct signature, s->room);
    return 0;
}

static int signatures_body(struct txn *t, void *arg)
{
    struct signatures *s = arg;
    bool own = false, others = false;
    int64_t position = txn_position(t);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        bool changed;
        rc =
            key_signatures_put(t, s->p[i].target_nid, &s->p[i].row, position, &changed, txn_err(t));
        if (rc == 0 && changed) {
            *(s->p[i].target_nid == s->who->user_nid ? &own : &others) = true;
        }
    }
    if (rc == 0 && others) {
        device_list_announce_signatures(t, s->server, s->who->user_nid, position);
    }
    return rc == 0 && own ? device_list_announce(t, s->server, s->who->user_nid, txn_err(t)) : rc;
}

static int post_signatures(struct request *rq, struct err *err)
{
    struct signatures s = {.server = server_of(rq), .arena = rq->arena, .who = &rq->who};
    json_t *failures = json_object(), *out = json_object();
    s.own = (struct setup){.server = s.server, .arena = s.arena, .who = s.who};
    int rc = check_shape(&s, rq->json, err);
    if (rc == 0) {
        rc = read_old(&s.own, reader_of(&s), err);
    }
    if (rc == 0) {
        rc = take_all(&s, rq->json, failures, err);
    }
    if (rc == 0 && s.n > 0) {
        rc = store_write(s.server->store, "key-signatures", signatures_body, &s, err);
    }
    json_put(out, STR("failures"), failures);
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

/* In the slow lane: it may hash a password. */
const struct route cross_signing_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/keys/device_signing/upload", post_device_signing,
     .auth = ROUTE_USER, BODY(struct setup_body, setup_fields), .rate = RATE_KEYS,
     .lane = LANE_SLOW, .flags = ROUTE_ALSO_UNSTABLE},
    {HTTP_POST, "/_matrix/client/v3/keys/signatures/upload", post_signatures, .auth = ROUTE_USER,
     .body = ROUTE_BODY_JSON, .rate = RATE_KEYS, .flags = ROUTE_ALSO_UNSTABLE},
    {0},
};
