/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of framing on heads of any bytes: it keeps its bounds, and what it lets pass, a plain strict reader reads
 * the same way. The input is a head; its separators are cut here as libmicrohttpd cuts them.
 */
#include "net/http_framing.h"
#include "fuzz/fuzz.h"

/* Cuts the next line at the LF and the CR before it; false at the end of the bytes. */
static bool next_line(char *p, size_t n, size_t *at, struct str *out)
{
    char *lf = memchr(p + *at, '\n', n - *at);
    if (!lf) {
        return false;
    }
    size_t end = (size_t)(lf - p);
    size_t text = end > *at && p[end - 1] == '\r' ? end - 1 : end;
    *out = str_n(p + *at, text - *at);
    memset(p + text, 0, end + 1 - text);
    *at = end + 1;
    return true;
}

/* As libmicrohttpd does it: the name up to the first colon, the value up to the first NUL. */
static bool cut_field(struct str line, struct str *name, struct str *value)
{
    char *p = (char *)line.p, *colon = memchr(p, ':', strnlen(p, line.n));
    if (!colon) {
        return false;
    }
    *colon = '\0';
    *name = str_c(p);
    while (*++colon == ' ' || *colon == '\t') {
    }
    *value = str_c(colon);
    return true;
}

static bool cut_request_line(struct str line, struct http_head *head)
{
    char *p = (char *)line.p, *first = memchr(p, ' ', line.n), *last = memrchr(p, ' ', line.n);
    if (!first || last == first) {
        return false;
    }
    *first = *last = '\0';
    head->target_at = first + 1;
    head->target = str_c(first + 1);
    head->version = str_c(last + 1);
    return true;
}

static void judge(char *p, size_t n, struct arena *a)
{
    struct str line, name, value;
    struct http_head head = {0};
    struct http_framing f;
    struct str *names = arena_array(a, struct str, n), *values = arena_array(a, struct str, n);
    size_t at = 0, fields = 0, lengths = 0, codings = 0;
    if (!next_line(p, n, &at, &line) || !cut_request_line(line, &head)) {
        return;
    }
    while (next_line(p, n, &at, &line) && line.n > 0 && cut_field(line, &name, &value)) {
        lengths += str_eq_nocase(name, STR("Content-Length"));
        codings += str_eq_nocase(name, STR("Transfer-Encoding"));
        names[fields] = name;
        values[fields++] = value;
    }
    head.bytes = str_n(p, at);
    http_framing_begin(&f, &head);
    for (size_t i = 0; i < fields; i++) {
        http_framing_field(&f, names[i], values[i]);
    }
    if (http_framing_end(&f) != 0) {
        bug_on((f.status != 400 && f.status != 501) || !f.reason);
        return;
    }
    bug_on(f.at != f.end || lengths + codings > 1 || f.has_length != lengths ||
           f.is_chunked != codings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a, 0);
    char *p =
        xmalloc(size + 1); /* where libmicrohttpd's views are read as C strings, its pool goes on */
    memcpy(p, data, size);
    p[size] = '\0';
    judge(p, size, &a);
    free(p);
    arena_release(&a);
    return 0;
}
