/* SPDX-License-Identifier: Apache-2.0 */
/* The page at "/": tells a person with a browser that the server runs, and how to connect. */
#include "admin/routes.h"
#include "core/server.h"
#include "net/page.h"

static int get_landing(struct request *rq, UNUSED struct err *err)
{
    static const char *const how_to_join[] = {
        [REGISTRATION_CLOSED] = "Accounts are made by the operator of this server.",
        [REGISTRATION_TOKEN] = "To create an account you need a registration token.",
        [REGISTRATION_OPEN] = "Anybody may create an account.",
    };
    const struct config *config = server_of(rq)->config;
    struct page page;
    page_begin(rq, &page, STR("It runs"));
    PAGE_MARKUP(&page, "<p>This is the Matrix homeserver <code>");
    page_text(&page, config->server_name);
    PAGE_MARKUP(&page, "</code>, an Ingot.</p>\n<p>To connect, open a Matrix client, choose to "
                       "use another homeserver, and enter <code>");
    page_text(&page, config->public_url);
    PAGE_MARKUP(&page, "</code>. ");
    page_text(&page, str_c(how_to_join[config->registration.mode]));
    PAGE_MARKUP(&page, "</p>\n");
    return page_reply(&page, 200);
}

const struct route landing_routes[] = {
    {HTTP_GET, "/", get_landing, .rate = RATE_NONE},
    {0},
};
