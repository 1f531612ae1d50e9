/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 10: nobody gives or takes what is above them. Numbers as on the page of room version 12. */
#include "matrix/auth_internal.h"
#include "matrix/power_levels.h"
#include "matrix/room_version.h"

/* One entry before and after; NULL: not there. */
struct change {
    const struct power_entry *before, *after;
};

/* Walks two sorted maps side by side and returns the next entry that was added, changed or removed. */
struct change_iter {
    struct power_map before, after;
};

static void drop_first(struct power_map *map)
{
    map->p++;
    map->n--;
}

static bool next_change(struct change_iter *it, struct change *out)
{
    while (it->before.n || it->after.n) {
        int order = !it->before.n  ? 1
                    : !it->after.n ? -1
                                   : str_cmp(it->before.p->key, it->after.p->key);
        *out = (struct change){order <= 0 ? it->before.p : NULL, order >= 0 ? it->after.p : NULL};
        if (out->before) {
            drop_first(&it->before);
        }
        if (out->after) {
            drop_first(&it->after);
        }
        if (!out->before || !out->after || out->before->level != out->after->level) {
            return true;
        }
    }
    return false;
}

/* 10.6: a level that is not given counts with nothing; only that it comes or goes is a change. */
static int check_actions(const struct auth_check *c, const struct power_levels *before,
                         const struct power_levels *after, int64_t own)
{
    for (int i = 0; i < POWER_ACTIONS; i++) {
        bool was = before->given >> i & 1, is = after->given >> i & 1;
        if (was == is && (!is || before->level[i] == after->level[i])) {
            continue;
        }
        if ((was && before->level[i] > own) || (is && after->level[i] > own)) {
            return err_forbidden(c->err, "The sender's power level is too low to change %.*s",
                                 STR_ARG(power_action_keys[i]));
        }
    }
    return 0;
}

/* 10.7 and 10.8 */
static int check_map(const struct auth_check *c, struct power_map before, struct power_map after,
                     int64_t own)
{
    struct change change;
    for (struct change_iter it = {before, after}; next_change(&it, &change);) {
        if ((change.before && change.before->level > own) ||
            (change.after && change.after->level > own)) {
            struct str key = (change.before ? change.before : change.after)->key;
            return err_forbidden(
                c->err, "The sender's power level is too low to change that of %.*s", STR_ARG(key));
        }
    }
    return 0;
}

/* 10.9 and 10.10: users of the sender's own level are out of reach, except for the sender. */
static int check_users(const struct auth_check *c, struct power_map before, struct power_map after,
                       int64_t own)
{
    struct change change;
    for (struct change_iter it = {before, after}; next_change(&it, &change);) {
        bool is_other = change.before && !str_eq(change.before->key, c->ev->sender);
        if ((is_other && change.before->level >= own) ||
            (change.after && change.after->level > own)) {
            return err_forbidden(c->err,
                                 "The sender's power level is too low to change that of a user");
        }
    }
    return 0;
}

/* 10.4 */
static int check_no_creators(const struct auth_check *c, const struct power_levels *after)
{
    for (size_t i = 0; i < after->users.n; i++) {
        if (room_is_creator(c->create, c->version, after->users.p[i].key)) {
            return err_forbidden(c->err, "The power levels may not name a creator of the room");
        }
    }
    return 0;
}

int auth_check_power_levels(const struct auth_check *c)
{
    const struct power_levels *before = c->power, *after = c->ev->power_levels;
    if (!after) { /* 10.1 to 10.3, and levels that mean nothing in v1 to v9 */
        return err_forbidden(c->err, "The power levels are not well-formed");
    }
    if (c->version->has_privileged_creators) {
        int rc = check_no_creators(c, after);
        if (rc) {
            return rc;
        }
    }
    if (!before) { /* 10.5 */
        return 0;
    }
    int64_t own = power_level_of(before, c->create, c->version, c->ev->sender);
    int rc = check_actions(c, before, after, own);
    rc = rc ? rc : check_map(c, before->events, after->events, own);
    if (c->version->checks_notification_levels) { /* v6 and later */
        rc = rc ? rc : check_map(c, before->notifications, after->notifications, own);
    }
    return rc ? rc : check_users(c, before->users, after->users, own);
}
