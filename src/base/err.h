/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An error is a value. Functions return 0 or a negative kind and fill the caller's struct err, which is
 * always the last parameter and is untouched on success. `message` may be shown to a client; `detail` is
 * for the log only. Layers below the edge never log an error; the edge logs it once with the request id.
 *
 *     return err_set(err, E_NOT_FOUND, 404, "M_NOT_FOUND", "Room %.*s is not known here", STR_ARG(id));
 */
#ifndef INGOT_BASE_ERR_H
#define INGOT_BASE_ERR_H

#include <stdarg.h>

#include "base/compiler.h"
#include "base/str.h"

enum err_kind {
    E_OK = 0,
    E_INVALID = -1,   /* the input is wrong: 4xx towards a client */
    E_NOT_FOUND = -2, /* what was asked for does not exist */
    E_FORBIDDEN = -3, /* the rules do not allow it */
    E_CONFLICT = -4,  /* it exists already, or somebody was faster */
    E_LIMIT = -5,     /* too large, too many, too fast */
    E_BUSY = -6,      /* cannot be done now: full disk, dead database, shutting down; try later */
    E_INTERNAL = -7,  /* our fault */
};

struct err {
    enum err_kind kind;
    int http; /* status for a client, 0: derive from kind */
    const char
        *errcode; /* "M_...", NULL: derive from kind; static, or living as long as the request */
    int64_t retry_after_ms; /* with 429 and 503: how long to wait; 0: unknown */
    char message[256];      /* for the client: says what is wrong in words */
    char detail[256];       /* for the log: paths, SQL, system errors */
    char extra[256]; /* more members of the JSON error body, `"key":value,...`; usually empty */
};

/* Fills *err (NULL is allowed: the error is dropped) and returns kind, to be returned by the caller. */
int err_set(struct err *err, enum err_kind kind, int http, const char *errcode, const char *fmt,
            ...) PRINTF(5, 6);
/* E_INTERNAL, 500 M_UNKNOWN "Internal server error"; the text goes to detail. */
int err_internal(struct err *err, const char *fmt, ...) PRINTF(2, 3);
/* Adds to detail. */
void err_detail(struct err *err, const char *fmt, ...) PRINTF(2, 3);
/* Adds to detail what another error, in whose place this one is told, said. */
void err_cause(struct err *err, const struct err *cause);
int err_http(const struct err *err);            /* status, derived from kind if not set */
const char *err_errcode(const struct err *err); /* errcode, derived from kind if not set */

/* What the system refused a file or a socket with: E_BUSY (503) where it passes (the disk is full or broken, there are
 * no file descriptors left, no memory), else E_INTERNAL. The text and the system's word for `system_error` go to
 * detail. */
int err_system(struct err *err, int system_error, const char *fmt, ...) PRINTF(3, 4);

/* The errors that many places raise. */
int err_bad_json(struct err *err, const char *fmt, ...) PRINTF(2, 3);      /* 400 M_BAD_JSON */
int err_invalid_param(struct err *err, const char *fmt, ...) PRINTF(2, 3); /* 400 M_INVALID_PARAM */
int err_missing_param(struct err *err, const char *fmt, ...) PRINTF(2, 3); /* 400 M_MISSING_PARAM */
int err_not_found(struct err *err, const char *fmt, ...) PRINTF(2, 3);     /* 404 M_NOT_FOUND */
int err_forbidden(struct err *err, const char *fmt, ...) PRINTF(2, 3);     /* 403 M_FORBIDDEN */
int err_too_large(struct err *err, const char *fmt, ...) PRINTF(2, 3);     /* 413 M_TOO_LARGE */

#endif
