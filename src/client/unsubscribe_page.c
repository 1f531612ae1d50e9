/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends the notifications that an address gets: the link stands in every letter. Mail programs may also POST to it by
 * themselves, if the person presses their button (RFC 8058); so everything is in the query.
 */
#include "client/handler.h"
#include "client/routes.h"
#include "core/changes.h"
#include "core/unsubscribe.h"
#include "net/page.h"
#include "store/names.h"
#include "store/push.h"

struct wish {
    struct str user, address, proof;
};

static bool read_wish(struct request *rq, struct wish *out)
{
    *out = (struct wish){.user = request_query(rq, "user"),
                         .address = request_query(rq, "address"),
                         .proof = request_query(rq, "proof")};
    return out->user.p && out->address.p &&
           unsubscribe_is_valid(server_of(rq), rq->arena, out->user, out->address, out->proof);
}

static int say_invalid(struct request *rq)
{
    struct page page;
    page_begin(rq, &page, STR("This link is not valid"));
    page_paragraph(&page, STR("Please use the link of the letter as it is."));
    return page_reply(&page, 404);
}

static int get_page(struct request *rq, UNUSED struct err *err)
{
    struct wish w;
    struct page page;
    if (!read_wish(rq, &w)) {
        return say_invalid(rq);
    }
    page_begin(rq, &page, STR("No more letters?"));
    PAGE_MARKUP(&page, "<p>Messages that you miss as <code>");
    page_text(&page, w.user);
    PAGE_MARKUP(&page, "</code> will not be told to <strong>");
    page_text(&page, w.address);
    PAGE_MARKUP(&page, "</strong> any more.</p>\n<form method=\"post\">\n<button>Send no more "
                       "letters</button>\n</form>\n");
    return page_reply(&page, 200);
}

struct ending {
    struct server *server;
    uint64_t user_nid;
    struct str address;
};

static int end_body(struct txn *t, void *arg)
{
    const struct ending *e = arg;
    changes_add(t, e->server,
                (struct change){CHANGE_PUSHERS, txn_position(t), .user = e->user_nid});
    return pushers_delete(t, e->user_nid, STR("m.email"), e->address, txn_err(t));
}

static int post_page(struct request *rq, struct err *err)
{
    struct wish w;
    struct page page;
    struct ending e = {.server = server_of(rq)};
    if (!read_wish(rq, &w)) {
        return say_invalid(rq);
    }
    e.address = w.address;
    int rc = names_get(e.server->store, w.user, &e.user_nid, err);
    rc = rc ? rc : store_write(e.server->store, "unsubscribe", end_body, &e, err);
    if (rc != 0) {
        return rc;
    }
    page_begin(rq, &page, STR("No more letters"));
    page_paragraph(&page, STR("You can have them sent again in the settings of your app."));
    return page_reply(&page, 200);
}

const struct route unsubscribe_page_routes[] = {
    {HTTP_GET, "/_matrix/static/email/unsubscribe", get_page, .rate = RATE_REGISTER},
    {HTTP_POST, "/_matrix/static/email/unsubscribe", post_page, .rate = RATE_REGISTER,
     .body_max = 4096},
    {0},
};
