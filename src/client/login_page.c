/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page by which people sign in for a client that knows no login flow of ours ("Login Fallback"). Its script hands
 * the answer of /login to the client's window.matrixLogin.onLogin.
 */
#include "client/handler.h"
#include "client/routes.h"
#include "net/page.h"

/* Parameters of the page's own URL go along to /login, but nothing that proves who one is. */
static const char script[] =
    "const form = document.getElementById(\"login\");\n"
    "const say = text => { document.getElementById(\"error\").textContent = text; };\n"
    "form.addEventListener(\"submit\", async event => {\n"
    "  event.preventDefault();\n"
    "  say(\"\");\n"
    "  const given = new URLSearchParams(location.search);\n"
    "  const body = {};\n"
    "  for (const key of [\"device_id\", \"initial_device_display_name\"])\n"
    "    if (given.has(key)) body[key] = given.get(key);\n"
    "  if (given.get(\"refresh_token\") === \"true\") body.refresh_token = true;\n"
    "  const name = form.user.value.trim();\n"
    "  body.type = \"m.login.password\";\n"
    "  body.password = form.password.value;\n"
    "  body.identifier = name.indexOf(\"@\") > 0\n"
    "    ? { type: \"m.id.thirdparty\", medium: \"email\", address: name }\n"
    "    : { type: \"m.id.user\", user: name };\n"
    "  try {\n"
    "    const reply = await fetch(\"../../../client/v3/login\", { method: \"POST\",\n"
    "      headers: { \"Content-Type\": \"application/json\" }, body: JSON.stringify(body) });\n"
    "    const answer = await reply.json();\n"
    "    if (!reply.ok) { say(answer.error || \"This did not work.\"); return; }\n"
    "    if (window.matrixLogin && window.matrixLogin.onLogin) "
    "window.matrixLogin.onLogin(answer);\n"
    "    else if (window.onLogin) window.onLogin(answer);\n"
    "    form.hidden = true;\n"
    "    document.getElementById(\"done\").hidden = false;\n"
    "  } catch (problem) { say(\"The server cannot be reached: try again.\"); }\n"
    "});\n";

static int get_page(struct request *rq, UNUSED struct err *err)
{
    struct page page;
    page_begin(rq, &page, STR("Sign in"));
    PAGE_MARKUP(&page, "<p>to <code>");
    page_text(&page, server_of(rq)->server_name);
    PAGE_MARKUP(&page, "</code></p>\n<p id=\"error\" class=\"error\" role=\"alert\"></p>\n"
                       "<form id=\"login\">\n"
                       "<label for=\"user\">User name or e-mail address</label>\n"
                       "<input id=\"user\" name=\"user\" autocomplete=\"username\" required>\n"
                       "<label for=\"password\">Password</label>\n"
                       "<input id=\"password\" name=\"password\" type=\"password\" "
                       "autocomplete=\"current-password\" required>\n"
                       "<button>Sign in</button>\n</form>\n"
                       "<p id=\"done\" hidden>You are signed in. You can go on in your app.</p>\n"
                       "<noscript><p>This page needs JavaScript.</p></noscript>\n");
    page_script(&page, str_c(script));
    return page_reply(&page, 200);
}

const struct route login_page_routes[] = {
    {HTTP_GET, "/_matrix/static/client/login/", get_page, .rate = RATE_LOGIN},
    {0},
};
