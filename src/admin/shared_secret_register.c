/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts made by tools that know the shared secret, in the way that Synapse introduced: ask for a nonce, then prove
 * the secret by a MAC over nonce and wish. Works whatever registration.mode is.
 */
#include "admin/routes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "core/account.h"
#include "core/server.h"
#include "core/sign_in.h"
#include "crypto/hash.h"
#include "matrix/ids.h"
#include "wire/jfield.h"

enum { NONCE_MS = 60 * 1000, NONCE_RANDOM = 16, NONCE_MAC = 16 };

static int check_enabled(const struct server *s, struct err *err)
{
    return s->config->registration.shared_secret.n
               ? 0
               : err_set(err, E_INVALID, 400, "M_UNKNOWN",
                         "Registration by a shared secret is not enabled");
}

/* ---- nonces ----------------------------------------------------------------------------------- */

/*
 * "<when it was given out>.<random>.<our MAC>": nothing is kept, so nobody can fill the database with nonces. None has
 * to be marked as used: what is signed holds the user's name, and a name is taken only once.
 */
static struct str nonce_of(struct request *rq, struct str when, struct str random)
{
    const struct signing_key *key = &server_of(rq)->key;
    struct str text = ARENA_CONCAT(rq->arena, when, STR("."), random);
    unsigned char mac[SHA256_LEN];
    hmac_sha256(str_n((const char *)key->secret, sizeof(key->secret)),
                ARENA_CONCAT(rq->arena, STR("ingot shared secret nonce\n"), text), mac);
    return ARENA_CONCAT(rq->arena, text, STR("."),
                        hex_encode(rq->arena, str_n((char *)mac, NONCE_MAC)));
}

static bool is_our_nonce(struct request *rq, struct str nonce)
{
    struct str when, random, rest;
    int64_t given_ms, now = clock_wall_ms();
    if (!str_split(nonce, '.', &when, &rest) || !str_split(rest, '.', &random, &rest) ||
        !str_to_i64(when, &given_ms) || given_ms > now || now - given_ms > NONCE_MS) {
        return false;
    }
    struct str ours = nonce_of(rq, when, random);
    return ours.n == nonce.n && str_eq_secret(ours, nonce);
}

static int get_nonce(struct request *rq, struct err *err)
{
    int rc = check_enabled(server_of(rq), err);
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    struct str now = arena_printf(rq->arena, "%lld", (long long)clock_wall_ms());
    json_put_str(out, "nonce", nonce_of(rq, now, rand_alnum(rq->arena, NONCE_RANDOM)));
    return reply_json(rq, 200, out);
}

/* ---- registering ------------------------------------------------------------------------------ */

struct wish {
    struct str nonce, username, password, displayname, user_type, mac;
    bool admin, inhibit_login;
};
static const struct jfield wish_fields[] = {
    FIELD(struct wish, nonce),
    FIELD(struct wish, username),
    FIELD(struct wish, password),
    FIELD(struct wish, displayname, .flags = OPT),
    FIELD(struct wish, user_type, .flags = OPT),
    FIELD(struct wish, mac),
    FIELD(struct wish, admin, .flags = OPT),
    FIELD(struct wish, inhibit_login, .flags = OPT),
    {0},
};

/* The parts of the message are told apart by NUL, so no part may have one. */
static bool has_nul(const struct wish *w)
{
    return str_chr(w->username, '\0') >= 0 || str_chr(w->password, '\0') >= 0 ||
           str_chr(w->user_type, '\0') >= 0;
}

static int check_mac(struct request *rq, const struct wish *w, struct err *err)
{
    struct str given, secret = server_of(rq)->config->registration.shared_secret;
    struct str nul = str_n("", 1);
    struct str message = ARENA_CONCAT(rq->arena, w->nonce, nul, w->username, nul, w->password, nul,
                                      w->admin ? STR("admin") : STR("notadmin"),
                                      w->user_type.p ? nul : STR_NONE, w->user_type);
    unsigned char mac[SHA1_LEN];
    hmac_sha1(secret, message, mac);
    if (has_nul(w) || !hex_decode(rq->arena, w->mac, &given) || given.n != sizeof(mac) ||
        !str_eq_secret(given, str_n((char *)mac, sizeof(mac)))) {
        return err_forbidden(err, "The MAC is wrong");
    }
    return 0;
}

static int check_proof(struct request *rq, const struct wish *w, struct err *err)
{
    if (!is_our_nonce(rq, w->nonce)) {
        return err_set(err, E_INVALID, 400, "M_UNKNOWN", "The nonce is unknown or too old");
    }
    return check_mac(rq, w, err);
}

static int create(struct request *rq, const struct wish *w, struct str name, uint64_t *out_nid,
                  struct err *err)
{
    const struct new_account account = {.localpart = name,
                                        .password = w->password,
                                        .displayname = w->displayname,
                                        .is_admin = w->admin};
    return account_create(server_of(rq), rq->arena, &account, out_nid, err);
}

static int post_register(struct request *rq, struct err *err)
{
    const struct wish *w = rq->in;
    struct server *s = server_of(rq);
    struct str name = user_localpart_lower(rq->arena, w->username);
    struct sign_in who = {0};
    struct signed_in in;
    int rc = check_enabled(s, err);
    rc = rc ? rc : check_proof(rq, w, err);
    rc = rc ? rc : create(rq, w, name, &who.user_nid, err);
    log_administration(STR("registration.shared_secret"), "user.add", name,
                       rc == 0 ? STR_NONE : str_c(err->message));
    if (rc == 0 && !w->inhibit_login) {
        rc = sign_in(s, rq->arena, &who, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    json_put_str(out, "user_id", user_id_make(rq->arena, name, s->server_name));
    json_put_str(out, "home_server", s->server_name);
    if (!w->inhibit_login) {
        sign_in_put(out, &in);
    }
    return reply_json(rq, 200, out);
}

const struct route shared_secret_register_routes[] = {
    {HTTP_GET, "/_synapse/admin/v1/register", get_nonce, .rate = RATE_DEFAULT},
    {HTTP_POST, "/_synapse/admin/v1/register", post_register, .lane = LANE_SLOW,
     BODY(struct wish, wish_fields), .rate = RATE_DEFAULT},
    {0},
};
