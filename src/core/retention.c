/* SPDX-License-Identifier: Apache-2.0 */
#include "core/retention.h"

#include "base/clock.h"
#include "core/purge.h"
#include "core/room.h"
#include "core/server.h"
#include "matrix/canon.h"
#include "store/meta.h"
#include "store/rooms.h"
#include "wire/json.h"

#define TASK STR("retention")

enum {
    PAGE = 100,   /* rooms that are looked at before the progress is written down */
    RUN_MS = 200, /* the other tasks wait no longer than this */
};

/* ---- the policy ---- */

/* 0: not given, or no lifetime. */
static int64_t lifetime_of(struct str content, const char *key)
{
    int64_t ms = 0;
    return canon_int(canon_find(content, str_c(key)), &ms) && ms > 0 ? ms : 0;
}

/* What the room says, where it says it; the server's default for the rest, and never outside of the server's bounds. A
 * policy that contradicts itself is none. */
static int64_t max_lifetime(const struct config *c, const struct entry *policy)
{
    struct str content = policy ? policy->ev->content : STR("{}");
    int64_t most = lifetime_of(content, "max_lifetime"),
            least = lifetime_of(content, "min_lifetime");
    if (!most || most < least) {
        most = c->retention.default_max_lifetime_ms;
    }
    if (!most) {
        return 0;
    }
    most = MAX(most, c->retention.allowed_lifetime_min_ms);
    return c->retention.allowed_lifetime_max_ms ? MIN(most, c->retention.allowed_lifetime_max_ms)
                                                : most;
}

int retention_cutoff(struct server *s, struct arena *a, struct state_id state, int64_t *out_ts,
                     struct err *err)
{
    const struct config *c = s->config;
    struct entry *policy = NULL;
    *out_ts = INT64_MIN;
    if (!c->retention.enabled) {
        return 0;
    }
    int rc = state_event(s, a, state, NID_RETENTION, NID_EMPTY, &policy, err);
    int64_t most = rc == 0 ? max_lifetime(c, policy) : 0;
    if (most) {
        *out_ts = clock_wall_ms() - most;
    }
    return rc;
}

static int check_lifetime(struct str content, const char *key, int64_t *out, struct err *err)
{
    struct str raw = canon_find(content, str_c(key));
    *out = 0;
    return raw.p && !str_eq(raw, STR("null")) && (!canon_int(raw, out) || *out < 0)
               ? err_bad_json(err, "%s must be a number of milliseconds", key)
               : 0;
}

int retention_check_content(struct str content, struct err *err)
{
    int64_t least, most;
    int rc = check_lifetime(content, "min_lifetime", &least, err);
    rc = rc ? rc : check_lifetime(content, "max_lifetime", &most, err);
    return rc == 0 && most && least > most
               ? err_bad_json(err, "min_lifetime is greater than max_lifetime")
               : rc;
}

/* ---- the round ---- */

struct round {
    int64_t started_ts;
    int64_t room; /* nid: all up to this one are done */
    bool is_over;
};

static int load_round(struct server *s, struct arena *a, struct round *out, struct err *err)
{
    struct background_task task;
    json_t *json = NULL;
    *out = (struct round){.is_over = true};
    int rc = background_tasks_get(store_reader(s->store), a, TASK, &task, err);
    if (rc == E_NOT_FOUND) {
        return 0;
    }
    rc = rc ? rc : json_parse(a, task.progress, 0, &json, err);
    if (rc == 0) {
        (void)json_get_int(json, "started_ts", &out->started_ts);
        (void)json_get_int(json, "room", &out->room);
        (void)json_get_bool(json, "is_over", &out->is_over);
    }
    return rc;
}

static int save_round(struct txn *t, void *arg)
{
    const struct round *r = arg;
    struct background_task task = {
        .name = TASK,
        .progress = arena_printf(txn_arena(t), "{\"started_ts\":%lld,\"room\":%lld,\"is_over\":%s}",
                                 (long long)r->started_ts, (long long)r->room,
                                 r->is_over ? "true" : "false")};
    return background_tasks_put(t, &task, txn_err(t));
}

/* *out_is_done: nothing more to do now, else the time is up. */
static int purge_expired(struct server *s, struct arena *a, const struct room_row *row,
                         int64_t until, bool *out_is_done, struct err *err)
{
    struct state_id state;
    struct purge_bounds bounds = {.before_position = INT64_MAX};
    struct purge_result step = {.is_done = false};
    memcpy(state.b, row->state.p, sizeof(state.b));
    int rc = retention_cutoff(s, a, state, &bounds.before_ts, err);
    if (bounds.before_ts == INT64_MIN) {
        *out_is_done = rc == 0 || rc == E_NOT_FOUND;
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    while (rc == 0 && !step.is_done && clock_mono_ms() < until) {
        rc = purge_history_step(s, row->nid, &bounds, &step, err);
    }
    *out_is_done = step.is_done || rc == E_NOT_FOUND; /* the room was deleted meanwhile */
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* The next rooms; the room that a run ends in is looked at again by the next one. */
static int go_on(struct server *s, struct arena *a, struct round *round, struct err *err)
{
    struct room_row *rows;
    size_t n = 0;
    bool is_done = true;
    int64_t until = clock_mono_ms() + RUN_MS;
    int rc = rooms_list(store_reader(s->store), a, (uint64_t)round->room, PAGE, &rows, &n, err);
    for (size_t i = 0; rc == 0 && is_done && i < n && clock_mono_ms() < until; i++) {
        rc = purge_expired(s, a, &rows[i], until, &is_done, err);
        round->room = is_done ? (int64_t)rows[i].nid : round->room;
    }
    round->is_over =
        rc == 0 && is_done && (n == 0 || (n < PAGE && (uint64_t)round->room == rows[n - 1].nid));
    return rc;
}

static int run(struct server *s, struct arena *a, struct err *err)
{
    struct round round;
    int64_t now = clock_wall_ms();
    int rc = load_round(s, a, &round, err);
    if (rc == 0 && round.is_over && now - round.started_ts < s->config->retention.purge_every_ms) {
        return 0;
    }
    if (round.is_over) {
        round = (struct round){.started_ts = now};
    }
    rc = rc ? rc : go_on(s, a, &round, err);
    return rc ? rc : store_write(s->store, "retention", save_round, &round, err);
}

int retention_task(struct server *s, struct err *err)
{
    struct arena a;
    if (!s->config->retention.enabled) {
        return 0;
    }
    arena_init(&a, 0);
    struct arena *outer = json_arena_enter(&a);
    int rc = run(s, &a, err);
    json_arena_leave(outer);
    arena_release(&a);
    return rc;
}
