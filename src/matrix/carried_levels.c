/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/carried_levels.h"

#include "matrix/power_levels.h"
#include "matrix/room_version.h"
#include "wire/canonical.h"
#include "wire/json.h"

enum {
    LEVEL_TO_GOVERN = 100,   /* of who made a room, in versions that have no privileged creators */
    LEVEL_TO_END_ROOM = 150, /* in those that have */
};

/* What JSON of an event can hold: levels of old versions may be more, and are as good as the most. */
static int64_t bounded(int64_t level)
{
    return MAX(MIN(level, CANONICAL_INT_MAX), -CANONICAL_INT_MAX);
}

static void put_level(json_t *object, struct str key, int64_t level)
{
    json_put(object, key, json_integer(bounded(level)));
}

/* The object that is the member `key` of content, made if needed. */
static json_t *object_of(json_t *content, struct str key)
{
    json_t *object = (json_t *)json_find(content, key);
    if (!json_is_object(object)) {
        json_put(content, key, object = json_object());
    }
    return object;
}

/* ---- the old levels, as integers ---- */

static void put_map(json_t *content, struct str key, const struct power_map *map)
{
    json_t *object = json_object();
    for (size_t i = 0; i < map->n; i++) {
        put_level(object, map->p[i].key, map->p[i].level);
    }
    if (json_find(content, key)) {
        json_put(content, key, object);
    } else {
        json_decref(object);
    }
}

/* Keys that no rule knows stay as they are. */
static int read_old(struct arena *a, const struct event *old, json_t **out, struct err *err)
{
    const struct power_levels *pl = old ? old->power_levels : NULL;
    int rc = json_parse(a, pl ? old->content : STR("{}"), JPARSE_REALS, out, err);
    if (rc != 0 || !pl) {
        return rc;
    }
    for (int i = 0; i < POWER_ACTIONS; i++) {
        if (pl->given >> i & 1) {
            put_level(*out, power_action_keys[i], pl->level[i]);
        }
    }
    put_map(*out, STR("users"), &pl->users);
    put_map(*out, STR("events"), &pl->events);
    put_map(*out, STR("notifications"), &pl->notifications);
    return 0;
}

static int64_t highest_in(const struct power_map *map, int64_t least)
{
    for (size_t i = 0; i < map->n; i++) {
        least = MAX(least, map->p[i].level);
    }
    return least;
}

/* The highest level that the old room names for anybody or anything. */
static int64_t highest(const struct power_levels *pl)
{
    int64_t level = LEVEL_TO_GOVERN;
    for (int i = 0; pl && i < POWER_ACTIONS; i++) {
        level = MAX(level, pl->level[i]);
    }
    if (pl) {
        level = highest_in(&pl->users, level);
        level = highest_in(&pl->events, level);
        level = highest_in(&pl->notifications, level);
    }
    return bounded(level);
}

/* ---- who governs ---- */

static void list_old_creators(const struct carried_levels *c, json_t *users, int64_t level)
{
    const struct event *create = c->old_create;
    if (create->version->has_privileged_creators) {
        put_level(users, create->sender, level);
        for (size_t i = 0; i < create->create->n_additional; i++) {
            put_level(users, create->create->additional_creators[i], level);
        }
    } else if (!c->old_levels) {
        bool is_named = create->version->has_creator_in_content;
        put_level(users, is_named ? create->create->creator : create->sender, LEVEL_TO_GOVERN);
    }
}

/* What it takes to end the new room: more than state, and never less than it took. */
static int64_t level_to_end(const json_t *content)
{
    int64_t state_default = 50, carried = 0;
    json_get_int(content, "state_default", &state_default);
    json_get_int(json_get(content, "events"), "m.room.tombstone", &carried);
    return MAX(MAX((int64_t)LEVEL_TO_END_ROOM, carried), bounded(state_default + 1));
}

static void privilege_creators(const struct carried_levels *c, json_t *content, json_t *users)
{
    put_level(object_of(content, STR("events")), STR("m.room.tombstone"), level_to_end(content));
    json_object_deln(users, c->upgrader.p, c->upgrader.n);
    for (size_t i = 0; i < c->n_additional; i++) {
        json_object_deln(users, c->additional_creators[i].p, c->additional_creators[i].n);
    }
}

/* The upgrader alone has power, and more than anything takes. */
static int make_setup(struct arena *a, struct carried_levels *c, json_t *content, int64_t level,
                      struct err *err)
{
    json_t *users = json_object();
    put_level(users, c->upgrader, level);
    json_put(content, STR("users"), users);
    return canonical_encode(a, content, 0, &c->setup, err);
}

static int make(struct arena *a, struct carried_levels *c, struct err *err)
{
    json_t *content;
    int64_t most = highest(c->old_levels ? c->old_levels->power_levels : NULL);
    int rc = read_old(a, c->old_levels, &content, err);
    if (rc != 0) {
        return rc;
    }
    json_t *users = object_of(content, STR("users"));
    if (c->version->has_privileged_creators) {
        list_old_creators(c, users, MAX(most, level_to_end(content)));
        privilege_creators(c, content, users);
    } else {
        list_old_creators(c, users, most);
    }
    rc = canonical_encode(a, content, 0, &c->final, err);
    c->setup = c->final;
    return rc == 0 && !c->version->has_privileged_creators
               ? make_setup(a, c, content, most + 1, err)
               : rc;
}

int carried_levels_make(struct arena *a, struct carried_levels *c, struct err *err)
{
    struct arena *outer = json_arena_enter(a);
    int rc = make(a, c, err);
    json_arena_leave(outer);
    return rc;
}
