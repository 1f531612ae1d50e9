/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to devices, kept until the device has synced past them: a sync with `since` says that what came
 * before is received (client-server API, "Send-to-Device messaging").
 */
#ifndef INGOT_STORE_TO_DEVICE_H
#define INGOT_STORE_TO_DEVICE_H

#include "store/store.h"

struct to_device_row {
    int64_t position;
    uint64_t sender_nid; /* of the user; not read back */
    struct str event;    /* JSON as /sync gives it: type, sender, content */
};

/* Each message takes a position of its own. to_device_trim is for who inserts. */
MUST_USE int to_device_insert(struct txn *t, uint64_t device_nid, const struct to_device_row *row,
                              struct err *err);
/* The oldest `limit` messages with from < position <= upto. */
MUST_USE int to_device_list(struct db_read *r, struct arena *a, uint64_t device_nid, int64_t from,
                            int64_t upto, int64_t limit, struct to_device_row **out, size_t *out_n,
                            struct err *err);
/* Whether there is any with position <= upto: a cheap question before a write that would delete nothing. */
MUST_USE int to_device_has_upto(struct db_read *r, uint64_t device_nid, int64_t upto, bool *out,
                                struct err *err);
MUST_USE int to_device_delete_upto(struct txn *t, uint64_t device_nid, int64_t upto,
                                   struct err *err);
/* If a device has more than `most` messages, drops some until `keep` are left: E2EE sessions begin anew with newer
 * ones, and a device that nobody uses any more must not fill the disk. Those of whoever has most in the queue go, the
 * oldest first, so that nobody can drive out the messages of others. Costs as much as there are messages. */
MUST_USE int to_device_trim(struct txn *t, uint64_t device_nid, int64_t most, int64_t keep,
                            struct err *err);
MUST_USE int to_device_delete_of_device(struct txn *t, uint64_t device_nid, struct err *err);

#endif
