/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User-interactive authentication (client-server API, "User-Interactive Authentication API"), for any handler that
 * wants more proof than an access token. The body's field table needs a member `auth` of its own only if the handler
 * looks at it; uia_check reads it from the request.
 *
 *     static const unsigned flows[] = {UIA_PASSWORD};
 *     struct uia_result uia;
 *     int rc = uia_check(rq, flows, ARRAY_LEN(flows), &uia, err);
 *     if (rc != 0) {
 *         return uia_reply(rc);
 *     }
 *     ...do it...
 *
 * The client is told what is missing with 401 and a session; it repeats the request with `auth`, once for each stage.
 * A session is bound to user, method, path and body (without `auth`), and ends after half an hour. Only a first
 * request with an empty body leaves the body open: clients ask for the flows that way. When all stages of one flow are
 * done the session is used up and uia_check returns 0: exactly once, also when two requests race.
 *
 * Old clients repeat nothing but `auth` with its session: uia_complete_body puts the body of the session's first
 * request in its place, for every route. Bodies may hold passwords, so they are stored sealed (crypto/secret_box.h),
 * and only up to a size.
 *
 * A request that makes something new can be repeated after its answer was lost (uia_keep, uia_kept).
 *
 * Passwords are hashed here: the route runs in LANE_SLOW.
 */
#ifndef INGOT_CLIENT_UIA_H
#define INGOT_CLIENT_UIA_H

#include "net/request.h"
#include "wire/json.h"

struct server;
struct txn;
struct uia_row;

/* A flow is a set of stages; clients are told them in this order. */
enum uia_stage {
    UIA_REGISTRATION_TOKEN = 1 << 0, /* m.login.registration_token */
    UIA_TERMS = 1 << 1,              /* m.login.terms: those of the configuration */
    UIA_PASSWORD =
        1 << 2, /* m.login.password: of the caller, or of whom it names if nobody is signed in */
    UIA_DUMMY = 1 << 3,     /* m.login.dummy */
    UIA_CAPTCHA = 1 << 4,   /* m.login.recaptcha */
    UIA_EMAIL_NEW = 1 << 5, /* m.login.email.identity: an address for a new account */
    UIA_EMAIL_KNOWN =
        1 << 6, /* m.login.email.identity: that of the account that forgot its password */
};

enum { UIA_ANSWERED = 2 }; /* the client was told what is missing */

/* What the stages found out; strings in the request's arena. */
struct uia_result {
    uint64_t user_nid; /* whose password or address it was, or the caller; 0: nobody */
    struct str email;  /* the proved address of a new account; .p == NULL: none */
    int64_t email_validated_ts;
    struct str
        registration_token; /* one of the database that the account will use; .p == NULL: none */
    const struct uia_row *receipt; /* for uia_keep */
};

/* 0: passed. UIA_ANSWERED: the reply is made. Errors: 403 M_FORBIDDEN when the request is not the one that the session
 * was opened for, 429 after too many wrong passwords. */
MUST_USE int uia_check(struct request *rq, const unsigned *flows, size_t n_flows,
                       struct uia_result *out, struct err *err);
/* In the transaction that does what uia_check let pass: whoever repeats the very request while its session would have
 * lasted is told `kept` (JSON) by uia_kept. Without a session the request is known by its hash, so it must hold
 * something that only one person sends. */
MUST_USE int uia_keep(struct txn *t, const struct uia_result *done, struct str kept,
                      struct err *err);
/* To be asked before anything is judged. *out.p == NULL: this is no repetition. In the request's arena. */
MUST_USE int uia_kept(struct request *rq, struct str *out, struct err *err);

/* The HTTP server's complete_body hook. */
int uia_complete_body(struct request *rq, json_t **body, struct err *err);

/* Whether `auth` is well-formed, for handlers that refuse a request for other reasons before uia_check: 400. */
MUST_USE int uia_check_form(struct request *rq, struct err *err);
/* What a handler returns when uia_check did not return 0. */
static inline int uia_reply(int rc)
{
    return rc == UIA_ANSWERED ? 0 : rc;
}
/*
 * For the fallback pages: what a session asks of a person, and attempting one stage of it with the object that a client
 * would send as `auth`. The client's next request finds the stage done. E_NOT_FOUND: the session has ended, or does not
 * ask for this stage; E_FORBIDDEN: the attempt failed, err says why.
 */
struct uia_view {
    enum uia_stage stage;
    bool is_done;
    uint64_t user_nid; /* who is signed in; 0: nobody */
};
MUST_USE int uia_look(struct request *rq, struct str session_id, struct str type,
                      struct uia_view *out, struct err *err);
MUST_USE int uia_attempt(struct request *rq, struct str session_id, const json_t *auth,
                         struct err *err);
/* Ends sessions whose time is up, and lets go of the registration tokens that were held for them. */
MUST_USE int uia_expire(struct server *s, struct err *err);

#endif
