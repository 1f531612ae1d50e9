/* SPDX-License-Identifier: Apache-2.0 */
#include "core/appservice_call.h"

#include "base/clock.h"
#include "wire/json.h"

struct appservice_call *appservice_call_new(const struct appservice *as)
{
    struct appservice_call *c = xcalloc(1, sizeof(*c));
    bug_on(as->url.n == 0);
    arena_init(&c->arena, 0);
    c->as = as;
    return c;
}

void appservice_call_free(struct appservice_call *c)
{
    http_fetch_release(&c->fetch);
    arena_release(&c->arena);
    free(c);
}

/* ---- the address ------------------------------------------------------------------------------ */

/* The paths of before v1.0: third-party networks had a version of their own, the others none, a ping did not exist. */
static struct str legacy_prefix(struct str path)
{
    return str_starts(path, STR("/thirdparty/")) ? STR("/_matrix/app/unstable") : STR("");
}

static bool has_legacy_path(struct str path)
{
    return !str_eq(path, STR("/ping"));
}

static struct str address(struct appservice_call *c)
{
    struct str prefix = c->is_legacy ? legacy_prefix(c->path) : STR("/_matrix/app/v1");
    return ARENA_CONCAT(&c->arena, c->as->url, prefix, c->path);
}

/* ---- asking ----------------------------------------------------------------------------------- */

static void on_done(struct http_fetch *f);

static void submit(struct appservice_call *c)
{
    const char **headers = arena_array(&c->arena, const char *, 3);
    headers[0] = arena_printf(&c->arena, "Authorization: Bearer %.*s", STR_ARG(c->as->hs_token)).p;
    headers[1] = c->body.n ? "Content-Type: application/json" : NULL;
    c->fetch = (struct http_fetch){
        .method = c->method,
        .url = address(c),
        .headers = headers,
        .body = c->body,
        .limits = {.total_ms = c->timeout_ms ? c->timeout_ms : APPSERVICE_CALL_MS},
        .private_ok = true, /* the administrator wrote the address, and bridges live next door */
        .lane = LANE_FAST,
        .done = on_done,
    };
    c->started_ms = clock_mono_ms();
    http_client_submit(c->client, &c->fetch);
}

/* "if the application service receives an HTTP status code that does not indicate success": of a path that it does not
 * know, not of a user that it does not know. */
static bool is_unknown_path(struct appservice_call *c)
{
    json_t *answer;
    struct str errcode = STR_NONE;
    if (c->fetch.rc != 0 || (c->fetch.status != 404 && c->fetch.status != 405)) {
        return false;
    }
    struct arena *outer = json_arena_enter(&c->arena);
    bool is_json =
        json_parse(&c->arena, buf_str(&c->fetch.reply), JPARSE_REALS, &answer, NULL) == 0 &&
        json_get_str(answer, "errcode", &errcode);
    json_arena_leave(outer);
    return !is_json || str_eq(errcode, STR("M_UNRECOGNIZED"));
}

static void on_done(struct http_fetch *f)
{
    struct appservice_call *c = container_of(f, struct appservice_call, fetch);
    if (!c->is_legacy && has_legacy_path(c->path) && is_unknown_path(c)) {
        http_fetch_release(f);
        c->is_legacy = true;
        submit(c);
        return;
    }
    c->done(c);
}

void appservice_call_submit(struct http_client *client, struct appservice_call *c)
{
    c->client = client;
    submit(c);
}

enum appservice_outcome appservice_call_outcome(const struct appservice_call *c)
{
    if (c->fetch.rc == 0) {
        return c->fetch.status == 200 ? APPSERVICE_OK : APPSERVICE_REFUSED;
    }
    if (c->fetch.rc == E_LIMIT) {
        return c->fetch.err.http == 504 ? APPSERVICE_TIMED_OUT : APPSERVICE_REFUSED;
    }
    return APPSERVICE_UNREACHABLE;
}
