/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles ("Profiles"): fields of any name with any JSON value. displayname and avatar_url also stand in the
 * user's member events; other fields are given only to those who ask.
 *
 * A change of these two is stored and answered, and spread to the rooms afterwards (profile_spread.h).
 */
#include "store/profiles.h"

#include "client/appservice_query.h"
#include "client/authenticate.h"
#include "client/handler.h"
#include "client/profile_spread.h"
#include "client/routes.h"
#include "core/live_user.h"
#include "core/presence.h"
#include "core/user_directory.h"
#include "matrix/ids.h"
#include "store/names.h"
#include "wire/json_writer.h"

enum {
    KEY_MAX = 255,
    PROFILE_MAX = 64 * 1024, /* "the total profile MUST be under 64 KiB" */
    NAME_MAX_LEN = 1024,     /* of displayname and avatar_url, which go into every room's state */
    ZONE_MAX = 255,
};

static bool is_in_rooms(struct str key)
{
    return str_eq(key, STR("displayname")) || str_eq(key, STR("avatar_url"));
}

/* ---- checks ---- */

static int check_key(struct str key, struct err *err)
{
    if (key.n > KEY_MAX) {
        return err_set(err, E_INVALID, 400, "M_KEY_TOO_LARGE",
                       "The name of a field has at most %d bytes", KEY_MAX);
    }
    if (!is_in_rooms(key) && !namespaced_id_is_valid(key)) {
        return err_invalid_param(err, "\"%.*s\" cannot be the name of a field", STR_ARG(key));
    }
    return 0;
}

static int check_text(const json_t *value, struct str key, size_t max, struct err *err)
{
    if (!json_is_string(value)) {
        return err_bad_json(err, "%.*s must be a string", STR_ARG(key));
    }
    if (json_str(value).n > max) {
        return err_invalid_param(err, "%.*s has at most %zu bytes", STR_ARG(key), max);
    }
    return 0;
}

static int check_avatar(const json_t *value, struct str key, struct err *err)
{
    struct str server, media;
    struct str url = json_str(value);
    int rc = check_text(value, key, NAME_MAX_LEN, err);
    if (rc == 0 && url.n > 0 && !mxc_parse(url, &server, &media)) {
        rc = err_invalid_param(err, "avatar_url must be an mxc:// URI");
    }
    return rc;
}

static int check_value(struct str key, const json_t *value, struct err *err)
{
    if (str_eq(key, STR("displayname"))) {
        return check_text(value, key, NAME_MAX_LEN, err);
    }
    if (str_eq(key, STR("avatar_url"))) {
        return check_avatar(value, key, err);
    }
    return str_eq(key, STR("m.tz")) ? check_text(value, key, ZONE_MAX, err) : 0;
}

/* Who may change the field: its owner, who is not suspended; guests have but a name. */
static int check_caller(struct request *rq, struct err *err)
{
    int rc = handler_self(rq, 0, err);
    if (rc == 0) {
        rc = authenticate_not_suspended(rq, err);
    }
    if (rc == 0) {
        rc = check_key(rq->params[1], err);
    }
    if (rc == 0 && rq->who.is_guest && !str_eq(rq->params[1], STR("displayname"))) {
        rc = err_set(err, E_FORBIDDEN, 403, "M_GUEST_ACCESS_FORBIDDEN",
                     "Guests may set their display name only");
    }
    return rc;
}

/* ---- writing ---- */

struct field_change {
    uint64_t user;
    struct str key, value; /* JSON; .p == NULL: the field goes */
};

static int check_size(struct txn *t, const struct field_change *c)
{
    struct profile_field *fields;
    size_t n = 0, bytes = c->key.n + c->value.n;
    int rc = profiles_of_user(txn_read(t), txn_arena(t), c->user, &fields, &n, txn_err(t));
    for (size_t i = 0; i < n; i++) {
        bytes += str_eq(fields[i].field, c->key) ? 0 : fields[i].field.n + fields[i].value.n;
    }
    /* The size is that of the JSON object: each field has quotes, a colon and a comma too. */
    if (rc == 0 && bytes + 4 * (n + 1) >= PROFILE_MAX) {
        return err_set(txn_err(t), E_LIMIT, 400, "M_PROFILE_TOO_LARGE",
                       "A profile has less than %d bytes", PROFILE_MAX);
    }
    return rc;
}

static int write_field(struct txn *t, void *arg)
{
    const struct field_change *c = arg;
    int rc;
    if (!c->value.p) {
        rc = profiles_delete(t, c->user, c->key, txn_err(t));
    } else {
        rc = check_size(t, c);
        rc = rc ? rc : profiles_put(t, c->user, c->key, c->value, txn_err(t));
    }
    bool is_name = str_eq(c->key, STR("displayname"));
    if (rc == 0 && is_in_rooms(c->key)) {
        rc = profile_spreads_begin(t, c->user, txn_err(t));
    }
    return rc == 0 && is_name ? user_directory_update(t, c->user, txn_err(t)) : rc;
}

static int change_field(struct request *rq, struct str value, struct err *err)
{
    struct field_change c = {.user = rq->who.user_nid, .key = rq->params[1], .value = value};
    int rc = store_write(server_of(rq)->store, "profile", write_field, &c, err);
    if (rc == 0 && is_in_rooms(c.key)) {
        profile_spread_kick(server_of(rq)->profile_spread);
        presence_renamed(server_of(rq), rq->who.user_nid);
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

static int put_field(struct request *rq, struct err *err)
{
    struct str key = rq->params[1];
    int rc = check_caller(rq, err);
    const json_t *value = json_find(rq->json, key);
    if (rc == 0 && !value) {
        rc = err_missing_param(err, "The body must have the key \"%.*s\"", STR_ARG(key));
    }
    if (rc == 0 && json_object_size(rq->json) != 1) {
        rc = err_bad_json(err, "The body must have the key \"%.*s\" and no other", STR_ARG(key));
    }
    if (rc == 0) {
        rc = check_value(key, value, err);
    }
    if (rc != 0) {
        return rc;
    }
    /* An empty name or picture is how clients have always taken it away. */
    bool goes = is_in_rooms(key) && json_str(value).n == 0;
    return change_field(rq, goes ? STR_NONE : json_encode(rq->arena, value), err);
}

static int delete_field(struct request *rq, struct err *err)
{
    int rc = check_caller(rq, err);
    return rc == 0 ? change_field(rq, STR_NONE, err) : rc;
}

/* ---- reading ---- */

/* Whether the caller may ask at all (profiles.lookup); to whom it is refused nothing is said, not even whether there is
 * such a user ("GET profile", 403). */
static int check_asker(struct request *rq, struct err *err)
{
    struct server *s = server_of(rq);
    uint64_t user = 0;
    bool shares = false;
    enum config_lookup lookup = s->config->profiles.lookup;
    if (lookup == LOOKUP_EVERYBODY || str_eq(rq->params[0], rq->who.user_id)) {
        return 0;
    }
    if (!rq->who.user_nid) {
        return err_set(err, E_FORBIDDEN, 401, "M_MISSING_TOKEN", "Sign in to look up profiles");
    }
    if (lookup == LOOKUP_USERS) {
        return 0;
    }
    int rc = names_find(s->store, store_reader(s->store), rq->params[0], &user, err);
    rc = rc || !user ? rc : users_share_room(s, rq->who.user_nid, user, &shares, err);
    return rc == 0 && !shares
               ? err_forbidden(err, "Profiles are shown to those who share a room with the user")
               : rc;
}

static int find_user(struct request *rq, uint64_t *out, struct err *err)
{
    struct user_row user;
    int rc = check_asker(rq, err);
    rc = rc ? rc : handler_account(rq, 0, &user, err);
    if (rc == E_NOT_FOUND) {
        int asked = appservice_query_users(rq, &rq->params[0], 1, err);
        return asked ? asked
                     : err_not_found(err, "There is no profile of %.*s", STR_ARG(rq->params[0]));
    }
    *out = rc == 0 ? user.nid : 0;
    return rc;
}

static int reply_fields(struct request *rq, const struct profile_field *fields, size_t n)
{
    struct buf out = BUF_INIT(2 * PROFILE_MAX);
    struct json_writer w = jw_over(&out);
    jw_object(&w);
    for (size_t i = 0; i < n; i++) {
        jw_key(&w, fields[i].field);
        jw_raw(&w, fields[i].value);
    }
    jw_end(&w);
    return reply_buf(rq, 200, &out);
}

static int get_profile(struct request *rq, struct err *err)
{
    struct profile_field *fields;
    uint64_t user = 0;
    size_t n;
    int rc = find_user(rq, &user, err);
    if (rc == 0) {
        rc =
            profiles_of_user(store_reader(server_of(rq)->store), rq->arena, user, &fields, &n, err);
    }
    return rc == 0 ? reply_fields(rq, fields, n) : rc;
}

/* Clients ask for these two of everybody, and take an error for one: what is not set is null, as on other servers. */
static bool is_null_unless_set(struct str field)
{
    return str_eq(field, STR("displayname")) || str_eq(field, STR("avatar_url"));
}

static int get_field(struct request *rq, struct err *err)
{
    struct profile_field field = {.field = rq->params[1]};
    uint64_t user = 0;
    int rc = check_key(field.field, err);
    if (rc == 0) {
        rc = find_user(rq, &user, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = profiles_get(store_reader(server_of(rq)->store), rq->arena, user, field.field,
                      &field.value, err);
    if (rc == E_NOT_FOUND && is_null_unless_set(field.field)) {
        field.value = STR("null");
        rc = 0;
    }
    if (rc == E_NOT_FOUND) {
        return err_not_found(err, "The profile has no %.*s", STR_ARG(field.field));
    }
    return rc == 0 ? reply_fields(rq, &field, 1) : rc;
}

#define FIELD_PATH "/_matrix/client/v3/profile/{userId}/{keyName}"
const struct route profile_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/profile/{userId}", get_profile, .auth = ROUTE_OPTIONAL,
     .rate = RATE_DEFAULT},
    {HTTP_GET, FIELD_PATH, get_field, .auth = ROUTE_OPTIONAL, .rate = RATE_DEFAULT},
    {HTTP_PUT, FIELD_PATH, put_field, .auth = ROUTE_GUEST_OK, .body = ROUTE_BODY_JSON,
     .rate = RATE_DEFAULT, .lane = LANE_SLOW, .flags = ROUTE_JSON_REALS},
    {HTTP_DELETE, FIELD_PATH, delete_field, .auth = ROUTE_GUEST_OK, .rate = RATE_DEFAULT,
     .lane = LANE_SLOW},
    {0},
};
