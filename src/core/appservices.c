/* SPDX-License-Identifier: Apache-2.0 */
#include "core/appservices.h"

#include <stdatomic.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/vec.h"
#include "core/account.h"
#include "core/server.h"
#include "store/users.h"

struct appservices {
    _Atomic(struct appservice_set *) now;
    VEC(struct appservice_set *) all; /* the newest last */
    struct lock lock;                 /* RANK_REGISTRY: the watcher */
    void (*watcher)(void *arg, enum appservices_change change, struct str id);
    void *watcher_arg;
};

struct appservices *appservices_new(void)
{
    struct appservices *a = xcalloc(1, sizeof(*a));
    struct appservice_set *none = xcalloc(1, sizeof(*none));
    lock_init(&a->lock, RANK_REGISTRY, "appservices");
    atomic_init(&a->now, none);
    vec_push(&a->all, none);
    return a;
}

void appservices_free(struct appservices *a)
{
    if (!a) {
        return;
    }
    vec_for_each (set, &a->all) {
        appservice_set_free(*set);
    }
    vec_release(&a->all);
    lock_destroy(&a->lock);
    free(a);
}

const struct appservice_set *appservices_now(const struct server *s)
{
    return atomic_load(&s->appservices->now);
}

/* An account without a password. One of that name that a person made before is used as it is. */
static int make_sender(struct server *s, struct arena *a, const struct appservice *as,
                       struct err *err)
{
    struct user_row row;
    int rc = users_find(store_reader(s->store), a, as->sender_localpart, &row, err);
    if (rc == 0) {
        if (!str_eq(row.appservice, as->id)) {
            log_warn("an application service sends as an account that it has not made",
                     LOG_STR("appservice", as->id), LOG_STR("user", as->sender_id));
        }
        return 0;
    }
    const struct new_account account = {.localpart = as->sender_localpart, .appservice = as->id};
    return rc == E_NOT_FOUND ? account_create(s, a, &account, NULL, err) : rc;
}

static int make_senders(struct server *s, const struct appservice_set *set, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < set->n; i++) {
        struct arena a;
        arena_init(&a, 0);
        rc = make_sender(s, &a, &set->p[i], err);
        arena_release(&a);
    }
    return rc;
}

int appservices_load(struct server *s, const struct config *config, struct err *err)
{
    struct appservices *a = s->appservices;
    struct appservice_set *set;
    int rc = appservice_set_load(config, &set, err);
    if (rc != 0) {
        return rc;
    }
    rc = make_senders(s, set, err);
    if (rc != 0) {
        appservice_set_free(set);
        return rc;
    }
    vec_push(&a->all, set);
    atomic_store(&a->now, set);
    for (size_t i = 0; i < set->n; i++) {
        log_info("application service", LOG_STR("id", set->p[i].id), LOG_STR("url", set->p[i].url),
                 LOG_STR("sender", set->p[i].sender_id));
    }
    appservices_tell(s, APPSERVICES_RELOADED, STR_NONE);
    return 0;
}

void appservices_watch(struct server *s,
                       void (*fn)(void *arg, enum appservices_change change, struct str id),
                       void *arg)
{
    struct appservices *a = s->appservices;
    lock_take(&a->lock);
    a->watcher = fn;
    a->watcher_arg = arg;
    lock_release(&a->lock);
}

void appservices_tell(struct server *s, enum appservices_change change, struct str id)
{
    struct appservices *a = s->appservices;
    lock_take(&a->lock);
    if (a->watcher) {
        a->watcher(a->watcher_arg, change, id);
    }
    lock_release(&a->lock);
}
