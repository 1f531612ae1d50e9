/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device lists (client-server API, "Tracking the device list for a user"): announcing that a user's devices or
 * cross-signing keys changed, and working out what of that, and of memberships, one client must hear of.
 *
 *     rc = devices_delete(t, user, device, txn_err(t));
 *     if (rc == 0) rc = device_list_announce(t, server, user, txn_err(t));
 */
#ifndef INGOT_CORE_DEVICE_LIST_H
#define INGOT_CORE_DEVICE_LIST_H

#include "base/arena.h"
#include "base/err.h"

struct server;
struct txn;

/* Inside the transaction that added, removed or renamed a device, or changed identity or cross-signing keys. */
MUST_USE int device_list_announce(struct txn *t, struct server *s, uint64_t user_nid,
                                  struct err *err);
/* The user signed keys of others, stored with `position`: only their own clients hear of it. */
void device_list_announce_signatures(struct txn *t, struct server *s, uint64_t signer_nid,
                                     int64_t position);

/* Inside the transaction that changed the user-signing key: only the user's own clients may ask for it, so only they
 * hear. */
void device_list_announce_own(struct txn *t, struct server *s, uint64_t user_nid);

struct device_list_updates {
    const uint64_t *changed, *left; /* unordered, without repetition, in the arena */
    size_t n_changed, n_left;
    const uint64_t *met; /* of `changed` those who came to share a room with the user */
    size_t n_met;
};

/*
 * What changed for a user with from < position <= upto. `changed`: who shares a room with them (or is the user) and has
 * new keys, whose keys they signed, or who came to share a room. `left`: who shares none any more. Any joined room
 * counts, encrypted or not: what a client does not track it ignores. In doubt (what happened after `upto` is known
 * already) a user is told of once more rather than forgotten.
 */
MUST_USE int device_list_updates(struct server *s, struct arena *a, uint64_t user_nid, int64_t from,
                                 int64_t upto, struct device_list_updates *out, struct err *err);

/* The same for a client that may have wrong ones of anybody: who shares a room with the user, and the user. */
MUST_USE int device_list_everybody(struct server *s, struct arena *a, uint64_t user_nid,
                                   struct device_list_updates *out, struct err *err);

#endif
