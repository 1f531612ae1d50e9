/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of sync (sync.h lists them). */
#ifndef INGOT_CORE_SYNC_INTERNAL_H
#define INGOT_CORE_SYNC_INTERNAL_H

#include "core/sync.h"

/*
 * A part of the answer with memory of its own, so that an answer about ten thousand rooms needs no more than one
 * about a few: from begin to end s->arena, and what the renderer and JSON trees take, is the scope's. renew gives it
 * back when it has become much; the caller holds nothing of it then. Scopes nest.
 */
struct sync_scope {
    struct arena arena, *outer, *outer_json;
};
void sync_scope_begin(struct sync *s, struct sync_scope *scope);
void sync_scope_renew(struct sync *s, struct sync_scope *scope);
void sync_scope_end(struct sync *s, struct sync_scope *scope);
/* Hands over what is written. Not while it may have to be taken back. */
MUST_USE int sync_pass_on(struct sync *s, struct err *err);

bool sync_is_ignored(const struct sync *s, struct str user_id);
/* Message events of ignored users are not shown; their state is ("Ignoring Users"). */
bool sync_is_ignored_event(const struct sync *s, const struct event *ev);
/* Texts of nids, in the arena. */
MUST_USE int sync_names(struct sync *s, const uint64_t *nids, size_t n, struct str *out,
                        struct err *err);

/* sync_user_data.c */

/* "ephemeral": receipts and typing; *out_n events. */
MUST_USE int sync_write_ephemeral(struct sync_room *r, size_t *out_n, struct err *err);
/* "account_data" of the room. */
MUST_USE int sync_write_room_account_data(struct sync_room *r, size_t *out_n, struct err *err);
/* Global account data, presence, to-device messages, device lists and key counts: members of the response. */
MUST_USE int sync_write_account_data(struct sync *s, struct err *err);
MUST_USE int sync_write_presence(struct sync *s, struct err *err);
MUST_USE int sync_write_to_device(struct sync *s, struct err *err);
MUST_USE int sync_write_devices(struct sync *s, struct err *err);
/* Fills in s->lists, once, if something may have changed. */
MUST_USE int sync_device_lists(struct sync *s, struct err *err);
/* Reads the ignore list and the invite policy from account data. */
MUST_USE int sync_read_preferences(struct sync *s, struct err *err);

#endif
