/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of rooms, events and users to the administrators (client-server API, "Reporting Content"). */
#ifndef INGOT_STORE_REPORTS_H
#define INGOT_STORE_REPORTS_H

#include "store/store.h"

struct report_row {
    uint64_t id;
    uint64_t reporter_nid;
    uint64_t room_nid;   /* 0: a user was reported */
    struct str event_id; /* .p == NULL: not an event */
    uint64_t user_nid;   /* the user, or the sender of the event; 0: a room was reported */
    struct str reason;   /* may be empty */
    int64_t received_ts;
};

/* Gives the report an id of its own. */
MUST_USE int reports_insert(struct txn *t, const struct report_row *row, struct err *err);
/* The newest `limit` reports with id < before, newest first. */
MUST_USE int reports_list(struct db_read *r, struct arena *a, int64_t before, int64_t limit,
                          struct report_row **out, size_t *out_n, struct err *err);

#endif
