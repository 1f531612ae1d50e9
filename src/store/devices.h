/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of this server's users. A device has a nid of its own, under which everything that belongs to
 * it is stored; it goes with everything. Device ids are only unique within a user.
 */
#ifndef INGOT_STORE_DEVICES_H
#define INGOT_STORE_DEVICES_H

#include "store/store.h"

struct device_row {
    uint64_t nid, user_nid;
    struct str device_id;
    struct str display_name; /* .p == NULL: none */
    int64_t created_ts, last_seen_ts;
    struct str last_seen_ip; /* .p == NULL: never seen */
};

/* The device of that id, made now if it is new; an existing one keeps its name (client-server API, login). */
MUST_USE int devices_put(struct txn *t, uint64_t user_nid, struct str device_id,
                         struct str display_name, uint64_t *out_nid, bool *out_is_new,
                         struct err *err);
MUST_USE int devices_find(struct db_read *r, struct arena *a, uint64_t user_nid,
                          struct str device_id, struct device_row *out, struct err *err);
MUST_USE int devices_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                             struct device_row **out, size_t *out_n, struct err *err);
MUST_USE int devices_count(struct db_read *r, uint64_t user_nid, int64_t *out, struct err *err);
/* E_NOT_FOUND (which dooms nothing). */
MUST_USE int devices_set_display_name(struct txn *t, uint64_t nid, struct str name,
                                      struct err *err);

/* With its tokens, keys, messages, transaction ids and pushers. Announcing it (device_lists.h) is the caller's. */
MUST_USE int devices_delete(struct txn *t, uint64_t user_nid, uint64_t nid, struct err *err);
MUST_USE int devices_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

/*
 * A request came from this device: remembered in memory, written by devices_flush_seen, which a background
 * task calls every few minutes and at shutdown. Any thread. What a crash loses is a time stamp.
 */
void devices_note_seen(struct store *store, uint64_t nid, int64_t ts, struct str ip);
MUST_USE int devices_flush_seen(struct store *store, struct err *err);
/* Whether it ever was, as far as this node knows. */
bool devices_was_seen(struct store *store, const struct device_row *device);

/* For store.c. */
struct device_seen;
struct device_seen *device_seen_new(void);
void device_seen_free(struct device_seen **seen);

#endif
