/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters (client-server API, "Filtering"): parsed once per request, then asked per event. Zero-initialised
 * filters let everything through; limits have their defaults after filter_parse.
 */
#ifndef INGOT_CORE_FILTER_H
#define INGOT_CORE_FILTER_H

#include "core/entry.h"
#include "wire/jfield.h"

/* The lists of one event filter; patterns of types may hold '*'. A list with .p == NULL is absent; an empty one
 * matches nothing. */
struct event_filter {
    int64_t limit; /* of events; 0: none */
    bool has_limit;
    struct str_list types, not_types, senders, not_senders;
    /* RoomEventFilter and StateFilter only: */
    struct str_list rooms, not_rooms, related_by_rel_types, related_by_senders;
    bool lazy_load_members, include_redundant_members, unread_thread_notifications;
    bool contains_url, has_contains_url;
};

struct filter {
    bool federation_format; /* event_format */
    struct str_list event_fields;
    struct event_filter presence, account_data;
    struct str_list rooms, not_rooms;
    bool include_leave;
    struct event_filter timeline, state, ephemeral, room_account_data;
};

enum { TIMELINE_LIMIT_DEFAULT = 10, TIMELINE_LIMIT_MAX = 1000 };

/* Checks and decodes a whole filter (of /sync). Strings are borrowed from the tree, lists in the arena. */
MUST_USE int filter_parse(struct arena *a, const json_t *json, struct filter *out, struct err *err);
/* The same for one that was stored: it may be of a time when ids were not looked at. */
MUST_USE int filter_load(struct arena *a, const json_t *json, struct filter *out, struct err *err);
/* A RoomEventFilter (of /messages, /context, /search). */
MUST_USE int event_filter_parse(struct arena *a, const json_t *json, struct event_filter *out,
                                struct err *err);
void filter_defaults(struct filter *out);

bool filter_allows_room(const struct filter *f, struct str room_id);
/* By type, sender, room and content; limit and lazy loading are the caller's business. related_by_* want the store:
 * see event_filter_allows_related. */
bool event_filter_allows(const struct event_filter *f, const struct event *ev);
/* For what is not an event of a room: account data, ephemeral, presence. sender may be empty. */
bool event_filter_allows_parts(const struct event_filter *f, struct str type, struct str sender,
                               struct str room_id);
/* Whether the filter lets nothing through at all, so that the caller need not look. */
bool event_filter_is_shut(const struct event_filter *f);
/* related_by_rel_types / related_by_senders: whether some relation of that kind or sender points at the event. */
struct server;
MUST_USE int event_filter_allows_related(const struct event_filter *f, struct server *s,
                                         struct arena *a, const struct event *ev, bool *out,
                                         struct err *err);

#endif
