/* SPDX-License-Identifier: Apache-2.0 */
#include "net/weburl.h"

#include <curl/curl.h>

static int refuse(struct err *err)
{
    return err_invalid_param(err, "This is no http or https URL that can be fetched");
}

static bool set_url(CURLU *u, struct arena *a, struct str text)
{
    bool is_text = text.n > 0 && text.n <= WEBURL_MAX && !memchr(text.p, '\0', text.n);
    return is_text && curl_url_set(u, CURLUPART_URL, arena_cstr(a, text),
                                   CURLU_URLENCODE | CURLU_DISALLOW_USER) == CURLUE_OK;
}

static bool get_part(CURLU *u, struct arena *a, CURLUPart part, struct str *out)
{
    char *z = NULL;
    bool is_there = curl_url_get(u, part, &z, CURLU_DEFAULT_PORT) == CURLUE_OK;
    *out = is_there ? arena_str(a, str_c(z)) : STR_NONE;
    curl_free(z);
    return is_there;
}

static struct str lower(struct arena *a, struct str s)
{
    char *p = arena_cstr(a, s);
    for (size_t i = 0; i < s.n; i++) {
        p[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + ('a' - 'A') : p[i]);
    }
    return str_n(p, s.n);
}

static bool take_apart(CURLU *u, struct arena *a, struct weburl *out)
{
    struct str scheme, host, port, path, query;
    if (curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
        !get_part(u, a, CURLUPART_SCHEME, &scheme) || !get_part(u, a, CURLUPART_HOST, &host) ||
        !get_part(u, a, CURLUPART_PORT, &port) || !get_part(u, a, CURLUPART_PATH, &path)) {
        return false;
    }
    if (!str_eq(scheme, STR("http")) && !str_eq(scheme, STR("https"))) {
        return false;
    }
    bool has_query = get_part(u, a, CURLUPART_QUERY, &query);
    out->host = lower(a, host);
    out->host.n -= str_ends(host, STR(".")); /* "a.b." is "a.b" */
    out->path = has_query ? ARENA_CONCAT(a, path, STR("?"), query) : path;
    char *z = NULL; /* without the port if that is the scheme's own */
    bool is_whole = curl_url_get(u, CURLUPART_URL, &z, CURLU_NO_DEFAULT_PORT) == CURLUE_OK;
    out->text = is_whole ? arena_str(a, str_c(z)) : STR_NONE;
    curl_free(z);
    return is_whole && out->text.n <= WEBURL_MAX && str_is_utf8(out->text) &&
           str_to_i64(port, &out->port);
}

int weburl_parse(struct arena *a, struct str text, struct weburl *out, struct err *err)
{
    CURLU *u = curl_url();
    bug_on(!u);
    bool is_good = set_url(u, a, text) && take_apart(u, a, out);
    curl_url_cleanup(u);
    return is_good ? 0 : refuse(err);
}

int weburl_resolve(struct arena *a, const struct weburl *base, struct str reference,
                   struct weburl *out, struct err *err)
{
    CURLU *u = curl_url();
    bug_on(!u);
    bool is_good =
        set_url(u, a, base->text) && set_url(u, a, str_trim(reference)) && take_apart(u, a, out);
    curl_url_cleanup(u);
    return is_good ? 0 : refuse(err);
}
