/* SPDX-License-Identifier: Apache-2.0 */
#include "core/server_discovery.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "matrix/ids.h"
#include "net/http_client.h"
#include "wire/json.h"

enum {
    REMEMBERED_MAX = 10000,
    WAIT_MS = 5000,
    REDIRECTS = 5,
    BODY_MAX = 51200,
};
/* "The recommended sensible default is 24 hours … a maximum cache time …: 48 hours … Errors … up to an hour". */
#define HOUR_MS    INT64_C(3600000)
#define DEFAULT_MS (24 * HOUR_MS)
#define LONGEST_MS (48 * HOUR_MS)
#define ERROR_MS   (HOUR_MS / 4)

struct known {
    int64_t until; /* monotonic */
    size_t n;
    char authority[]; /* empty: there is no .well-known */
};

struct server_discovery {
    struct http_client *client;
    bool private_ok;
    struct lock lock;    /* RANK_CACHE */
    struct smap by_name; /* -> struct known */
};

struct server_discovery *server_discovery_new(struct http_client *client, bool private_ok)
{
    struct server_discovery *d = xcalloc(1, sizeof(*d));
    d->client = client;
    d->private_ok = private_ok;
    lock_init(&d->lock, RANK_CACHE, "server discovery");
    return d;
}

static void forget_all(struct server_discovery *d)
{
    size_t pos = 0;
    struct str key;
    union map_val v;
    while (smap_next(&d->by_name, &pos, &key, &v)) {
        free(v.ptr);
    }
    smap_release(&d->by_name);
}

void server_discovery_free(struct server_discovery *d)
{
    if (d) {
        forget_all(d);
        lock_destroy(&d->lock);
        free(d);
    }
}

/* ---- what is remembered ---- */

static bool recall(struct server_discovery *d, struct arena *a, struct str name, struct str *out)
{
    lock_take(&d->lock);
    union map_val *v = smap_find(&d->by_name, name);
    const struct known *known = v ? v->ptr : NULL;
    bool is_fresh = known && known->until > clock_mono_ms();
    *out = is_fresh ? arena_str(a, str_n(known->authority, known->n)) : STR("");
    lock_release(&d->lock);
    return is_fresh;
}

static void remember(struct server_discovery *d, struct str name, struct str authority,
                     int64_t for_ms)
{
    struct known *known = xmalloc(sizeof(*known) + authority.n);
    known->until = clock_mono_ms() + for_ms;
    known->n = authority.n;
    if (authority.n) {
        memcpy(known->authority, authority.p, authority.n);
    }
    lock_take(&d->lock);
    if (d->by_name.n >= REMEMBERED_MAX) {
        forget_all(d); /* hostile names, most likely; asking again is cheap */
    }
    union map_val *v = smap_at(&d->by_name, name, NULL);
    free(v->ptr);
    v->ptr = known;
    lock_release(&d->lock);
}

/* ---- .well-known ---- */

/* With the port 8448 if none is written; false if the text is no server name. */
static bool authority_of(struct arena *a, struct str text, struct str *out)
{
    struct server_name name;
    if (!server_name_parse(text, &name)) {
        return false;
    }
    *out = name.port ? text : ARENA_CONCAT(a, text, STR(":8448"));
    return true;
}

static int64_t lifetime_of(const struct http_fetch *f)
{
    struct str control = http_fetch_header(f, "Cache-Control");
    ptrdiff_t at = control.p ? str_find(control, STR("max-age=")) : -1;
    int64_t seconds;
    if (at < 0) {
        return DEFAULT_MS;
    }
    struct str digits = str_from(control, (size_t)at + strlen("max-age="));
    size_t n = 0;
    while (n < digits.n && digits.p[n] >= '0' && digits.p[n] <= '9') {
        n++;
    }
    return str_to_i64(str_n(digits.p, n), &seconds) && seconds < LONGEST_MS / 1000 ? seconds * 1000
                                                                                   : LONGEST_MS;
}

/* Whatever is wrong with the answer counts as none. */
static bool understand(struct arena *a, const struct http_fetch *f, struct str *out)
{
    json_t *json;
    struct err err;
    struct str server;
    return f->rc == 0 && f->status == 200 &&
           json_parse(a, buf_str(&f->reply), JPARSE_REALS, &json, &err) == 0 &&
           json_get_str(json, "m.server", &server) && authority_of(a, server, out);
}

static void ask(struct server_discovery *d, struct arena *a, struct str name, struct str *out)
{
    struct http_fetch f = {
        .url = ARENA_CONCAT(a, STR("https://"), name, STR("/.well-known/matrix/server")),
        .limits = {.body_bytes = BODY_MAX, .redirects = REDIRECTS, .total_ms = WAIT_MS},
        .private_ok = d->private_ok};
    *out = STR("");
    http_client_run(d->client, &f);
    bool is_there = understand(a, &f, out);
    bool is_ours = f.rc == E_BUSY && err_http(&f.err) == 503; /* says nothing about the other */
    if (!is_ours) {
        remember(d, name, *out, is_there ? lifetime_of(&f) : ERROR_MS);
    }
    http_fetch_release(&f);
}

int server_discovery_find(struct server_discovery *d, struct arena *a, struct str name,
                          struct str *out, struct err *err)
{
    struct server_name parsed;
    if (!server_name_parse(name, &parsed)) {
        return err_invalid_param(err, "\"%.*s\" is not a server name", STR_ARG(name));
    }
    *out = STR("");
    if (parsed.kind == HOST_NAME && !parsed.port && !recall(d, a, name, out)) {
        ask(d, a, name, out);
    }
    if (!out->n) {
        (void)authority_of(a, name, out);
    }
    return 0;
}
