/* SPDX-License-Identifier: Apache-2.0 */
/* Telling others that somebody's devices, their names or their keys have changed. */
#ifndef INGOT_CORE_DEVICE_LIST_H
#define INGOT_CORE_DEVICE_LIST_H

#include "base/err.h"

struct server;
struct txn;

/* Everybody who shares a room with the user finds him in the `device_lists` of the next sync. */
MUST_USE int device_list_announce(struct txn *t, struct server *s, uint64_t user_nid,
                                  struct err *err);

#endif
