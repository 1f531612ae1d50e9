/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: one line per event to stderr; text for people (logfmt-like) or JSON. Contexts add fields that every
 * line of this thread then carries (request id, user, room). Never tokens, bodies or message content.
 *
 *     log_info("listening", LOG_STR("bind", addr), LOG_INT("port", port));
 */
#ifndef INGOT_BASE_LOG_H
#define INGOT_BASE_LOG_H

#include "base/compiler.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key; /* literal */
    struct str s;
    int64_t i;
    bool is_int;
};
#define LOG_STR(k, v)  ((struct log_field){.key = (k), .s = (v)})
#define LOG_CSTR(k, v) ((struct log_field){.key = (k), .s = str_c(v)})
#define LOG_INT(k, v)  ((struct log_field){.key = (k), .i = (int64_t)(v), .is_int = true})

void log_setup(enum log_level min, enum log_format format);
bool log_is_on(enum log_level level);
/* The sentence, then the fields; any thread. */
void log_event(enum log_level level, const char *sentence, const struct log_field *fields,
               size_t n);

#define LOG_AT(level, sentence, ...)                                                               \
    do {                                                                                           \
        if (log_is_on(level)) {                                                                    \
            const struct log_field log_f_[] = {{.key = NULL}, ##__VA_ARGS__};                      \
            log_event((level), (sentence), log_f_ + 1, ARRAY_LEN(log_f_) - 1);                     \
        }                                                                                          \
    } while (0)
#define log_debug(sentence, ...) LOG_AT(LOG_DEBUG, sentence, ##__VA_ARGS__)
#define log_info(sentence, ...)  LOG_AT(LOG_INFO, sentence, ##__VA_ARGS__)
#define log_warn(sentence, ...)  LOG_AT(LOG_WARN, sentence, ##__VA_ARGS__)
#define log_error(sentence, ...) LOG_AT(LOG_ERROR, sentence, ##__VA_ARGS__)

/* What an administrator has done, or was refused: one line. `why_not` is empty when it was done; `whom` may be
 * empty. */
void log_administration(struct str who, const char *what, struct str whom, struct str why_not);

/* Fields of this thread's context: each push adds one (copied), pop removes the newest. */
void log_push(struct log_field field);
void log_pop(void);

#endif
