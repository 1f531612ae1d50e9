/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power levels: the decoded content of m.room.power_levels, and the questions that rules ask of it. A level that the
 * event does not give has its default here already. NULL stands for a room without such an event, everywhere.
 *
 *     int64_t have = power_level_of(pl, create, version, sender);
 *     if (have < power_required(pl, POWER_BAN)) ...
 *
 * Immutable once made; any thread.
 */
#ifndef INGOT_MATRIX_POWER_LEVELS_H
#define INGOT_MATRIX_POWER_LEVELS_H

#include "base/err.h"
#include "base/str.h"

struct event;
struct room_version;

/* The power of a privileged creator (v12): greater than any level that an event can give in those versions, where
 * integers end at 2^53-1. Two creators are equal: neither can act upon the other. */
#define POWER_INFINITE INT64_MAX

enum power_action {
    POWER_BAN,
    POWER_EVENTS_DEFAULT,
    POWER_INVITE,
    POWER_KICK,
    POWER_REDACT,
    POWER_STATE_DEFAULT,
    POWER_USERS_DEFAULT,
    POWER_ACTIONS
};
extern const struct str power_action_keys[POWER_ACTIONS]; /* "ban", … in that order */

struct power_entry {
    struct str key; /* user id, event type or kind of notification */
    int64_t level;
};
struct power_map {
    const struct power_entry *p; /* sorted by key */
    size_t n;
};

struct power_levels {
    int64_t level[POWER_ACTIONS];
    unsigned given; /* bit 1 << action: the event has that key itself */
    struct power_map users, events, notifications;
    size_t bytes; /* heap bytes of this object */
};

/* Decodes content (canonical JSON of an object), with the version's grammar for levels. E_INVALID if a level is
 * not one, a list is not an object or a key of `users` no user id: the rules reject such an event. Caller frees
 * with power_levels_free(); the keys borrow from `content`, which must live as long. */
MUST_USE int power_levels_parse(const struct room_version *version, struct str content,
                                struct power_levels **out, struct err *err);
void power_levels_free(struct power_levels **pl); /* accepts NULL inside, nulls the pointer */

/* One level as it stands in JSON (5, "5", " +05 ", 5.7 by the grammar). Out of int64: the nearest int64. */
MUST_USE bool power_level_parse(const struct room_version *version, struct str json, int64_t *out);

/* The user's level. `create` is the room's create event and tells who its creators are; NULL: there is none (yet),
 * so nobody is creator. */
int64_t power_level_of(const struct power_levels *pl, const struct event *create,
                       const struct room_version *version, struct str user);
/* What an action takes. */
int64_t power_required(const struct power_levels *pl, enum power_action action);
/* What sending an event of this type takes. */
int64_t power_required_event(const struct power_levels *pl, struct str type, bool is_state);
/* What notifying takes, e.g. "room" for @room; 50 unless the event says otherwise. */
int64_t power_required_notification(const struct power_levels *pl, struct str kind);

/* Whether the user made the room: the creator of v1 to v11; in v12 one of the privileged creators. */
bool room_is_creator(const struct event *create, const struct room_version *version,
                     struct str user);

#endif
