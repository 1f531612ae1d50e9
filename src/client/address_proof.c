/* SPDX-License-Identifier: Apache-2.0 */
#include "client/address_proof.h"

#include "base/clock.h"
#include "base/rand.h"
#include "client/address_letter.h"
#include "core/server.h"
#include "crypto/token.h"
#include "matrix/ids.h"
#include "net/page.h"
#include "store/threepids.h"
#include "store/users.h"
#include "wire/jfield.h"
#include "wire/url.h"

enum { SECRET_MAX = 255, LINK_MAX = 2048, SESSION_ID = 24 };

/* ---- what may be wished ----------------------------------------------------------------------- */

static bool is_secret(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && (c == '\0' || !strchr(".=_-", c))) {
            return false;
        }
    }
    return s.n > 0 && s.n <= SECRET_MAX;
}

/* http or https, with a host and nothing that browsers and we might read differently. */
static bool is_link(struct str s)
{
    bool is_web = str_starts(s, STR("https://")) || str_starts(s, STR("http://"));
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '\\') {
            return false;
        }
    }
    struct str scheme, host;
    str_split(page_origin_of(s), '/', &scheme, &host);
    return is_web && s.n <= LINK_MAX && server_name_is_valid(str_from(host, 1));
}

static bool has_host(const struct config_strs *hosts, struct str link)
{
    struct str scheme, host;
    str_split(page_origin_of(link), '/', &scheme, &host);
    host = str_from(host, 1);
    for (size_t i = 0; i < hosts->n; i++) {
        if (str_eq_nocase(hosts->p[i], host)) {
            return true;
        }
    }
    return false;
}

bool address_proof_may_redirect(const struct config *c, struct str link)
{
    return link.n > 0 && has_host(&c->email.next_link_hosts, link);
}

static bool is_domain_allowed(const struct config *c, struct str address)
{
    struct str local, domain;
    str_split(address, '@', &local, &domain);
    for (size_t i = 0; i < c->registration.email_domains.n; i++) {
        if (str_eq_nocase(c->registration.email_domains.p[i], domain)) {
            return true;
        }
    }
    return c->registration.email_domains.n == 0;
}

static int check_policy(const struct config *c, enum threepid_purpose purpose, struct str address,
                        struct err *err)
{
    bool registers = purpose == THREEPID_REGISTER;
    if (!mailer_is_on(c) || (registers && c->registration.email == EMAIL_OFF)) {
        return err_set(err, E_INVALID, 400, "M_THREEPID_MEDIUM_NOT_SUPPORTED",
                       "E-mail addresses are not used here");
    }
    if (registers && c->registration.mode == REGISTRATION_CLOSED) {
        return err_set(err, E_FORBIDDEN, 403, "M_THREEPID_DENIED", "Registration is closed");
    }
    if (purpose != THREEPID_PASSWORD && !is_domain_allowed(c, address)) {
        return err_set(err, E_FORBIDDEN, 403, "M_THREEPID_DENIED",
                       "Addresses of this domain cannot be used here");
    }
    return 0;
}

static int check_wish(struct request *rq, const struct proof_wish *w, struct str *out_address,
                      struct err *err)
{
    const struct config *c = server_of(rq)->config;
    if (!is_secret(w->client_secret)) {
        return err_invalid_param(err, "client_secret is 1 to 255 of the characters 0-9a-zA-Z.=_-");
    }
    if (!mail_address_parse(rq->arena, w->address, out_address)) {
        return err_invalid_param(err, "This is no e-mail address");
    }
    if (w->next_link.p && !is_link(w->next_link)) {
        return err_invalid_param(err, "next_link must be an http or https URL");
    }
    if (w->next_link.p && c->email.next_link_hosts.n > 0 &&
        !has_host(&c->email.next_link_hosts, w->next_link)) {
        return err_invalid_param(err, "next_link leads to a host that is not allowed");
    }
    return check_policy(c, w->purpose, *out_address, err);
}

/* ---- whose it is ------------------------------------------------------------------------------ */

struct owner {
    bool is_known;
    struct str user; /* the user's id */
};

static int find_owner(struct request *rq, struct str address, struct owner *out, struct err *err)
{
    struct server *s = server_of(rq);
    struct db_read *r = store_reader(s->store);
    struct threepid_row row;
    struct user_row user;
    *out = (struct owner){.user = STR("")};
    int rc = threepids_find(r, rq->arena, STR("email"), address, &row, err);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    rc = rc ? rc : users_get(r, rq->arena, row.user_nid, &user, err);
    if (rc == 0) {
        out->is_known = true;
        out->user = user_id_make(rq->arena, user.localpart, s->server_name);
    }
    return rc;
}

/* *out_may: whether a proof of this address can serve its purpose. */
static int judge(struct request *rq, enum threepid_purpose purpose, const struct owner *owner,
                 bool *out_may, struct err *err)
{
    bool wants_known = purpose == THREEPID_PASSWORD;
    *out_may = owner->is_known == wants_known;
    if (*out_may || server_of(rq)->config->email.hide_accounts) {
        return 0;
    }
    return wants_known
               ? err_set(err, E_INVALID, 400, "M_THREEPID_NOT_FOUND", "No account has this address")
               : err_set(err, E_INVALID, 400, "M_THREEPID_IN_USE",
                         "This address belongs to an account already");
}

/* ---- beginning -------------------------------------------------------------------------------- */

struct beginning {
    struct threepid_session row;
    bool sends;
    struct arena *arena;
};

static int begin_body(struct txn *t, void *arg)
{
    struct beginning *b = arg;
    struct threepid_session row = b->row;
    int rc = threepid_sessions_begin(t, &row, &b->sends, txn_err(t));
    if (rc == 0) {
        b->row.session_id = arena_str(b->arena, row.session_id);
    }
    return rc;
}

static int unsend_body(struct txn *t, void *arg)
{
    const struct beginning *b = arg;
    return threepid_sessions_unsend(t, b->row.session_id, b->row.send_attempt, txn_err(t));
}

static struct str hash_of(struct arena *a, struct str secret)
{
    unsigned char *hash = arena_alloc(a, SHA256_LEN);
    token_hash(secret, hash);
    return str_n((char *)hash, SHA256_LEN);
}

static struct str confirm_link(struct request *rq, struct str session, struct str token)
{
    return arena_printf(rq->arena, "%.*s/_matrix/static/email/confirm?sid=%.*s&token=%.*s",
                        STR_ARG(server_of(rq)->config->public_url), STR_ARG(session),
                        STR_ARG(token));
}

/* A mail server that hangs must not hold all workers of the slow lane, where people sign in too. */
static int send_in_turn(struct server *s, const struct letter *letter, struct err *err)
{
    enum { LETTERS_MAX = 4 };
    int rc = atomic_fetch_add(&s->letters, 1) < LETTERS_MAX
                 ? mailer_deliver(s, letter, err)
                 : err_set(err, E_BUSY, 502, "M_UNKNOWN", "The mail server is busy: try later");
    atomic_fetch_sub(&s->letters, 1);
    return rc;
}

/* The client may ask again with the same number if the letter did not get away. */
static int send_letter(struct request *rq, struct beginning *b, const struct owner *owner,
                       struct str token, struct err *err)
{
    struct server *s = server_of(rq);
    struct letter letter;
    const struct address_letter content = {
        .config = s->config,
        .purpose = (enum threepid_purpose)b->row.purpose,
        .address = b->row.address,
        .link = token.p ? confirm_link(rq, b->row.session_id, token) : STR_NONE,
        .user = owner->user,
    };
    address_letter_write(rq->arena, &content, &letter);
    int rc = ratelimit_take(s->limits, RATE_EMAIL, RATE_BY_ACCOUNT, b->row.address, err);
    rc = rc ? rc : send_in_turn(s, &letter, err);
    if (rc != 0) {
        int undone = store_write(s->store, "address-unsend", unsend_body, b, NULL);
        (void)undone;
    }
    return rc;
}

int address_proof_begin(struct request *rq, const struct proof_wish *w, struct str *out_session,
                        struct err *err)
{
    struct server *s = server_of(rq);
    struct owner owner;
    struct str address, token = STR_NONE;
    bool may = false;
    int rc = check_wish(rq, w, &address, err);
    rc = rc ? rc : find_owner(rq, address, &owner, err);
    rc = rc ? rc : judge(rq, w->purpose, &owner, &may, err);
    if (rc != 0) {
        return rc;
    }
    if (may) {
        token = token_new(rq->arena, TOKEN_EMAIL);
    }
    struct beginning b = {
        .arena = rq->arena,
        .row = {.session_id = rand_alnum(rq->arena, SESSION_ID),
                .purpose = (int)w->purpose,
                .medium = STR("email"),
                .address = address,
                .secret_hash = hash_of(rq->arena, w->client_secret),
                .token_hash = may ? hash_of(rq->arena, token) : STR_NONE,
                .send_attempt = w->send_attempt,
                .next_link = w->next_link,
                .expires_ts = clock_wall_ms() + s->config->email.link_lifetime_ms}};
    rc = store_write(s->store, "address-begin", begin_body, &b, err);
    if (rc == 0 && b.sends) {
        rc = send_letter(rq, &b, &owner, token, err);
    }
    *out_session = b.row.session_id;
    return rc;
}

/* ---- checking --------------------------------------------------------------------------------- */

struct credentials {
    struct str sid, client_secret;
};
static const struct jfield credentials_fields[] = {
    FIELD(struct credentials, sid),
    FIELD(struct credentials, client_secret),
    {0},
};

static int fail(struct err *err)
{
    return err_set(err, E_FORBIDDEN, 403, "M_THREEPID_AUTH_FAILED",
                   "This address has not been verified");
}

int address_proof_check(struct request *rq, const json_t *credentials,
                        enum threepid_purpose purpose, struct threepid_session *out,
                        struct err *err)
{
    struct credentials in = {0};
    int rc = json_decode(rq->arena, credentials, credentials_fields, &in, err);
    rc = rc ? rc
            : threepid_sessions_find(store_reader(server_of(rq)->store), rq->arena, in.sid,
                                     clock_wall_ms(), out, err);
    if (rc == E_NOT_FOUND) {
        return fail(err);
    }
    if (rc == 0 && (out->validated_ts == 0 || out->purpose != (int)purpose ||
                    !str_eq_secret(out->secret_hash, hash_of(rq->arena, in.client_secret)))) {
        return fail(err);
    }
    return rc;
}
