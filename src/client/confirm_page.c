/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the link in a letter leads. Opening the page proves nothing: mail scanners open links too. The person presses
 * the button.
 */
#include "base/clock.h"
#include "client/address_proof.h"
#include "client/handler.h"
#include "client/routes.h"
#include "crypto/token.h"
#include "net/page.h"
#include "wire/url.h"

static const char title[] = "Confirm your e-mail address";

static int say_invalid(struct request *rq)
{
    struct page page;
    page_begin(rq, &page, STR("This link is not valid"));
    page_paragraph(&page, STR("It was used before, it is too old, or a newer letter is in your "
                              "mailbox. Ask your app for another letter."));
    return page_reply(&page, 404);
}

static void hash_token(struct str token, unsigned char hash[SHA256_LEN], struct str *out)
{
    token_hash(token, hash);
    *out = str_n((char *)hash, SHA256_LEN);
}

static int find(struct request *rq, struct str sid, struct str token, struct threepid_session *out,
                struct err *err)
{
    unsigned char bytes[SHA256_LEN];
    struct str hash;
    hash_token(token, bytes, &hash);
    int rc = threepid_sessions_find(store_reader(server_of(rq)->store), rq->arena, sid,
                                    clock_wall_ms(), out, err);
    return rc == 0 && (!out->token_hash.p || !str_eq_secret(out->token_hash, hash)) ? E_NOT_FOUND
                                                                                    : rc;
}

static int ask(struct request *rq, const struct threepid_session *session, struct str token)
{
    static const char *const questions[] = {
        [THREEPID_REGISTER] = "Use this address for your new account?",
        [THREEPID_PASSWORD] = "Allow a new password for the account with this address? Only do "
                              "this if you asked for it yourself, just now.",
        [THREEPID_ADD] = "Add this address to your account? Only do this if you asked for it "
                         "yourself.",
    };
    struct page page;
    page_begin(rq, &page, str_c(title));
    if (address_proof_may_redirect(server_of(rq)->config, session->next_link)) {
        page.form_origin = page_origin_of(session->next_link);
    }
    PAGE_MARKUP(&page, "<p><strong>");
    page_text(&page, session->address);
    PAGE_MARKUP(&page, "</strong></p>\n");
    page_paragraph(&page, str_c(questions[session->purpose]));
    PAGE_MARKUP(&page, "<form method=\"post\" action=\"confirm\">\n");
    page_hidden(&page, "sid", session->session_id);
    page_hidden(&page, "token", token);
    PAGE_MARKUP(&page, "<button>Confirm</button>\n</form>\n");
    return page_reply(&page, 200);
}

static int get_confirm(struct request *rq, struct err *err)
{
    struct str sid = request_query(rq, "sid"), token = request_query(rq, "token");
    struct threepid_session session;
    int rc = sid.n && token.n ? find(rq, sid, token, &session, err) : E_NOT_FOUND;
    if (rc == E_NOT_FOUND) {
        return say_invalid(rq);
    }
    return rc == 0 ? ask(rq, &session, token) : rc;
}

/* To a host that the operator has named people are sent at once; to others only if they want to, having seen where to:
 * anybody can ask for a letter with any link. */
static int say_confirmed(struct request *rq, const struct threepid_session *session)
{
    struct page page;
    if (address_proof_may_redirect(server_of(rq)->config, session->next_link)) {
        return reply_redirect(rq, 303, session->next_link);
    }
    page_begin(rq, &page, STR("Your address is confirmed"));
    page_paragraph(&page, STR("You can close this page and go on in your app."));
    if (session->next_link.p) {
        PAGE_MARKUP(&page, "<p>Your app wants you to go on at <a rel=\"noreferrer\" href=\"");
        page_text(&page, session->next_link);
        PAGE_MARKUP(&page, "\">");
        page_text(&page, page_origin_of(session->next_link));
        PAGE_MARKUP(&page, "</a>.</p>\n");
    }
    return page_reply(&page, 200);
}

struct confirming {
    struct str sid, token_hash;
    bool is_valid;
};

/* Anybody can send tokens that are not valid: that must not fail the transaction, which others share. */
static int confirm_body(struct txn *t, void *arg)
{
    struct confirming *c = arg;
    int rc = threepid_sessions_validate(t, c->sid, c->token_hash, clock_wall_ms(), txn_err(t));
    c->is_valid = rc == 0;
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int post_confirm(struct request *rq, struct err *err)
{
    struct url_query form;
    struct str token = STR_NONE;
    struct threepid_session session;
    struct confirming c = {0};
    unsigned char bytes[SHA256_LEN];
    int rc = url_query_parse(rq->arena, rq->body, &form, err);
    if (rc != 0) {
        return rc;
    }
    if (!url_query_find(&form, STR("sid"), &c.sid) ||
        !url_query_find(&form, STR("token"), &token)) {
        return say_invalid(rq);
    }
    hash_token(token, bytes, &c.token_hash);
    rc = store_write(server_of(rq)->store, "address-confirm", confirm_body, &c, err);
    rc = rc ? rc : c.is_valid ? find(rq, c.sid, token, &session, err) : E_NOT_FOUND;
    if (rc == E_NOT_FOUND) {
        return say_invalid(rq);
    }
    return rc == 0 ? say_confirmed(rq, &session) : rc;
}

const struct route confirm_page_routes[] = {
    {HTTP_GET, "/_matrix/static/email/confirm", get_confirm, .rate = RATE_REGISTER},
    {HTTP_POST, "/_matrix/static/email/confirm", post_confirm, .rate = RATE_REGISTER,
     .body = ROUTE_BODY_RAW, .body_max = 8192},
    {0},
};
