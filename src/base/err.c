/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What a kind means for a client when nobody said otherwise; indexed by -kind. */
static const struct {
    int http;
    const char *errcode;
} defaults[] = {
    [-E_OK] = {200, "M_UNKNOWN"},          [-E_INVALID] = {400, "M_UNKNOWN"},
    [-E_NOT_FOUND] = {404, "M_NOT_FOUND"}, [-E_FORBIDDEN] = {403, "M_FORBIDDEN"},
    [-E_CONFLICT] = {409, "M_UNKNOWN"},    [-E_LIMIT] = {429, "M_LIMIT_EXCEEDED"},
    [-E_BUSY] = {503, "M_UNKNOWN"},        [-E_INTERNAL] = {500, "M_UNKNOWN"},
};

/* Formats into a fixed field; a text that does not fit is cut at a character, never inside one. */
static void format(char *to, size_t room, const char *fmt, va_list ap)
{
    int n = vsnprintf(to, room, fmt, ap);
    if (n < 0) {
        to[0] = '\0';
        return;
    }
    if ((size_t)n < room) {
        return;
    }
    size_t end = room - 1;
    while (end > 0 && ((unsigned char)to[end - 1] & 0xC0) == 0x80) {
        end--; /* continuation bytes */
    }
    if (end > 0 && (unsigned char)to[end - 1] >= 0xC0) {
        end--; /* their lead byte */
    }
    size_t whole = room - 1 - end; /* bytes of the last character that are there */
    unsigned char lead = whole ? (unsigned char)to[end] : 0;
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (whole != want) {
        to[end] = '\0';
    }
}

static int fill(struct err *err, enum err_kind kind, int http, const char *errcode, const char *fmt,
                va_list ap)
{
    if (err) {
        /* The members are set one by one: clearing 800 bytes would cost more than the error. */
        err->kind = kind;
        err->http = http;
        err->errcode = errcode;
        err->retry_after_ms = 0;
        err->detail[0] = err->extra[0] = '\0';
        format(err->message, sizeof(err->message), fmt, ap);
    }
    return kind;
}

int err_set(struct err *err, enum err_kind kind, int http, const char *errcode, const char *fmt,
            ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = fill(err, kind, http, errcode, fmt, ap);
    va_end(ap);
    return rc;
}

int err_internal(struct err *err, const char *fmt, ...)
{
    int rc = err_set(err, E_INTERNAL, 500, "M_UNKNOWN", "Internal server error");
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        format(err->detail, sizeof(err->detail), fmt, ap);
        va_end(ap);
    }
    return rc;
}

void err_detail(struct err *err, const char *fmt, ...)
{
    if (!err) {
        return;
    }
    size_t n = strlen(err->detail);
    if (n > 0 && n + 2 < sizeof(err->detail)) {
        memcpy(err->detail + n, "; ", 3);
        n += 2;
    }
    va_list ap;
    va_start(ap, fmt);
    format(err->detail + n, sizeof(err->detail) - n, fmt, ap);
    va_end(ap);
}

static size_t kind_index(const struct err *err)
{
    size_t i = (size_t)-err->kind;
    return i < ARRAY_LEN(defaults) ? i : (size_t)-E_INTERNAL;
}

void err_cause(struct err *err, const struct err *cause)
{
    if (cause->detail[0]) {
        err_detail(err, "%s (%s)", cause->message, cause->detail);
    } else {
        err_detail(err, "%s", cause->message);
    }
}

int err_http(const struct err *err)
{
    return err->http ? err->http : defaults[kind_index(err)].http;
}

const char *err_errcode(const struct err *err)
{
    return err->errcode ? err->errcode : defaults[kind_index(err)].errcode;
}

/* What a client is told of it; NULL: nothing, since it will not pass by itself. */
static const char *passing_trouble(int system_error)
{
    switch (system_error) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EIO:
    case ENOENT: /* the directory has gone: not mounted */
        return "The storage of this server is full or broken; try later";
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN:
        return "This server has too much to do at the moment; try later";
    default:
        return NULL;
    }
}

int err_system(struct err *err, int system_error, const char *fmt, ...)
{
    const char *trouble = passing_trouble(system_error);
    int rc = trouble ? err_set(err, E_BUSY, 503, "M_UNKNOWN", "%s", trouble)
                     : err_set(err, E_INTERNAL, 500, "M_UNKNOWN", "Internal server error");
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        format(err->detail, sizeof(err->detail), fmt, ap);
        va_end(ap);
        size_t n = strlen(err->detail);
        (void)snprintf(err->detail + n, sizeof(err->detail) - n, ": %s",
                       strerrordesc_np(system_error));
    }
    return rc;
}

#define DEFINE_ERR(name, kind, http, errcode)                                                      \
    int name(struct err *err, const char *fmt, ...)                                                \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, fmt);                                                                         \
        int rc = fill(err, kind, http, errcode, fmt, ap);                                          \
        va_end(ap);                                                                                \
        return rc;                                                                                 \
    }

DEFINE_ERR(err_bad_json, E_INVALID, 400, "M_BAD_JSON")
DEFINE_ERR(err_invalid_param, E_INVALID, 400, "M_INVALID_PARAM")
DEFINE_ERR(err_missing_param, E_INVALID, 400, "M_MISSING_PARAM")
DEFINE_ERR(err_not_found, E_NOT_FOUND, 404, "M_NOT_FOUND")
DEFINE_ERR(err_forbidden, E_FORBIDDEN, 403, "M_FORBIDDEN")
DEFINE_ERR(err_too_large, E_LIMIT, 413, "M_TOO_LARGE")
