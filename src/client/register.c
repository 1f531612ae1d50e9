/* SPDX-License-Identifier: Apache-2.0 */
/* New accounts ("Account registration"). */
#include "base/rand.h"
#include "client/appservice_login.h"
#include "client/authenticate.h"
#include "client/registration_token.h"
#include "client/routes.h"
#include "client/uia.h"
#include "core/account.h"
#include "core/sign_in.h"
#include "crypto/hash.h"
#include "crypto/token.h"
#include "matrix/ids.h"
#include "store/devices.h"
#include "store/tokens.h"
#include "store/users.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

enum { MADE_UP_NAME = 12, MADE_UP_TRIES = 4 };

struct register_body {
    const json_t *auth;
    struct str type, username, password, device_id, initial_device_display_name;
    struct str guest_access_token;
    bool inhibit_login, refresh_token;
};
static const struct jfield register_fields[] = {
    FIELD(struct register_body, auth, .flags = OPT | J_OBJECT),
    FIELD(struct register_body, type, .flags = OPT),
    FIELD(struct register_body, username, .flags = OPT),
    FIELD(struct register_body, password, .flags = OPT),
    FIELD(struct register_body, device_id, .flags = OPT, .max = DEVICE_ID_MAX),
    FIELD(struct register_body, initial_device_display_name, .flags = OPT, .max = DEVICE_NAME_MAX),
    FIELD(struct register_body, guest_access_token, .flags = OPT),
    FIELD(struct register_body, inhibit_login, .flags = OPT),
    FIELD(struct register_body, refresh_token, .flags = OPT),
    {0},
};

/* ---- the account ------------------------------------------------------------------------------ */

/* Capitals would make names that no user id may have. */
static struct str make_up_name(struct arena *a)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    char *name = arena_alloc(a, MADE_UP_NAME);
    for (size_t i = 0; i < MADE_UP_NAME; i++) {
        name[i] = letters[rand_below(sizeof(letters) - 1)];
    }
    return str_n(name, MADE_UP_NAME);
}

/* With a name that is made up where none is wanted. *nid != 0: of a guest who becomes a user. */
static int create(struct request *rq, struct new_account *account, uint64_t *nid, struct err *err)
{
    struct server *s = server_of(rq);
    if (*nid) {
        return account_upgrade_guest(s, rq->arena, *nid, account, err);
    }
    if (account->localpart.n) {
        return account_create(s, rq->arena, account, nid, err);
    }
    int rc = E_CONFLICT;
    for (int i = 0; rc == E_CONFLICT && i < MADE_UP_TRIES; i++) {
        account->localpart = make_up_name(rq->arena);
        rc = account_create(s, rq->arena, account, nid, err);
    }
    return rc;
}

static int sign_in_and_reply(struct request *rq, struct str localpart, const struct sign_in *who,
                             bool login, struct err *err)
{
    struct server *s = server_of(rq);
    struct signed_in in;
    int rc = login ? sign_in(s, rq->arena, who, &in, err) : 0;
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    json_put_str(out, "user_id", user_id_make(rq->arena, localpart, s->server_name));
    json_put_str(out, "home_server", s->server_name);
    if (login) {
        sign_in_put(out, &in);
    }
    return reply_json(rq, 200, out);
}

static int create_and_sign_in(struct request *rq, struct new_account *account, struct sign_in *who,
                              bool login, struct err *err)
{
    int rc = create(rq, account, &who->user_nid, err);
    return rc ? rc : sign_in_and_reply(rq, account->localpart, who, login, err);
}

/* ---- guests ----------------------------------------------------------------------------------- */

/* Of what a guest sends only the device's name counts. */
static int register_guest(struct request *rq, struct err *err)
{
    const struct register_body *in = rq->in;
    struct new_account account = {.is_guest = true};
    struct sign_in who = {.display_name = in->initial_device_display_name};
    if (!server_of(rq)->config->registration.guests) {
        return err_forbidden(err, "This server has no guests");
    }
    return create_and_sign_in(rq, &account, &who, true, err);
}

/* "Guest users can also upgrade their account": the token says whose it is, and the name must be the guest's.
 * *out_nid is 0 where that is not asked for. */
static int find_guest(struct request *rq, const struct register_body *in, uint64_t *out_nid,
                      struct err *err)
{
    struct store *store = server_of(rq)->store;
    unsigned char hash[SHA256_LEN];
    struct token_owner owner;
    struct matrix_id id = {0};
    *out_nid = 0;
    if (!in->guest_access_token.p) {
        return 0;
    }
    token_hash(in->guest_access_token, hash);
    int rc = tokens_find(store, store_reader(store), str_n((char *)hash, sizeof(hash)), rq->arena,
                         &owner, err);
    if (rc == E_NOT_FOUND || (rc == 0 && (!owner.is_guest || owner.is_locked))) {
        return err_forbidden(err, "\"guest_access_token\" is not the token of a guest");
    }
    if (rc == 0 && (!user_id_parse(owner.user_id, &id) || !str_eq(id.local, in->username))) {
        return err_invalid_param(err, "\"username\" must be the guest's: \"%.*s\"",
                                 STR_ARG(id.local));
    }
    *out_nid = rc == 0 ? owner.user_nid : 0;
    return rc;
}

/* ---- users of application services ("Server admin style permissions") ------------------------- */

/* No password and no questions: the token is proof enough, within its namespaces. */
static int register_by_appservice(struct request *rq, struct err *err)
{
    const struct register_body *in = rq->in;
    struct server *s = server_of(rq);
    const struct appservice *as;
    int rc = authenticate_appservice(rq, &as, err);
    if (rc == 0 && !in->username.n) {
        rc = err_missing_param(err, "\"username\" is missing");
    }
    if (rc == 0 && !in->inhibit_login) {
        rc = appservice_login_check_allowed(rq, err);
    }
    rc = rc ? rc : appservice_login_check_name(rq, as, in->username, err);
    rc = rc ? rc : account_check_name(s, rq->arena, in->username, err);
    if (rc != 0) {
        return rc;
    }
    struct new_account account = {.localpart = in->username, .appservice = as->id};
    struct sign_in who = {.device_id = in->device_id,
                          .display_name = in->initial_device_display_name,
                          .wants_refresh = in->refresh_token};
    return create_and_sign_in(rq, &account, &who, !in->inhibit_login, err);
}

/* ---- users ------------------------------------------------------------------------------------ */

/* The name must be free, and no application service may want it for itself. */
static int check_name(struct request *rq, struct str name, struct err *err)
{
    int rc = account_check_name(server_of(rq), rq->arena, name, err);
    return rc ? rc : appservice_login_check_name(rq, NULL, name, err);
}

/* What is wrong with the wanted account is told before anybody is asked to authenticate. Without a password the
 * client can only be asking for the flows. */
static int check_wish(struct request *rq, const struct register_body *in, bool is_guest,
                      struct err *err)
{
    struct server *s = server_of(rq);
    int rc = account_check_room_for_one(s, store_reader(s->store), err);
    if (rc == 0 && in->username.p && !is_guest) {
        rc = check_name(rq, in->username, err);
    }
    if (rc == 0 && in->password.p) {
        rc = account_check_password(s, in->password, err);
    }
    if (rc == 0 && !in->password.p && in->auth) {
        rc = err_missing_param(err, "\"password\" is missing");
    }
    return rc;
}

enum { FLOWS_MAX = 2 };

/*
 * What it takes to get an account here. Where an address is optional, the flow without one ends with the dummy stage:
 * else it would be part of the other, and be done before the person gets to the address ("Dummy Auth").
 */
static size_t wanted_flows(const struct config *c, unsigned out[FLOWS_MAX])
{
    size_t n = 0;
    unsigned all = c->registration.mode == REGISTRATION_TOKEN ? UIA_REGISTRATION_TOKEN : 0;
    all |= c->captcha.provider != CAPTCHA_OFF ? UIA_CAPTCHA : 0;
    all |= c->registration.terms.version.n ? UIA_TERMS : 0;
    if (c->registration.email == EMAIL_OFF) {
        out[n++] = all ? all : UIA_DUMMY;
    }
    if (c->registration.email == EMAIL_OPTIONAL) {
        out[n++] = all | UIA_DUMMY;
    }
    if (c->registration.email != EMAIL_OFF) {
        out[n++] = all | UIA_EMAIL_NEW;
    }
    return n;
}

/* ---- a registration whose answer was lost ---- */

struct registration {
    const struct uia_result *uia;
    const struct new_account *account;
    struct str device_id;
};

/* What an account's password is known by: the hash is another one after every change. */
static struct str password_mark(struct arena *a, const struct user_row *user)
{
    unsigned char hash[SHA256_LEN];
    sha256(user->password_hash, hash);
    return hex_encode(a, str_n((char *)hash, sizeof(hash)));
}

static int keep_result(struct txn *t, void *arg)
{
    const struct registration *r = arg;
    struct arena *a = txn_arena(t), *outer = json_arena_enter(a);
    struct user_row user;
    json_t *kept = json_object();
    int rc = users_find(txn_read(t), a, r->account->localpart, &user, txn_err(t));
    if (rc == 0) {
        json_put_str(kept, "localpart", r->account->localpart);
        json_put_str(kept, "device_id", r->device_id);
        json_put_str(kept, "password", password_mark(a, &user));
        rc = uia_keep(t, r->uia, json_encode(a, kept), txn_err(t));
    }
    json_arena_leave(outer);
    return rc;
}

/* With neither session nor name, the requests of two people could be the same. */
static bool is_recognisable(const struct register_body *in)
{
    return in->username.n > 0 || json_find(in->auth, STR("session"));
}

struct kept_result {
    struct str localpart, device_id, password;
};
static const struct jfield kept_fields[] = {
    FIELD(struct kept_result, localpart),
    FIELD(struct kept_result, device_id),
    FIELD(struct kept_result, password),
    {0},
};

/* The answer may have been lost: the account is as it was made, and nobody has come with the token. Where the device is
 * not there (the program ended in between, or it was logged out) the password must be said. */
static int may_be_lost(struct request *rq, const struct kept_result *kept,
                       const struct user_row *user, bool *out, struct err *err)
{
    const struct register_body *in = rq->in;
    struct server *s = server_of(rq);
    struct device_row device;
    *out = false;
    if (user->is_deactivated || user->is_locked ||
        !str_eq(kept->password, password_mark(rq->arena, user))) {
        return 0;
    }
    int rc =
        devices_find(store_reader(s->store), rq->arena, user->nid, kept->device_id, &device, err);
    if (rc == E_NOT_FOUND) {
        *out = in->password.p && account_has_password(s, rq->arena, user, in->password);
        return 0;
    }
    *out = rc == 0 && !devices_was_seen(s->store, &device);
    return rc;
}

/* The same request once more, to which the account was made: the same device, a new token in place of the lost one. */
static int answer_again(struct request *rq, struct sign_in who, bool *out_done, struct err *err)
{
    const struct register_body *in = rq->in;
    struct db_read *r = store_reader(server_of(rq)->store);
    struct kept_result kept;
    struct str text;
    struct user_row user;
    json_t *json;
    int rc = uia_kept(rq, &text, err);
    if (rc != 0 || !text.p) {
        return rc;
    }
    rc = json_parse(rq->arena, text, 0, &json, err);
    rc = rc ? rc : json_decode(rq->arena, json, kept_fields, &kept, err);
    rc = rc ? rc : users_find(r, rq->arena, kept.localpart, &user, err);
    rc = rc ? rc : may_be_lost(rq, &kept, &user, out_done, err);
    if (rc != 0 || !*out_done) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    who.user_nid = user.nid;
    who.device_id = kept.device_id;
    return sign_in_and_reply(rq, kept.localpart, &who, !in->inhibit_login, err);
}

static int register_user(struct request *rq, struct err *err)
{
    const struct register_body *in = rq->in;
    unsigned flows[FLOWS_MAX];
    size_t n = wanted_flows(server_of(rq)->config, flows);
    struct uia_result uia;
    if (server_of(rq)->config->registration.mode == REGISTRATION_CLOSED) {
        return err_forbidden(
            err, "Registration is closed: ask the operator of this server for an account");
    }
    struct sign_in who = {.device_id = in->device_id,
                          .display_name = in->initial_device_display_name,
                          .wants_refresh = in->refresh_token};
    bool is_answered = false;
    int rc = answer_again(rq, who, &is_answered, err);
    if (rc != 0 || is_answered) {
        return rc;
    }
    rc = find_guest(rq, in, &who.user_nid, err);
    rc = rc ? rc : check_wish(rq, in, who.user_nid != 0, err);
    rc = rc ? rc : uia_check(rq, flows, n, &uia, err);
    if (rc != 0) {
        return uia_reply(rc);
    }
    who.device_id = who.device_id.n ? who.device_id : sign_in_new_device_id(rq->arena);
    struct registration r = {.uia = &uia, .device_id = who.device_id};
    struct new_account account = {.localpart = in->username,
                                  .password = in->password,
                                  .also = is_recognisable(in) ? keep_result : NULL,
                                  .also_arg = &r,
                                  .is_own_wish = true,
                                  .registration_token = uia.registration_token,
                                  .email = uia.email,
                                  .email_validated_ts = uia.email_validated_ts};
    r.account = &account;
    return create_and_sign_in(rq, &account, &who, !in->inhibit_login, err);
}

static void lower_name(struct request *rq)
{
    struct register_body *in = arena_new(rq->arena, struct register_body);
    *in = *(const struct register_body *)rq->in;
    if (in->username.p) {
        in->username = user_localpart_lower(rq->arena, in->username);
    }
    rq->in = in;
}

static int post_register(struct request *rq, struct err *err)
{
    static const char *const kinds[] = {"user", "guest", NULL};
    int kind;
    lower_name(rq);
    int rc = request_query_enum(rq, "kind", kinds, 0, &kind, err);
    if (rc != 0) {
        return rc;
    }
    if (appservice_login_is_type(((const struct register_body *)rq->in)->type)) {
        return register_by_appservice(rq, err);
    }
    return kind == 0 ? register_user(rq, err) : register_guest(rq, err);
}

/* ---- questions before ------------------------------------------------------------------------- */

static int get_available(struct request *rq, struct err *err)
{
    struct str name;
    int rc = request_query_require(rq, "username", &name, err);
    rc = rc ? rc : check_name(rq, user_localpart_lower(rq->arena, name), err);
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    json_put_bool(out, "available", true);
    return reply_json(rq, 200, out);
}

static int get_token_validity(struct request *rq, struct err *err)
{
    struct str token;
    bool is_valid, is_stored;
    if (server_of(rq)->config->registration.mode == REGISTRATION_CLOSED) {
        return err_forbidden(err, "Registration is closed");
    }
    int rc = request_query_require(rq, "token", &token, err);
    rc = rc ? rc
            : registration_token_check(server_of(rq), rq->arena, token, &is_valid, &is_stored, err);
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    json_put_bool(out, "valid", is_valid);
    return reply_json(rq, 200, out);
}

const struct route register_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/register", post_register, .rate = RATE_REGISTER,
     .lane = LANE_SLOW, BODY(struct register_body, register_fields)},
    {HTTP_GET, "/_matrix/client/v3/register/available", get_available, .rate = RATE_REGISTER},
    {HTTP_GET, "/_matrix/client/v1/register/m.login.registration_token/validity",
     get_token_validity, .rate = RATE_REGISTER},
    {0},
};
