/* SPDX-License-Identifier: Apache-2.0 */
#include "core/retention.h"
#include "core/server.h"
#include "core/unread_internal.h"
#include "matrix/power_levels.h"

int unread_news_init(struct unread_news *news, struct server *s, struct arena *a, struct room *room,
                     int64_t from, int64_t upto, bool is_shared, struct err *err)
{
    *news = (struct unread_news){.server = s, .arena = a, .room = room, .from = from, .upto = upto};
    int rc = from >= upto ? 0
                          : room_timeline(s, a, room, from, upto, UNREAD_SCAN_MAX, &news->entries,
                                          &news->n, &news->more, err);
    if (rc == 0 && is_shared) {
        news->events = arena_array(a, struct push_event *, news->n);
    }
    return rc;
}

static int read_context(struct unread_news *news, struct err *err)
{
    struct server *s = news->server;
    struct entry *levels, *create;
    if (news->has_context) {
        return 0;
    }
    int rc =
        room_state_event(s, news->arena, news->room, NID_POWER_LEVELS, NID_EMPTY, &levels, err);
    if (rc == 0) {
        rc = entry_hold(s, news->arena, room_view_hold(news->arena, news->room)->create_nid,
                        &create, err);
    }
    if (rc == 0) {
        rc = retention_cutoff(s, news->arena, room_view_hold(news->arena, news->room)->state,
                              &news->expired_before, err);
    }
    if (rc == 0) {
        news->create = create->ev;
        news->context = (struct push_room){.members = room_counts_now(news->room).joined,
                                           .levels = levels ? levels->ev->power_levels : NULL};
        news->has_context = true;
    }
    return rc;
}

static void prepare(struct unread_news *news, struct arena *a, const struct event *ev,
                    struct push_event *out)
{
    struct push_room room = news->context;
    room.sender_level = power_level_of(room.levels, news->create, news->room->version, ev->sender);
    push_event_init(out, a, ev, &room);
}

int unread_news_ask(struct unread_news *news, struct arena *scratch, size_t i,
                    const struct event *ev, const struct push_ruleset *rules,
                    const struct push_reader *who, int64_t *budget, struct push_result *out,
                    struct err *err)
{
    struct push_event own, *pe = &own;
    int rc = read_context(news, err);
    if (rc != 0) {
        return rc;
    }
    if (!ev->is_state && ev->origin_server_ts < news->expired_before) {
        *out = (struct push_result){0};
        return 0;
    }
    if (!news->events || i == SIZE_MAX) {
        prepare(news, scratch, ev, pe);
    } else {
        if (!news->events[i]) {
            news->events[i] = arena_new(news->arena, struct push_event);
            prepare(news, news->arena, ev, news->events[i]);
        }
        pe = news->events[i];
    }
    push_evaluate(pe, rules, who, budget, out);
    return 0;
}
