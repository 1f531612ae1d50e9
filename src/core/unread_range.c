/* SPDX-License-Identifier: Apache-2.0 */
#include "core/retention.h"
#include "core/server.h"
#include "core/unread_internal.h"
#include "matrix/power_levels.h"

int unread_range_init(struct unread_range *range, struct server *s, struct arena *a,
                      struct room *room, int64_t from, int64_t upto, bool is_shared,
                      struct err *err)
{
    *range =
        (struct unread_range){.server = s, .arena = a, .room = room, .from = from, .upto = upto};
    int rc = from >= upto ? 0
                          : room_timeline(s, a, room, from, upto, UNREAD_SCAN_MAX, &range->entries,
                                          &range->n, &range->more, err);
    if (rc == 0 && is_shared) {
        range->events = arena_array(a, struct push_event *, range->n);
    }
    return rc;
}

static int read_context(struct unread_range *range, struct err *err)
{
    struct server *s = range->server;
    struct entry *levels, *create;
    if (range->has_context) {
        return 0;
    }
    int rc =
        room_state_event(s, range->arena, range->room, NID_POWER_LEVELS, NID_EMPTY, &levels, err);
    if (rc == 0) {
        rc = entry_hold(s, range->arena, room_view_hold(range->arena, range->room)->create_nid,
                        &create, err);
    }
    if (rc == 0) {
        rc = retention_cutoff(s, range->arena, room_view_hold(range->arena, range->room)->state,
                              &range->expired_before, err);
    }
    if (rc == 0) {
        range->create = create->ev;
        range->context = (struct push_room){.members = room_counts_now(range->room).joined,
                                            .levels = levels ? levels->ev->power_levels : NULL};
        range->has_context = true;
    }
    return rc;
}

static void prepare(struct unread_range *range, struct arena *a, const struct event *ev,
                    struct push_event *out)
{
    struct push_room room = range->context;
    room.sender_level =
        power_level_of(room.levels, range->create, range->room->version, ev->sender);
    push_event_init(out, a, ev, &room);
}

int unread_range_ask(struct unread_range *range, struct arena *scratch, size_t i,
                     const struct event *ev, const struct push_ruleset *rules,
                     const struct push_reader *who, int64_t *budget, struct push_result *out,
                     struct err *err)
{
    struct push_event own, *pe = &own;
    int rc = read_context(range, err);
    if (rc != 0) {
        return rc;
    }
    if (!ev->is_state && ev->origin_server_ts < range->expired_before) {
        *out = (struct push_result){0};
        return 0;
    }
    if (!range->events || i == SIZE_MAX) {
        prepare(range, scratch, ev, pe);
    } else {
        if (!range->events[i]) {
            range->events[i] = arena_new(range->arena, struct push_event);
            prepare(range, range->arena, ev, range->events[i]);
        }
        pe = range->events[i];
    }
    push_evaluate(pe, rules, who, budget, out);
    return 0;
}
