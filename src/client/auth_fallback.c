/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages by which people complete a stage of user-interactive authentication in a browser, for clients that do not
 * know the stage ("Fallback"). They need no script but the one that tells the client at the end, and the captcha.
 */
#include "base/rand.h"
#include "client/address_proof.h"
#include "client/captcha.h"
#include "client/handler.h"
#include "client/routes.h"
#include "client/uia.h"
#include "store/names.h"
#include "wire/url.h"

/* Fields of a form stand on the page that answers it, where a character may become six: PAGE_MAX is more than that. */
enum { FORM_MAX = 32 * 1024, SECRET_LENGTH = 32 };
_Static_assert(6 * FORM_MAX + 32 * 1024 <= PAGE_MAX, "a page holds its form");

/* A request for a page: the path's stage, the session, and what the person sent so far. */
struct visit {
    struct request *rq;
    struct str type, session;
    struct url_query form; /* of a POST */
    struct uia_view view;
    struct str complaint;   /* empty: none */
    struct str sid, secret; /* of the address that is being proved; .p == NULL: not yet */
};

static struct str field(const struct visit *v, const char *name)
{
    struct str value = STR("");
    (void)url_query_find(&v->form, str_c(name), &value);
    return value;
}

/* ---- what the stages ask ---------------------------------------------------------------------- */

static void add_button(struct page *p, const char *label)
{
    PAGE_MARKUP(p, "<button>");
    page_text(p, str_c(label));
    PAGE_MARKUP(p, "</button>\n");
}

static void add_input(struct page *p, const char *name, const char *type, const char *label)
{
    buf_printf(&p->html,
               "<label for=\"%s\">%s</label>\n<input id=\"%s\" name=\"%s\" type=\"%s\" required>\n",
               name, label, name, name, type);
}

static void ask_nothing(UNUSED struct visit *v, struct page *p)
{
    page_paragraph(p, STR("Nothing more is needed."));
    add_button(p, "Go on");
}

static void ask_terms(struct visit *v, struct page *p)
{
    const struct config *c = server_of(v->rq)->config;
    PAGE_MARKUP(p, "<p>Please read: <a rel=\"noreferrer\" target=\"_blank\" href=\"");
    page_text(p, c->registration.terms.url);
    PAGE_MARKUP(p, "\">");
    page_text(p, c->registration.terms.name);
    PAGE_MARKUP(p, "</a></p>\n");
    add_button(p, "I accept");
}

static void ask_registration_token(UNUSED struct visit *v, struct page *p)
{
    page_paragraph(p, STR("To create an account here you need a registration token."));
    add_input(p, "token", "text", "Registration token");
    add_button(p, "Go on");
}

static void ask_password(struct visit *v, struct page *p)
{
    /* Anybody can begin a session and send somebody else its link. */
    page_paragraph(p,
                   STR("Only go on if you yourself have just asked for this in your app: who else "
                       "sent you here could take your account."));
    if (v->view.user_nid == 0) {
        add_input(p, "user", "text", "User name");
    }
    add_input(p, "password", "password", "Password");
    add_button(p, "Go on");
}

static void ask_captcha(UNUSED struct visit *v, struct page *p)
{
    page_paragraph(p, STR("Please show that you are no program."));
    captcha_show(p);
    add_button(p, "Go on");
}

static void ask_email(struct visit *v, struct page *p)
{
    if (v->sid.p) {
        page_paragraph(p, STR("A letter is on its way to you. Follow the link in it, then come "
                              "back here."));
        page_hidden(p, "sid", v->sid);
        page_hidden(p, "secret", v->secret);
        add_button(p, "I have followed the link");
        return;
    }
    add_input(p, "email", "email", "E-mail address");
    add_button(p, "Send me a letter");
}

/* ---- what people answer, as a client would say it ---------------------------------------------- */

static void answer_nothing(UNUSED struct visit *v, UNUSED json_t *auth)
{
}

static void answer_registration_token(struct visit *v, json_t *auth)
{
    json_put_str(auth, "token", field(v, "token"));
}

/* Who is signed in need not say who they are. */
static struct str user_of(struct visit *v)
{
    struct store *store = server_of(v->rq)->store;
    struct str id = field(v, "user");
    struct err err = {0};
    if (v->view.user_nid &&
        names_text(store, store_reader(store), v->view.user_nid, v->rq->arena, &id, &err) != 0) {
        return STR("");
    }
    return id;
}

static void answer_password(struct visit *v, json_t *auth)
{
    json_t *who = json_object();
    json_put_str(who, "type", STR("m.id.user"));
    json_put_str(who, "user", user_of(v));
    json_put(auth, STR("identifier"), who);
    json_put_str(auth, "password", field(v, "password"));
}

static void answer_captcha(struct visit *v, json_t *auth)
{
    struct str response = captcha_response(v->rq, &v->form);
    json_put_str(auth, "response", response.p ? response : STR(""));
}

static void answer_email(struct visit *v, json_t *auth)
{
    json_t *credentials = json_object();
    v->sid = field(v, "sid");
    v->secret = field(v, "secret");
    json_put_str(credentials, "sid", v->sid);
    json_put_str(credentials, "client_secret", v->secret);
    json_put(auth, STR("threepid_creds"), credentials);
}

static const struct asking {
    enum uia_stage stage;
    const char *title;
    void (*ask)(struct visit *v, struct page *p);
    void (*answer)(struct visit *v, json_t *auth);
} askings[] = {
    {UIA_DUMMY, "Go on", ask_nothing, answer_nothing},
    {UIA_TERMS, "Terms", ask_terms, answer_nothing},
    {UIA_REGISTRATION_TOKEN, "Registration token", ask_registration_token,
     answer_registration_token},
    {UIA_PASSWORD, "Confirm with your password", ask_password, answer_password},
    {UIA_CAPTCHA, "Are you a person?", ask_captcha, answer_captcha},
    {UIA_EMAIL_NEW, "Your e-mail address", ask_email, answer_email},
    {UIA_EMAIL_KNOWN, "Your e-mail address", ask_email, answer_email},
};

static const struct asking *asking_of(const struct visit *v)
{
    for (size_t i = 0; i < ARRAY_LEN(askings); i++) {
        if (askings[i].stage == v->view.stage) {
            return &askings[i];
        }
    }
    return &askings[0];
}

/* ---- pages ------------------------------------------------------------------------------------ */

static int say_ended(struct visit *v)
{
    struct page page;
    page_begin(v->rq, &page, STR("This has ended"));
    page_paragraph(&page, STR("Too much time has passed, or it was finished elsewhere. Begin again "
                              "in your app."));
    return page_reply(&page, 404);
}

/* The script is the specification's. */
static int say_done(struct visit *v)
{
    struct page page;
    page_begin(v->rq, &page, STR("Thank you"));
    page_paragraph(&page, STR("You can close this page and go on in your app."));
    page_script(&page, STR("if (window.onAuthDone) {\n    window.onAuthDone();\n"
                           "} else if (window.opener && window.opener.postMessage) {\n"
                           "    window.opener.postMessage(\"authDone\", \"*\");\n}\n"));
    return page_reply(&page, 200);
}

static int say_question(struct visit *v)
{
    const struct asking *a = asking_of(v);
    struct page page;
    page_begin(v->rq, &page, str_c(a->title));
    if (v->complaint.n > 0) {
        PAGE_MARKUP(&page, "<p class=\"error\" role=\"alert\">");
        page_text(&page, v->complaint);
        PAGE_MARKUP(&page, "</p>\n");
    }
    PAGE_MARKUP(&page, "<form method=\"post\" action=\"web\">\n");
    page_hidden(&page, "session", v->session);
    a->ask(v, &page);
    PAGE_MARKUP(&page, "</form>\n");
    return page_reply(&page, v->complaint.n > 0 ? 401 : 200);
}

/* ---- visits ----------------------------------------------------------------------------------- */

static int look(struct visit *v, struct err *err)
{
    v->type = v->rq->params[0];
    return uia_look(v->rq, v->session, v->type, &v->view, err);
}

static int get_page(struct request *rq, struct err *err)
{
    struct visit v = {.rq = rq};
    int rc = request_query_require(rq, "session", &v.session, err);
    if (rc != 0) {
        return rc;
    }
    rc = look(&v, err);
    if (rc == E_NOT_FOUND) {
        return say_ended(&v);
    }
    return rc ? rc : v.view.is_done ? say_done(&v) : say_question(&v);
}

/* What a person can put right is said on the page again. */
static int complain(struct visit *v, int rc, struct err *err)
{
    if (rc == E_NOT_FOUND) {
        return say_ended(v);
    }
    if (rc == E_FORBIDDEN || rc == E_INVALID) {
        v->complaint = arena_str(v->rq->arena, str_c(err->message));
        return say_question(v);
    }
    return rc;
}

static int begin_email(struct visit *v, struct err *err)
{
    const struct proof_wish wish = {.purpose = v->view.stage == UIA_EMAIL_NEW ? THREEPID_REGISTER
                                                                              : THREEPID_PASSWORD,
                                    .address = field(v, "email"),
                                    .client_secret = rand_alnum(v->rq->arena, SECRET_LENGTH),
                                    .send_attempt = 1};
    struct str sid;
    int rc = address_proof_begin(v->rq, &wish, &sid, err);
    if (rc != 0) {
        return complain(v, rc, err);
    }
    v->sid = sid;
    v->secret = wish.client_secret;
    return say_question(v);
}

static int answer(struct visit *v, struct err *err)
{
    json_t *auth = json_object();
    json_put_str(auth, "type", v->type);
    asking_of(v)->answer(v, auth);
    int rc = uia_attempt(v->rq, v->session, auth, err);
    return rc == 0 ? say_done(v) : complain(v, rc, err);
}

static int post_page(struct request *rq, struct err *err)
{
    struct visit v = {.rq = rq};
    int rc = url_query_parse(rq->arena, rq->body, &v.form, err);
    if (rc != 0) {
        return rc;
    }
    v.session = field(&v, "session");
    rc = look(&v, err);
    if (rc == E_NOT_FOUND) {
        return say_ended(&v);
    }
    if (rc != 0) {
        return rc;
    }
    if (v.view.is_done) {
        return say_done(&v);
    }
    bool is_email = v.view.stage == UIA_EMAIL_NEW || v.view.stage == UIA_EMAIL_KNOWN;
    return is_email && field(&v, "email").n > 0 ? begin_email(&v, err) : answer(&v, err);
}

const struct route auth_fallback_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/auth/{authType}/fallback/web", get_page, .rate = RATE_LOGIN},
    {HTTP_POST, "/_matrix/client/v3/auth/{authType}/fallback/web", post_page, .rate = RATE_LOGIN,
     .lane = LANE_SLOW, .body = ROUTE_BODY_RAW, .body_max = FORM_MAX},
    {0},
};
