/* SPDX-License-Identifier: Apache-2.0 */
#include "client/uia.h"

#include "base/clock.h"
#include "base/rand.h"
#include "client/address_proof.h"
#include "client/authenticate.h"
#include "client/captcha.h"
#include "client/password_proof.h"
#include "client/registration_token.h"
#include "core/server.h"
#include "crypto/hash.h"
#include "crypto/secret_box.h"
#include "store/registration_tokens.h"
#include "store/threepids.h"
#include "store/uia.h"
#include "wire/canonical.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

enum {
    SESSION_MS = 30 * 60 * 1000,
    SESSION_ID = 24,
    BODY_MAX =
        8192, /* bytes of a body that is kept; what signs in or changes a password has a few hundred */
};

/* A session and what this request adds to it. */
struct check {
    struct request *rq;
    const unsigned *flows;
    size_t n_flows;
    struct str session_id, request_hash;
    struct str body; /* canonical, without `auth` */
    bool names_session, is_stored;
    unsigned added;  /* the stage that this request has done; 0: none */
    unsigned done;   /* enum uia_stage */
    uint64_t caller; /* who is signed in; 0: nobody */
    struct uia_result found;
    struct str proof; /* session of an address that this request used as proof; .p == NULL: none */
    bool holds_token; /* found.registration_token is held for this session in the database */
    struct err why;   /* the stage that failed; kind 0: none */
};

/* ---- stages ----------------------------------------------------------------------------------- */

/* Told with the flows, for the client may try again. Returns 0: this is no error of the request. */
static int refuse(struct check *c, const char *errcode, const char *sentence)
{
    (void)err_set(&c->why, E_FORBIDDEN, 401, errcode, "%s", sentence);
    return 0;
}

static int run_password(struct check *c, const json_t *auth, struct err *err)
{
    struct user_row user;
    int rc = password_proof(c->rq, auth, &user, err);
    if (rc == E_FORBIDDEN) {
        return refuse(c, "M_FORBIDDEN", "Wrong user name or password");
    }
    if (rc == 0 && user.is_locked) {
        return authenticate_locked(err); /* without a token nobody has looked yet */
    }
    if (rc == 0 && c->caller && user.nid != c->caller) {
        return refuse(c, "M_FORBIDDEN", "This is the password of somebody else");
    }
    if (rc == 0) {
        c->found.user_nid = user.nid;
    }
    return rc;
}

static int run_registration_token(struct check *c, const json_t *auth, struct err *err)
{
    struct str token;
    bool is_valid, is_stored;
    if (!json_get_str(auth, "token", &token)) {
        return err_missing_param(err, "\"auth\" needs a \"token\"");
    }
    int rc =
        registration_token_check(server_of(c->rq), c->rq->arena, token, &is_valid, &is_stored, err);
    if (rc == 0 && !is_valid) {
        return refuse(c, "M_UNAUTHORIZED", "This registration token is not valid");
    }
    if (rc == 0 && is_stored) {
        c->found.registration_token = arena_str(c->rq->arena, token);
    }
    return rc;
}

static int run_captcha(struct check *c, const json_t *auth, struct err *err)
{
    struct str response;
    bool is_right;
    if (!json_get_str(auth, "response", &response)) {
        return err_missing_param(err, "\"auth\" needs a \"response\"");
    }
    int rc = captcha_check(c->rq, response, &is_right, err);
    return rc == 0 && !is_right ? refuse(c, "M_UNAUTHORIZED", "The captcha was not solved") : rc;
}

/* Clients ask again and again while the person looks for the letter: that is no failure to be counted. */
static int check_email(struct check *c, const json_t *auth, enum threepid_purpose purpose,
                       struct threepid_session *out, struct err *err)
{
    const json_t *credentials;
    if (!json_get_object(auth, "threepid_creds", &credentials) &&
        !json_get_object(auth, "threepidCreds", &credentials)) {
        return err_missing_param(err, "\"auth\" needs \"threepid_creds\"");
    }
    int rc = address_proof_check(c->rq, credentials, purpose, out, err);
    if (rc == E_FORBIDDEN) {
        return refuse(c, "M_THREEPID_AUTH_FAILED", "This address has not been verified yet");
    }
    c->proof = rc == 0 ? out->session_id : STR_NONE;
    return rc;
}

static int run_new_email(struct check *c, const json_t *auth, struct err *err)
{
    struct threepid_session session;
    int rc = check_email(c, auth, THREEPID_REGISTER, &session, err);
    if (rc == 0 && !c->why.kind) {
        c->found.email = session.address;
        c->found.email_validated_ts = session.validated_ts;
    }
    return rc;
}

static int run_known_email(struct check *c, const json_t *auth, struct err *err)
{
    struct db_read *r = store_reader(server_of(c->rq)->store);
    struct threepid_session session;
    struct threepid_row row;
    struct user_row user;
    int rc = check_email(c, auth, THREEPID_PASSWORD, &session, err);
    if (rc != 0 || c->why.kind) {
        return rc;
    }
    rc = threepids_find(r, c->rq->arena, session.medium, session.address, &row, err);
    if (rc == E_NOT_FOUND) {
        return refuse(c, "M_THREEPID_NOT_FOUND", "No account has this address any more");
    }
    rc = rc ? rc : users_get(r, c->rq->arena, row.user_nid, &user, err);
    if (rc == 0 && user.is_locked) {
        return authenticate_locked(err);
    }
    c->found.user_nid = row.user_nid;
    return rc;
}

static int run_nothing(UNUSED struct check *c, UNUSED const json_t *auth, UNUSED struct err *err)
{
    return 0;
}

static json_t *captcha_params(const struct config *config)
{
    json_t *out = json_object();
    json_put_str(out, "public_key", config->captcha.site_key);
    return out;
}

static json_t *terms_params(const struct config *config)
{
    json_t *text = json_object(), *policy = json_object(), *policies = json_object(),
           *out = json_object();
    json_put_str(text, "name", config->registration.terms.name);
    json_put_str(text, "url", config->registration.terms.url);
    json_put_str(policy, "version", config->registration.terms.version);
    json_put(policy, STR("en"), text);
    json_put(policies, STR("terms_of_service"), policy);
    json_put(out, STR("policies"), policies);
    return out;
}

/* In the order in which clients are asked for them. */
static const struct stage {
    enum uia_stage bit;
    struct str type;
    int (*run)(struct check *c, const json_t *auth, struct err *err);
    json_t *(*params)(const struct config *config);
} stages[] = {
    {UIA_REGISTRATION_TOKEN, STR_INIT("m.login.registration_token"), run_registration_token, NULL},
    {UIA_CAPTCHA, STR_INIT("m.login.recaptcha"), run_captcha, captcha_params},
    {UIA_TERMS, STR_INIT("m.login.terms"), run_nothing, terms_params},
    {UIA_EMAIL_NEW, STR_INIT("m.login.email.identity"), run_new_email, NULL},
    {UIA_EMAIL_KNOWN, STR_INIT("m.login.email.identity"), run_known_email, NULL},
    {UIA_PASSWORD, STR_INIT("m.login.password"), run_password, NULL},
    {UIA_DUMMY, STR_INIT("m.login.dummy"), run_nothing, NULL},
};

static unsigned offered(const struct check *c)
{
    unsigned bits = 0;
    for (size_t i = 0; i < c->n_flows; i++) {
        bits |= c->flows[i];
    }
    return bits;
}

/* The stage that the client attempts, if it attempts one; what is done stays done. */
static int attempt(struct check *c, const json_t *auth, struct err *err)
{
    struct str type;
    if (!json_get_str(auth, "type", &type)) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        if (!str_eq(stages[i].type, type) || !(stages[i].bit & offered(c))) {
            continue;
        }
        if (stages[i].bit & c->done) {
            return 0;
        }
        int rc = stages[i].run(c, auth, err);
        c->added = rc == 0 && !c->why.kind ? stages[i].bit : 0;
        c->done |= c->added;
        return rc;
    }
    return refuse(c, "M_UNRECOGNIZED", "This stage is not asked for here");
}

static bool is_complete(const struct check *c)
{
    for (size_t i = 0; i < c->n_flows; i++) {
        if ((c->flows[i] & c->done) == c->flows[i]) {
            return true;
        }
    }
    return false;
}

/* ---- sessions --------------------------------------------------------------------------------- */

/* Not in the database. */
static struct str own_secret(struct request *rq)
{
    const struct signing_key *key = &server_of(rq)->key;
    return str_n((const char *)key->secret, sizeof(key->secret));
}

static struct str body_purpose(struct request *rq, struct str session_id)
{
    return ARENA_CONCAT(rq->arena, STR("ingot uia body\n"), session_id);
}

/* Keyed, because the body may hold a password, of which the database shall not keep a fast hash. */
static struct str keyed_hash(struct request *rq, struct str text)
{
    unsigned char *out = arena_alloc(rq->arena, SHA256_LEN);
    hmac_sha256(own_secret(rq), ARENA_CONCAT(rq->arena, STR("ingot uia session\n"), text), out);
    return str_n((char *)out, SHA256_LEN);
}

/* Method, path and the body without `auth`; *out_open is the hash for any body. */
static int hash_request(struct check *c, bool *out_is_empty, struct str *out_open, struct err *err)
{
    struct request *rq = c->rq;
    struct str method = str_c(http_method_name(rq->method));
    struct str head = ARENA_CONCAT(rq->arena, method, STR(" "), rq->path);
    const struct str auth = STR("auth");
    int rc = canonical_encode_without(rq->arena, rq->json, &auth, 1, CANONICAL_LAX, &c->body, err);
    if (rc != 0) {
        return rc;
    }
    c->request_hash = keyed_hash(rq, ARENA_CONCAT(rq->arena, head, STR("\n"), c->body));
    *out_open = keyed_hash(rq, head);
    *out_is_empty = str_eq(c->body, STR("{}"));
    return 0;
}

static json_t *encode_stage(const struct check *c, enum uia_stage stage)
{
    if (stage == UIA_PASSWORD || stage == UIA_EMAIL_KNOWN) {
        return json_integer((json_int_t)c->found.user_nid);
    }
    if (stage == UIA_REGISTRATION_TOKEN && c->found.registration_token.p) {
        return json_new_str(c->found.registration_token);
    }
    if (stage == UIA_EMAIL_NEW) {
        json_t *email = json_object();
        json_put_str(email, "address", c->found.email);
        json_put_int(email, "validated_ts", c->found.email_validated_ts);
        return email;
    }
    return json_true();
}

/* The stages that are done, each with what it found out: true, the user, the token that is held, the address. And what
 * is asked for, which the fallback pages have to know. */
static struct str encode_stages(const struct check *c, struct arena *a)
{
    json_t *out = json_object();
    json_put_int(out, "asked", offered(c));
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        if (stages[i].bit & c->done) {
            json_put(out, stages[i].type, encode_stage(c, stages[i].bit));
        }
    }
    return json_encode(a, out);
}

static void decode_stage(struct check *c, enum uia_stage stage, const json_t *what)
{
    c->done |= stage;
    if (stage == UIA_PASSWORD || stage == UIA_EMAIL_KNOWN) {
        c->found.user_nid = (uint64_t)json_integer_value(what);
    } else if (stage == UIA_REGISTRATION_TOKEN) {
        c->found.registration_token = json_str(what);
        c->holds_token = c->found.registration_token.p != NULL;
    } else if (stage == UIA_EMAIL_NEW) {
        (void)json_get_str(what, "address", &c->found.email);
        (void)json_get_int(what, "validated_ts", &c->found.email_validated_ts);
    }
}

static int decode_stages(struct check *c, struct str text, struct err *err)
{
    json_t *done;
    int rc = json_parse(c->rq->arena, text, 0, &done, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(stages); i++) {
        const json_t *what = json_find(done, stages[i].type);
        if (what && stages[i].bit & offered(c)) {
            decode_stage(c, stages[i].bit, what);
        }
    }
    return rc;
}

/* Whether the session was opened for this request, or for any body. */
static bool is_for(const struct check *c, const struct uia_row *row, struct str open)
{
    return row->user_nid == c->caller &&
           (str_eq(row->request_hash, c->request_hash) || str_eq(row->request_hash, open));
}

/* The session that the request names; a new one if it names none, or one that has ended. */
static int open_session(struct check *c, const json_t *auth, struct err *err)
{
    struct server *s = server_of(c->rq);
    struct uia_row row;
    struct str wanted = STR_NONE, open;
    bool is_empty;
    int rc = hash_request(c, &is_empty, &open, err);
    if (rc != 0) {
        return rc;
    }
    rc = json_get_str(auth, "session", &wanted)
             ? uia_find(store_reader(s->store), c->rq->arena, wanted, clock_wall_ms(), &row, err)
             : E_NOT_FOUND;
    if (rc == E_NOT_FOUND) {
        c->session_id = rand_alnum(c->rq->arena, SESSION_ID);
        c->request_hash = is_empty ? open : c->request_hash;
        return wanted.p ? refuse(c, "M_UNKNOWN", "This session has ended: begin again") : 0;
    }
    if (rc != 0) {
        return rc;
    }
    c->session_id = row.session_id;
    c->names_session = c->is_stored = true;
    if (!is_for(c, &row, open)) {
        return err_forbidden(err, "This session was opened for another request");
    }
    return decode_stages(c, row.stages, err);
}

/* ---- what is written -------------------------------------------------------------------------- */

/* Another request may have done another stage meanwhile: what it did is taken over, and `added` is done once. */
static int merge(struct txn *t, struct check *c, bool *out_is_done, struct err *err)
{
    struct uia_row now;
    unsigned added = c->added;
    int rc = uia_find(txn_read(t), txn_arena(t), c->session_id, 0, &now, err);
    if (rc != 0) {
        return rc;
    }
    struct check other = {.rq = c->rq, .flows = c->flows, .n_flows = c->n_flows};
    rc = decode_stages(&other, arena_str(c->rq->arena, now.stages), err);
    *out_is_done = other.done & added;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(stages); i++) {
        if (stages[i].bit & other.done & ~c->done) {
            json_t *all;
            rc = json_parse(c->rq->arena, arena_str(c->rq->arena, now.stages), 0, &all, err);
            if (rc == 0) {
                decode_stage(c, stages[i].bit, json_find(all, stages[i].type));
            }
        }
    }
    return rc;
}

static struct str seal_body(const struct check *c)
{
    return c->body.n > BODY_MAX ? STR_NONE
                                : secret_box_seal(c->rq->arena, own_secret(c->rq),
                                                  body_purpose(c->rq, c->session_id), c->body);
}

static int save_merged(struct txn *t, struct check *c, struct err *err)
{
    bool is_done = false;
    int rc = c->is_stored ? merge(t, c, &is_done, err) : 0;
    if (rc != 0) {
        return rc;
    }
    const struct uia_row row = {.session_id = c->session_id,
                                .request_hash = c->request_hash,
                                .user_nid = c->caller,
                                .stages = encode_stages(c, txn_arena(t)),
                                .expires_ts = clock_wall_ms() + SESSION_MS,
                                .body = c->is_stored ? STR_NONE : seal_body(c)};
    rc = c->is_stored ? uia_set_stages(t, row.session_id, row.stages, err)
                      : uia_insert(t, &row, err);
    if (rc == 0 && c->added == UIA_REGISTRATION_TOKEN && c->found.registration_token.p &&
        !is_done) {
        rc = registration_tokens_hold(t, c->found.registration_token, clock_wall_ms(), err);
    }
    return rc == 0 && c->proof.p ? threepid_sessions_use(t, c->proof, err) : rc;
}

static int save_body(struct txn *t, void *arg)
{
    struct arena *outer = json_arena_enter(txn_arena(t));
    int rc = save_merged(t, arg, txn_err(t));
    json_arena_leave(outer);
    return rc;
}

static int save(struct check *c, struct err *err)
{
    if (c->is_stored && !c->added) {
        return 0;
    }
    int rc = store_write(server_of(c->rq)->store, "uia-save", save_body, c, err);
    if (rc == 0) {
        c->is_stored = true;
        c->holds_token = c->found.registration_token.p != NULL;
        c->proof = STR_NONE;
    }
    return rc;
}

struct using
{
    const struct check *check;
    bool is_gone;
};

/* Only one of two racing requests finds the session. A token that was held for it is free for the account's own
 * transaction, which uses it up: a crash in between costs nothing. */
static int use_up_body(struct txn *t, void *arg)
{
    struct using *u = arg;
    const struct check *c = u->check;
    struct err *err = txn_err(t);
    int rc = c->is_stored ? uia_set_stages(t, c->session_id, STR("{}"), err) : 0;
    if (rc == 0 && c->proof.p) {
        rc = threepid_sessions_use(t, c->proof, err);
    }
    u->is_gone = rc == E_NOT_FOUND;
    if (u->is_gone) {
        return 0;
    }
    rc = rc ? rc : uia_delete(t, c->session_id, err);
    if (rc == 0 && c->holds_token) {
        rc = registration_tokens_let_go(t, c->found.registration_token, err);
    }
    return rc;
}

static int use_up(const struct check *c, struct err *err)
{
    struct using u = {.check = c};
    if (!c->is_stored && !c->proof.p) {
        return 0;
    }
    int rc = store_write(server_of(c->rq)->store, "uia-use", use_up_body, &u, err);
    return rc == 0 && u.is_gone ? err_forbidden(err, "This session was used already") : rc;
}

/* ---- the answer ------------------------------------------------------------------------------- */

/* The types of a set of stages. */
static json_t *types_of(unsigned bits)
{
    json_t *out = json_array();
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        if (stages[i].bit & bits) {
            json_array_append_new(out, json_new_str(stages[i].type));
        }
    }
    return out;
}

static json_t *params_of(const struct check *c)
{
    json_t *out = json_object();
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        if ((stages[i].bit & offered(c)) && stages[i].params) {
            json_put(out, stages[i].type, stages[i].params(server_of(c->rq)->config));
        }
    }
    return out;
}

static int answer(const struct check *c)
{
    json_t *out = json_object(), *flows = json_array();
    for (size_t i = 0; i < c->n_flows; i++) {
        json_t *flow = json_object();
        json_put(flow, STR("stages"), types_of(c->flows[i]));
        json_array_append_new(flows, flow);
    }
    json_put(out, STR("flows"), flows);
    json_put(out, STR("params"), params_of(c));
    json_put_str(out, "session", c->session_id);
    json_put(out, STR("completed"), types_of(c->done));
    if (c->why.kind) {
        json_put_str(out, "errcode", str_c(c->why.errcode));
        json_put_str(out, "error", str_c(c->why.message));
    }
    return reply_json(c->rq, 401, out);
}

struct auth {
    struct str type, session;
};
static const struct jfield auth_fields[] = {
    FIELD(struct auth, type, .flags = OPT),
    FIELD(struct auth, session, .flags = OPT),
    {0},
};

/* `auth` of the body, whose members that all stages share are of the right types; NULL if there is none. */
static int read_auth(struct request *rq, const json_t **out, struct err *err)
{
    struct auth auth = {0};
    *out = json_get(rq->json, "auth");
    if (!*out || json_is_null(*out)) {
        *out = NULL;
        return 0;
    }
    return json_decode(rq->arena, *out, auth_fields, &auth, err);
}

int uia_check_form(struct request *rq, struct err *err)
{
    const json_t *auth;
    return read_auth(rq, &auth, err);
}

/* Without a session, what is known of the request itself. */
static struct str id_without_session(const struct check *c)
{
    return hex_encode(c->rq->arena, c->request_hash);
}

/* NULL: too much to be kept. */
static const struct uia_row *receipt(const struct check *c)
{
    if (c->body.n > BODY_MAX) {
        return NULL;
    }
    struct uia_row *row = arena_new(c->rq->arena, struct uia_row);
    *row = (struct uia_row){.session_id = c->names_session ? c->session_id : id_without_session(c),
                            .request_hash = c->request_hash,
                            .user_nid = c->caller,
                            .expires_ts = clock_wall_ms() + SESSION_MS};
    row->body = secret_box_seal(c->rq->arena, own_secret(c->rq),
                                body_purpose(c->rq, row->session_id), c->body);
    return row;
}

int uia_check(struct request *rq, const unsigned *flows, size_t n_flows, struct uia_result *out,
              struct err *err)
{
    struct check c = {.rq = rq,
                      .flows = flows,
                      .n_flows = n_flows,
                      .caller = rq->who.user_nid,
                      .found = {.user_nid = rq->who.user_nid}};
    const json_t *auth;
    int rc = read_auth(rq, &auth, err);
    if (rc == 0) {
        rc = open_session(&c, auth, err);
    }
    if (rc == 0 && !c.why.kind) {
        rc = attempt(&c, auth, err);
    }
    /* Stored, others may have done the rest meanwhile. */
    if (rc == 0 && (c.why.kind || !is_complete(&c))) {
        rc = save(&c, err);
    }
    if (rc == 0 && !c.why.kind && is_complete(&c)) {
        *out = c.found;
        out->receipt = receipt(&c);
        return use_up(&c, err);
    }
    rc = rc ? rc : answer(&c);
    return rc == 0 ? UIA_ANSWERED : rc;
}

/* ---- repetitions ------------------------------------------------------------------------------ */

int uia_keep(struct txn *t, const struct uia_result *done, struct str kept, struct err *err)
{
    if (!done->receipt) {
        return 0;
    }
    struct arena *outer = json_arena_enter(txn_arena(t));
    struct uia_row row = *done->receipt;
    json_t *stored = json_object();
    json_put_str(stored, "kept", kept);
    row.stages = json_encode(txn_arena(t), stored);
    json_arena_leave(outer);
    int rc = uia_delete(t, row.session_id, err); /* one whose time is up, but that was not swept */
    return rc ? rc : uia_insert(t, &row, err);
}

int uia_kept(struct request *rq, struct str *out, struct err *err)
{
    struct check c = {.rq = rq, .caller = rq->who.user_nid};
    const json_t *auth;
    struct uia_row row;
    struct str open;
    json_t *stored;
    bool is_empty;
    *out = STR_NONE;
    int rc = read_auth(rq, &auth, err);
    rc = rc ? rc : hash_request(&c, &is_empty, &open, err);
    if (rc != 0 || !auth) {
        return rc;
    }
    struct str id = id_without_session(&c);
    (void)json_get_str(auth, "session", &id);
    rc = uia_find(store_reader(server_of(rq)->store), rq->arena, id, clock_wall_ms(), &row, err);
    if (rc == 0 && is_for(&c, &row, open)) {
        rc = json_parse(rq->arena, row.stages, 0, &stored, err);
        (void)(rc == 0 && json_get_str(stored, "kept", out));
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* ---- a body that is nothing but `auth` -------------------------------------------------------- */

int uia_complete_body(struct request *rq, json_t **body, struct err *err)
{
    json_t *auth = (json_t *)json_find(*body, STR("auth")), *whole;
    struct str session, text;
    struct uia_row row;
    if (!auth || json_object_size(*body) != 1 || !json_get_str(auth, "session", &session)) {
        return 0;
    }
    int rc = uia_find(store_reader(server_of(rq)->store), rq->arena, session, clock_wall_ms(), &row,
                      err);
    if (rc != 0 || row.user_nid != rq->who.user_nid || !row.body.p) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    if (secret_box_open(rq->arena, own_secret(rq), body_purpose(rq, session), row.body, &text)) {
        rc = json_parse(rq->arena, text, JPARSE_REALS, &whole, err);
        if (rc == 0) {
            json_put(whole, STR("auth"), json_incref(auth));
            *body = whole;
        }
    }
    return rc;
}

/* ---- fallback pages --------------------------------------------------------------------------- */

/* *asked: what the session's request was told, in place of its flows. */
static int load(struct request *rq, struct str session_id, struct check *c, unsigned *asked,
                struct err *err)
{
    struct uia_row row;
    json_t *stored;
    int64_t bits = 0;
    int rc = uia_find(store_reader(server_of(rq)->store), rq->arena, session_id, clock_wall_ms(),
                      &row, err);
    rc = rc ? rc : json_parse(rq->arena, row.stages, 0, &stored, err);
    if (rc != 0) {
        return rc;
    }
    (void)json_get_int(stored, "asked", &bits);
    *asked = (unsigned)bits;
    *c = (struct check){.rq = rq,
                        .flows = asked,
                        .n_flows = 1,
                        .session_id = row.session_id,
                        .is_stored = true,
                        .caller = row.user_nid,
                        .found = {.user_nid = row.user_nid}};
    return decode_stages(c, row.stages, err);
}

int uia_look(struct request *rq, struct str session_id, struct str type, struct uia_view *out,
             struct err *err)
{
    struct check c;
    unsigned asked;
    int rc = load(rq, session_id, &c, &asked, err);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        if (stages[i].bit & asked && str_eq(stages[i].type, type)) {
            *out = (struct uia_view){stages[i].bit, c.done & stages[i].bit, c.caller};
            return 0;
        }
    }
    return err_not_found(err, "This stage is not asked for here");
}

int uia_attempt(struct request *rq, struct str session_id, const json_t *auth, struct err *err)
{
    struct check c;
    unsigned asked;
    int rc = load(rq, session_id, &c, &asked, err);
    rc = rc ? rc : attempt(&c, auth, err);
    if (rc == 0 && c.why.kind) {
        *err = c.why;
        return E_FORBIDDEN;
    }
    return rc == 0 ? save(&c, err) : rc;
}

/* ---- expiry ----------------------------------------------------------------------------------- */

static int expire_body(struct txn *t, UNUSED void *arg)
{
    struct arena *a = txn_arena(t);
    struct err *err = txn_err(t);
    struct uia_row *rows;
    size_t n;
    int rc = uia_take_expired(t, a, clock_wall_ms(), &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        json_t *done;
        struct str token;
        rc = json_parse(a, rows[i].stages, 0, &done, err);
        if (rc == 0 && json_get_str(done, "m.login.registration_token", &token)) {
            rc = registration_tokens_let_go(t, token, err);
        }
    }
    return rc;
}

int uia_expire(struct server *s, struct err *err)
{
    return store_write(s->store, "uia-expire", expire_body, NULL, err);
}
