/* SPDX-License-Identifier: Apache-2.0 */
#include "core/identity_server.h"

#include <stdatomic.h>

#include "base/pool.h"
#include "core/server.h"
#include "crypto/hash.h"
#include "crypto/json_sign.h"
#include "matrix/ids.h"
#include "net/http_client.h"
#include "net/page.h"
#include "wire/base64.h"
#include "wire/json_writer.h"
#include "wire/url.h"

#define API STR("/_matrix/identity/v2")

enum { ANSWER_MS = 10 * 1000, ANSWER_MAX = 64 * 1024, TOKEN_MAX = 255 };

struct answer {
    long status;
    const json_t *json; /* NULL: it is no JSON object */
};

/* ---- asking ---- */

static bool is_allowed(const struct server *s, struct str name)
{
    const struct config_strs *allowed = &s->config->identity_servers.allowed;
    for (size_t i = 0; i < allowed->n; i++) {
        if (str_eq(allowed->p[i], STR("*")) || str_eq(allowed->p[i], name)) {
            return true;
        }
    }
    return false;
}

static int check_server(struct server *s, struct str name, struct err *err)
{
    if (!server_name_is_valid(name)) {
        return err_invalid_param(err, "\"%.*s\" is no identity server", STR_ARG(name));
    }
    return is_allowed(s, name)
               ? 0
               : err_forbidden(err, "This server does not work with the identity server %.*s",
                               STR_ARG(name));
}

static struct str base_url(struct server *s, struct arena *a, struct str name)
{
    bool plain = s->config->identity_servers.plain_http;
    return ARENA_CONCAT(a, plain ? STR("http://") : STR("https://"), name);
}

/* Anybody can name a server that hangs: those who wait for one must not hold all workers of the slow lane, where people
 * sign in too. */
static void run_in_turn(struct server *s, struct http_fetch *f)
{
    unsigned most = MAX(1, pool_slow_max(s->pool) / 2);
    if (atomic_fetch_add(&s->identity_calls, 1) < most) {
        http_client_run(s->http_client, f);
    } else {
        f->rc = err_set(&f->err, E_BUSY, 0, NULL, "too many requests wait for identity servers");
    }
    atomic_fetch_sub(&s->identity_calls, 1);
}

/* f->private_ok: whether the configuration may allow private addresses for it. */
static int fetch(struct server *s, struct arena *a, struct http_fetch *f, struct answer *out,
                 struct err *err)
{
    json_t *json = NULL;
    f->limits = (struct http_fetch_limits){.body_bytes = ANSWER_MAX, .total_ms = ANSWER_MS};
    f->private_ok = f->private_ok && s->config->identity_servers.allow_private_addresses;
    run_in_turn(s, f);
    int rc = f->rc;
    if (rc == 0) {
        struct str text = arena_str(a, buf_str(&f->reply));
        bool is_json = json_parse(a, text, JPARSE_REALS, &json, NULL) == 0 && json_is_object(json);
        *out = (struct answer){.status = f->status, .json = is_json ? json : NULL};
    } else if (rc == E_BUSY || rc == E_LIMIT) {
        rc = err_set(err, E_BUSY, 504, "M_CONNECTION_TIMEOUT",
                     "The identity server does not answer");
        err_cause(err, &f->err);
    } else {
        *err = f->err;
    }
    http_fetch_release(f);
    return rc;
}

/* `authorization`: the value of that header. */
static int ask(struct server *s, struct arena *a, const struct identity_server *is,
               const char *method, struct str path, const json_t *body, struct str authorization,
               struct answer *out, struct err *err)
{
    const struct str header = ARENA_CONCAT(a, STR("Authorization: "), authorization);
    const char *headers[] = {arena_cstr(a, header), "Content-Type: application/json", NULL};
    int rc = check_server(s, is->name, err);
    if (rc != 0) {
        return rc;
    }
    struct http_fetch f = {.method = method,
                           .url = ARENA_CONCAT(a, base_url(s, a, is->name), API, path),
                           .headers = headers,
                           .body = body ? json_encode(a, body) : STR_NONE,
                           .private_ok = true};
    return fetch(s, a, &f, out, err);
}

static int ask_as_user(struct server *s, struct arena *a, const struct identity_server *is,
                       const char *method, struct str path, const json_t *body, struct answer *out,
                       struct err *err)
{
    if (is->token.n == 0 || str_chr(is->token, '\r') >= 0 || str_chr(is->token, '\n') >= 0) {
        return err_invalid_param(err, "\"id_access_token\" is no token");
    }
    return ask(s, a, is, method, path, body, ARENA_CONCAT(a, STR("Bearer "), is->token), out, err);
}

/* "Homeservers should simply proxy any errors received by the identity server." But 401 would tell the client that its
 * session here has ended, with the words for that. */
static int refused(struct arena *a, const struct answer *answer, struct err *err)
{
    struct str errcode = STR_NONE, sentence = STR_NONE;
    (void)json_get_str(answer->json, "errcode", &errcode);
    (void)json_get_str(answer->json, "error", &sentence);
    errcode = errcode_passed_on(errcode);
    bool is_refusal = answer->status >= 400 && answer->status < 500 && errcode.n > 0;
    if (!is_refusal) {
        return err_set(err, E_BUSY, 502, "M_UNKNOWN",
                       "The identity server answered with status %ld", answer->status);
    }
    bool is_plain = answer->status == 400 || answer->status == 403 || answer->status == 404;
    if (answer->status == 401) {
        errcode = STR("M_FORBIDDEN");
    }
    return err_set(err, E_FORBIDDEN, is_plain ? (int)answer->status : 403, arena_cstr(a, errcode),
                   "%.*s",
                   STR_ARG(sentence.n ? sentence : STR("The identity server refuses to do so")));
}

static int check_ok(struct arena *a, const struct answer *answer, struct err *err)
{
    return answer->status == 200 && answer->json ? 0 : refused(a, answer, err);
}

static int is_wrong(struct err *err)
{
    return err_set(err, E_BUSY, 502, "M_UNKNOWN", "The identity server's answer makes no sense");
}

/* ---- binding ---- */

int identity_bind(struct server *s, struct arena *a, const struct identity_server *is,
                  struct str sid, struct str client_secret, struct str user_id,
                  struct threepid *out, struct err *err)
{
    struct answer answer;
    json_t *body = json_object();
    json_put_str(body, "sid", sid);
    json_put_str(body, "client_secret", client_secret);
    json_put_str(body, "mxid", user_id);
    int rc = ask_as_user(s, a, is, "POST", STR("/3pid/bind"), body, &answer, err);
    rc = rc ? rc : check_ok(a, &answer, err);
    if (rc == 0 && (!json_get_str(answer.json, "medium", &out->medium) ||
                    !json_get_str(answer.json, "address", &out->address))) {
        rc = is_wrong(err);
    }
    return rc;
}

/*
 * "The request is signed by the homeserver which controls the user_id." How is not said further; identity servers in
 * use check it as a request between servers whose receiver stands in `destination_is`.
 */
static int sign(struct server *s, struct arena *a, struct str destination, struct str path,
                json_t *content, struct str *out, struct err *err)
{
    json_t *object = json_object();
    json_put_str(object, "method", STR("POST"));
    json_put_str(object, "uri", ARENA_CONCAT(a, API, path));
    json_put_str(object, "origin", s->server_name);
    json_put_str(object, "destination_is", destination);
    json_put(object, STR("content"), json_incref(content));
    int rc = json_sign(a, object, s->server_name, &s->key, 0, err);
    if (rc == 0) {
        const json_t *by_key = json_find(json_get(object, "signatures"), s->server_name);
        struct str signature = json_str(json_find(by_key, str_c(s->key.id)));
        *out = arena_printf(a, "X-Matrix origin=\"%.*s\",key=\"%s\",sig=\"%.*s\"",
                            STR_ARG(s->server_name), s->key.id, STR_ARG(signature));
    }
    return rc;
}

static json_t *threepid_json(const struct threepid *who)
{
    json_t *out = json_object();
    json_put_str(out, "medium", who->medium);
    json_put_str(out, "address", who->address);
    return out;
}

int identity_unbind(struct server *s, struct arena *a, const struct identity_server *is,
                    const struct threepid *who, struct str user_id, bool *out_done, struct err *err)
{
    struct answer answer;
    struct str authorization;
    json_t *body = json_object();
    json_put_str(body, "mxid", user_id);
    json_put(body, STR("threepid"), threepid_json(who));
    *out_done = false;
    int rc = sign(s, a, is->name, STR("/3pid/unbind"), body, &authorization, err);
    rc = rc ? rc : ask(s, a, is, "POST", STR("/3pid/unbind"), body, authorization, &answer, err);
    if (rc != 0 || answer.status == 200) {
        *out_done = rc == 0;
        return rc;
    }
    /* "If the response body is not a JSON Matrix error, the identity server does not support unbinds." */
    bool is_supported = answer.json && json_get(answer.json, "errcode");
    return is_supported ? refused(a, &answer, err) : 0;
}

/* ---- looking up ---- */

static bool has_algorithm(const json_t *details, const char *name)
{
    const json_t *list = json_get(details, "algorithms");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (str_eq(json_str(json_array_get(list, i)), str_c(name))) {
            return true;
        }
    }
    return false;
}

/* "sha256": the address, its medium and the pepper with spaces between, hashed and in the base64 for URLs. */
static struct str encode_address(struct arena *a, const struct threepid *who, struct str pepper,
                                 bool is_hashed)
{
    unsigned char hash[SHA256_LEN];
    struct str plain = ARENA_CONCAT(a, who->address, STR(" "), who->medium);
    if (!is_hashed) {
        return plain;
    }
    sha256(ARENA_CONCAT(a, plain, STR(" "), pepper), hash);
    return base64_encode(a, str_n((char *)hash, sizeof(hash)), BASE64_URL);
}

static int look_up(struct server *s, struct arena *a, const struct identity_server *is,
                   const struct threepid *who, struct answer *out, struct str *out_key,
                   struct err *err)
{
    struct answer details;
    struct str pepper;
    int rc = ask_as_user(s, a, is, "GET", STR("/hash_details"), NULL, &details, err);
    rc = rc ? rc : check_ok(a, &details, err);
    if (rc != 0) {
        return rc;
    }
    bool is_hashed = has_algorithm(details.json, "sha256");
    if (!json_get_str(details.json, "lookup_pepper", &pepper) ||
        (!is_hashed && !has_algorithm(details.json, "none"))) {
        return is_wrong(err);
    }
    *out_key = encode_address(a, who, pepper, is_hashed);
    json_t *body = json_object(), *addresses = json_array();
    json_array_append_new(addresses, json_new_str(*out_key));
    json_put_str(body, "algorithm", is_hashed ? STR("sha256") : STR("none"));
    json_put_str(body, "pepper", pepper);
    json_put(body, STR("addresses"), addresses);
    return ask_as_user(s, a, is, "POST", STR("/lookup"), body, out, err);
}

int identity_lookup(struct server *s, struct arena *a, const struct identity_server *is,
                    const struct threepid *who, struct str *out_user_id, struct err *err)
{
    struct answer answer;
    struct matrix_id id;
    struct str key;
    *out_user_id = STR_NONE;
    int rc = look_up(s, a, is, who, &answer, &key, err);
    /* The pepper may have been changed between the two questions: once more, not again and again. */
    if (rc == 0 && str_eq(json_str(json_get(answer.json, "errcode")), STR("M_INVALID_PEPPER"))) {
        rc = look_up(s, a, is, who, &answer, &key, err);
    }
    rc = rc ? rc : check_ok(a, &answer, err);
    if (rc == 0) {
        *out_user_id = json_str(json_find(json_get(answer.json, "mappings"), key));
    }
    return rc == 0 && out_user_id->n && !user_id_parse(*out_user_id, &id) ? is_wrong(err) : rc;
}

/* ---- invitations ---- */

/* "consisting of the characters [0-9a-zA-Z.=_-] … must not exceed 255 characters" */
static bool is_token(struct str text)
{
    bool ok = text.n > 0 && text.n <= TOKEN_MAX;
    for (size_t i = 0; ok && i < text.n; i++) {
        char c = text.p[i];
        ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '.' || c == '=' || c == '_' || c == '-';
    }
    return ok;
}

int identity_store_invite(struct server *s, struct arena *a, const struct identity_server *is,
                          const struct threepid *who, json_t *invite, const json_t **out,
                          struct err *err)
{
    struct answer answer;
    struct str token, key;
    json_put_str(invite, "medium", who->medium);
    json_put_str(invite, "address", who->address);
    int rc = ask_as_user(s, a, is, "POST", STR("/store-invite"), invite, &answer, err);
    rc = rc ? rc : check_ok(a, &answer, err);
    if (rc != 0) {
        return rc;
    }
    const json_t *first = json_array_get(json_get(answer.json, "public_keys"), 0);
    *out = answer.json;
    return json_get_str(answer.json, "token", &token) && is_token(token) &&
                   json_get_str(first, "public_key", &key)
               ? 0
               : is_wrong(err);
}

struct str identity_key_validity_url(struct server *s, struct arena *a, struct str id_server)
{
    return ARENA_CONCAT(a, base_url(s, a, id_server), API, STR("/pubkey/isvalid"));
}

int identity_key_is_valid(struct server *s, struct arena *a, struct str url, struct str public_key,
                          bool *out, struct err *err)
{
    struct answer answer;
    struct str sign = str_chr(url, '?') >= 0 ? STR("&") : STR("?");
    struct str scheme, host;
    bool has_tls = str_starts(url, STR("https://"));
    *out = false;
    if (!has_tls && !s->config->identity_servers.plain_http) {
        return err_forbidden(err, "The invitation's key cannot be checked without TLS");
    }
    /* The URL is from an event, that is from anybody: it leads into our network only to a server that we work with. */
    (void)str_split(page_origin_of(url), '/', &scheme, &host);
    struct http_fetch f = {
        .url = ARENA_CONCAT(a, url, sign, STR("public_key="), url_encode(a, public_key)),
        .private_ok = is_allowed(s, str_from(host, 1))};
    int rc = fetch(s, a, &f, &answer, err);
    if (rc == 0 && answer.json) {
        (void)json_get_bool(answer.json, "valid", out);
    }
    return rc;
}
