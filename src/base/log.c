/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_ROOM   4096
#define MAX_CONTEXT 8
#define MAX_VALUE   256 /* bytes of a context value; ids have at most 255 */

static _Atomic int min_level = LOG_INFO;
static _Atomic int line_format = LOG_TEXT;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level min, enum log_format format)
{
    atomic_store(&min_level, (int)min);
    atomic_store(&line_format, (int)format);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&min_level, memory_order_relaxed);
}

/* --- the thread's context --- */

struct context_field {
    struct log_field field;
    char copy[MAX_VALUE];
};

static _Thread_local struct {
    struct context_field fields[MAX_CONTEXT];
    size_t n; /* may exceed MAX_CONTEXT: pushes beyond it are counted, not kept */
} context;

void log_push(struct log_field field)
{
    if (context.n < MAX_CONTEXT) {
        struct context_field *c = &context.fields[context.n];
        c->field = field;
        c->field.s.n = MIN(field.s.n, sizeof(c->copy));
        if (c->field.s.n) {
            memcpy(c->copy, field.s.p, c->field.s.n);
        }
        c->field.s.p = c->copy;
    }
    context.n++;
}

void log_pop(void)
{
    bug_on(context.n == 0);
    context.n--;
}

/* --- one line: what does not fit is cut, the end of the line is always there --- */

struct line {
    char bytes[LINE_ROOM];
    size_t n;
};

#define TAIL 2 /* room kept for `}` and the newline */

static void add_char(struct line *l, char c)
{
    if (l->n < LINE_ROOM - TAIL) {
        l->bytes[l->n++] = c;
    }
}

static void add(struct line *l, struct str s)
{
    size_t n = MIN(s.n, LINE_ROOM - TAIL - l->n);
    if (n) {
        memcpy(l->bytes + l->n, s.p, n);
        l->n += n;
    }
}

static void add_int(struct line *l, int64_t v)
{
    char digits[24];
    add(l, str_n(digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, v)));
}

static void add_time(struct line *l)
{
    int64_t now = clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char text[40];
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    add(l, str_n(text, n));
    n = (size_t)snprintf(text, sizeof(text), ".%03dZ", (int)(now % 1000));
    add(l, str_n(text, n));
}

/* A quoted value is a JSON string in both formats. Bytes that are not UTF-8 become '?', so that a
 * line is always readable JSON and a peer cannot send escape sequences to an operator's terminal.
 */
static void add_quoted(struct line *l, struct str s)
{
    bool utf8 = str_is_utf8(s);
    add_char(l, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool inside_char = utf8 && (c & 0xC0) == 0x80; /* a character is cut whole */
        if (!inside_char && l->n + 8 >= LINE_ROOM - TAIL) {
            break;
        }
        if (c == '"' || c == '\\') {
            add_char(l, '\\');
            add_char(l, (char)c);
        } else if (c < 0x20 || c == 0x7F) {
            char escape[8];
            add(l, str_n(escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c)));
        } else {
            add_char(l, c >= 0x80 && !utf8 ? '?' : (char)c);
        }
    }
    add_char(l, '"');
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\') {
            return false;
        }
    }
    return s.n > 0;
}

static void add_text_field(struct line *l, const struct log_field *f)
{
    add_char(l, ' ');
    add(l, str_c(f->key));
    add_char(l, '=');
    if (f->is_int) {
        add_int(l, f->i);
    } else if (is_plain(f->s)) {
        add(l, f->s);
    } else {
        add_quoted(l, f->s);
    }
}

/* Room that a JSON member needs at most when its value is cut to nothing: a line never ends inside
 * one. */
#define JSON_SLACK 48

static void add_json_field(struct line *l, const struct log_field *f)
{
    if (l->n + strlen(f->key) + JSON_SLACK > LINE_ROOM) {
        return;
    }
    add_char(l, ',');
    add_quoted(l, str_c(f->key));
    add_char(l, ':');
    if (f->is_int) {
        add_int(l, f->i);
    } else {
        add_quoted(l, f->s);
    }
}

typedef void (*add_field_fn)(struct line *, const struct log_field *);

static void add_fields(struct line *l, add_field_fn add_field, const struct log_field *fields,
                       size_t n)
{
    for (size_t i = 0; i < MIN(context.n, (size_t)MAX_CONTEXT); i++) {
        add_field(l, &context.fields[i].field);
    }
    for (size_t i = 0; i < n; i++) {
        add_field(l, &fields[i]);
    }
}

static void text_line(struct line *l, enum log_level level, const char *sentence,
                      const struct log_field *fields, size_t n)
{
    add_time(l);
    add_char(l, ' ');
    add(l, str_c(level_names[level]));
    add(l, str_n("  ", 6 - strlen(level_names[level]))); /* sentences begin in one column */
    add(l, str_c(sentence));
    add_fields(l, add_text_field, fields, n);
}

static void json_line(struct line *l, enum log_level level, const char *sentence,
                      const struct log_field *fields, size_t n)
{
    add(l, STR("{\"time\":\""));
    add_time(l);
    add(l, STR("\",\"level\":\""));
    add(l, str_c(level_names[level]));
    add(l, STR("\",\"message\":"));
    add_quoted(l, str_c(sentence));
    add_fields(l, add_json_field, fields, n);
    l->bytes[l->n++] = '}';
}

void log_event(enum log_level level, const char *sentence, const struct log_field *fields, size_t n)
{
    struct line l;
    l.n = 0;
    bool json = atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_JSON;
    (json ? json_line : text_line)(&l, level, sentence, fields, n);
    l.bytes[l.n++] = '\n';
    /* One write, so that lines of several threads and processes do not mix. A log that cannot be
     * written must not stop the server. */
    ssize_t written = write(STDERR_FILENO, l.bytes, l.n);
    (void)written;
}

void log_administration(struct str who, const char *what, struct str whom, struct str why_not)
{
    if (why_not.n == 0) {
        log_info("administrative action", LOG_STR("who", who), LOG_CSTR("what", what),
                 LOG_STR("whom", whom));
    } else {
        log_warn("administrative action refused", LOG_STR("who", who), LOG_CSTR("what", what),
                 LOG_STR("whom", whom), LOG_STR("reason", why_not));
    }
}
