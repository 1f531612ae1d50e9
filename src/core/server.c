/* SPDX-License-Identifier: Apache-2.0 */
#include "core/server.h"

#include <stdlib.h>

#include "base/clock.h"
#include "core/appservices.h"
#include "core/cache.h"
#include "core/changes.h"
#include "core/data_owner.h"
#include "core/echo.h"
#include "core/entry.h"
#include "core/erasure.h"
#include "core/key_counts.h"
#include "core/lazy_members.h"
#include "core/live_user.h"
#include "core/nodes.h"
#include "core/policy_server.h"
#include "core/presence.h"
#include "core/room.h"
#include "core/thirdparty_cache.h"
#include "core/to_device_received.h"
#include "core/typing.h"
#include "core/unread.h"
#include "matrix/ids.h"

bool server_is_local(const struct server *s, struct str user_id)
{
    return str_eq(id_domain(user_id), s->server_name);
}

static int open_store(struct server *s, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    const struct store_config config = {
        .db = config_database(s->config, &a),
        .readers_max = s->config->database.readers ? (unsigned)s->config->database.readers
                                                   : config_workers(s->config),
        .may_not_migrate = s->config->database.migrate == MIGRATE_MANUAL,
    };
    int rc = store_open(&config, &s->store, err);
    arena_release(&a);
    return rc;
}

static int load_key(struct server *s, struct err *err)
{
    struct arena a;
    struct signing_keys keys;
    arena_init(&a, 0);
    int rc = signing_keys_load(
        &a, arena_cstr(&a, ARENA_CONCAT(&a, s->config->data_dir, STR("/signing.key"))), &keys, err);
    if (rc == 0) {
        s->key = keys.p[0];
        for (size_t i = 0; i < keys.n; i++) {
            signing_key_wipe(&keys.p[i]);
        }
    }
    arena_release(&a);
    return rc;
}

size_t server_share(const struct server *s, enum budget_share share)
{
    static const size_t sixteenths[SHARES] = {
        [SHARE_EVENTS] = 7, [SHARE_STATE] = 3,  [SHARE_ROOMS] = 3,
        [SHARE_USERS] = 1,  [SHARE_UNREAD] = 1, [SHARE_READERS] = 1,
    };
    return (size_t)s->config->limits.memory_budget / 16 * sixteenths[share];
}

static void make_caches(struct server *s)
{
    s->entries = entries_cache_new(server_share(s, SHARE_EVENTS));
    s->reloads = reloads_new();
    s->nodes = nodes_cache_new(server_share(s, SHARE_STATE));
    s->rooms = rooms_new(s);
    s->changes = changes_new(s);
    s->echoes = echoes_new();
    s->users = live_users_new(s);
    s->lazy = lazy_members_new();
    s->typing = typing_new(s);
    s->presence = presence_new(s);
    s->unread = unread_new(s);
    s->key_counts = key_counts_new();
    s->to_device_received = to_device_received_new();
    s->appservices = appservices_new();
    s->thirdparty = thirdparty_cache_new();
    s->policy_servers = policy_servers_new();
}

int server_new(const struct config *config, struct server **out, struct err *err)
{
    struct server *s = xcalloc(1, sizeof(*s));
    s->config = config;
    s->server_name = config->server_name;
    s->started_ms = clock_wall_ms();
    int rc = load_key(s, err);
    if (rc == 0) {
        rc = data_owner_check(config, err);
    }
    if (rc == 0) {
        rc = open_store(s, err);
    }
    if (rc == 0) {
        rc = data_owner_keep(s, err);
    }
    if (rc != 0) {
        server_free(s);
        return rc;
    }
    make_caches(s);
    rc = erasure_new(s, &s->erasure, err);
    if (rc != 0) {
        server_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void server_free(struct server *s)
{
    if (!s) {
        return;
    }
    thirdparty_cache_free(s->thirdparty);
    appservices_free(s->appservices);
    key_counts_free(s->key_counts);
    unread_free(s->unread);
    presence_free(s->presence);
    erasure_free(s->erasure);
    typing_free(s->typing);
    lazy_members_free(s->lazy);
    live_users_free(s->users);
    echoes_free(s->echoes);
    changes_free(s->changes);
    rooms_free(s->rooms);
    if (s->nodes) {
        cache_free(s->nodes);
        cache_free(s->entries);
    }
    reloads_free(s->reloads);
    store_close(&s->store);
    to_device_received_free(s->to_device_received);
    policy_servers_free(s->policy_servers);
    signing_key_wipe(&s->key);
    free(s);
}
