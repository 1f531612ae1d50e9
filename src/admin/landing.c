/* SPDX-License-Identifier: Apache-2.0 */
/* The page at "/": tells a person with a browser that the server runs, and how to connect. */
#include "admin/routes.h"
#include "base/buf.h"
#include "core/server.h"
#include "wire/html.h"

enum { PAGE_MAX = 64 * 1024 };

static void add_page(struct buf *page, const struct config *config)
{
    static const char *const how_to_join[] = {
        [REGISTRATION_CLOSED] = "Accounts are made by the operator of this server.",
        [REGISTRATION_TOKEN] = "To create an account you need a registration token.",
        [REGISTRATION_OPEN] = "Anybody may create an account.",
    };
    buf_add(page, STR("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>"));
    html_escape(page, config->server_name);
    buf_add(page,
            STR("</title>\n<style>body{font:1.1em/1.5 sans-serif;max-width:40em;margin:4em auto;"
                "padding:0 1em}code{font-size:1.1em}</style>\n"
                "<h1>It runs</h1>\n<p>This is the Matrix homeserver <code>"));
    html_escape(page, config->server_name);
    buf_add(
        page,
        STR("</code>, an Ingot.</p>\n<p>To connect, open a Matrix client, choose to use another "
            "homeserver, and enter <code>"));
    html_escape(page, config->public_url);
    buf_add(page, STR("</code>. "));
    buf_add(page, str_c(how_to_join[config->registration.mode]));
    buf_add(page, STR("</p>\n</html>\n"));
}

static int get_landing(struct request *rq, UNUSED struct err *err)
{
    struct buf page = BUF_INIT(PAGE_MAX);
    add_page(&page, server_of(rq)->config);
    struct str html = arena_str(rq->arena, buf_str(&page));
    buf_release(&page);
    reply_header(rq, "Content-Security-Policy",
                 STR("default-src 'none'; style-src 'unsafe-inline'"));
    reply_header(rq, "X-Content-Type-Options", STR("nosniff"));
    return reply_bytes(rq, 200, "text/html; charset=utf-8", html);
}

const struct route landing_routes[] = {
    {HTTP_GET, "/", get_landing},
    {0},
};
