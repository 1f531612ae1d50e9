/* SPDX-License-Identifier: Apache-2.0 */
#include "core/limits.h"

#include <stdio.h>

#include "core/live_user.h"
#include "core/server.h"
#include "wire/canonical.h"

/* One member of the error's body. Configuration keeps both values short enough (config_keys.c). */
static void add_member(struct err *err, const char *key, struct str configured, struct str fallback)
{
    struct buf text = BUF_INIT(sizeof(err->extra) - 1);
    buf_printf(&text, "\"%s\":", key);
    canonical_write_str(&text, configured.n ? configured : fallback);
    if (!text.overflow) {
        struct str all = buf_str(&text);
        memcpy(err->extra, all.p, all.n);
        err->extra[all.n] = '\0';
    }
    buf_release(&text);
}

static int exceeded(struct err *err, const char *errcode, const char *fmt, va_list args)
{
    char sentence[sizeof(err->message)];
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args);
    return err_set(err, E_LIMIT, 403, errcode, "%s", sentence);
}

int limit_of_user(const struct server *s, struct err *err, const char *fmt, ...)
{
    const struct config *config = s->config;
    va_list args;
    va_start(args, fmt);
    int rc = exceeded(err, "M_USER_LIMIT_EXCEEDED", fmt, args);
    va_end(args);
    if (err) {
        add_member(err, "info_uri", config->limits.info_uri, config->public_url);
    }
    return rc;
}

int limit_of_server(const struct server *s, struct err *err, const char *fmt, ...)
{
    const struct config *config = s->config;
    va_list args;
    va_start(args, fmt);
    int rc = exceeded(err, "M_RESOURCE_LIMIT_EXCEEDED", fmt, args);
    va_end(args);
    if (err) {
        add_member(err, "admin_contact", config->limits.admin_contact, config->public_url);
    }
    return rc;
}

int limit_check_rooms(struct server *s, struct arena *a, uint64_t user_nid, struct err *err)
{
    struct user_room *rooms;
    size_t n = 0;
    int64_t most = s->config->limits.rooms_per_user, joined = 0;
    if (most == 0) {
        return 0;
    }
    int rc = user_rooms(s, a, user_nid, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        joined += rooms[i].membership == MEMBERSHIP_JOIN;
    }
    return rc == 0 && joined >= most
               ? limit_of_user(s, err, "You may be in %lld rooms: leave one to join another",
                               (long long)most)
               : rc;
}
