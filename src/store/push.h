/* SPDX-License-Identifier: Apache-2.0 */
/* Push rules (one JSON document per user: what differs from the defaults) and pushers. */
#ifndef INGOT_STORE_PUSH_H
#define INGOT_STORE_PUSH_H

#include "store/store.h"

/* The document's form is the caller's. position: rules are sent to clients as account data. */
MUST_USE int stored_push_rules_put(struct txn *t, uint64_t user_nid, struct str json,
                                   int64_t position, struct err *err);
/* E_NOT_FOUND: the user never changed a rule. */
MUST_USE int stored_push_rules_get(struct db_read *r, struct arena *a, uint64_t user_nid,
                                   struct str *out_json, int64_t *out_position, struct err *err);
MUST_USE int stored_push_rules_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

struct pusher_row {
    int64_t pusher_id;
    uint64_t user_nid;
    struct str app_id, pushkey, kind, app_display_name, device_display_name;
    struct str profile_tag; /* .p == NULL: none */
    struct str lang;
    struct str data; /* JSON */
    uint64_t device_nid;
    bool is_enabled;
    bool is_barred;           /* its account is locked or suspended: nothing is pushed; only read */
    int64_t created_ts;       /* when it was set last */
    int64_t pushed_position;  /* all up to here is delivered */
    int64_t failing_since_ts; /* 0: the last delivery worked */
    /* Of kind "email"; written by pushers_set_mailed only: */
    int64_t mailed_ts; /* the last letter; 0: none */
    int64_t pause_ms;  /* before the next; 0: something was read since */
};

/* Inserts, or replaces the user's pusher of the same app and key; gives its id. */
MUST_USE int pushers_put(struct txn *t, const struct pusher_row *row, int64_t *out_id,
                         struct err *err);
MUST_USE int pushers_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                             struct pusher_row **out, size_t *out_n, struct err *err);
/* All of them, for the sender when it starts. */
MUST_USE int pushers_list(struct db_read *r, struct arena *a, struct pusher_row **out,
                          size_t *out_n, struct err *err);
MUST_USE int pushers_set_progress(struct txn *t, int64_t pusher_id, int64_t pushed_position,
                                  int64_t failing_since_ts, struct err *err);
MUST_USE int pushers_set_mailed(struct txn *t, int64_t pusher_id, int64_t mailed_ts,
                                int64_t pause_ms, struct err *err);
MUST_USE int pushers_delete(struct txn *t, uint64_t user_nid, struct str app_id, struct str pushkey,
                            struct err *err);
/* The same app and key of other users: a device that changed hands ("append": false). Who they are, in the
 * transaction's arena. */
MUST_USE int pushers_delete_of_others(struct txn *t, uint64_t user_nid, struct str app_id,
                                      struct str pushkey, uint64_t **out_users, size_t *out_n,
                                      struct err *err);
/* What the user's pushers have not told up to this position, they never will. */
MUST_USE int pushers_skip(struct txn *t, uint64_t user_nid, int64_t position, struct err *err);
MUST_USE int pushers_delete_of_device(struct txn *t, uint64_t device_nid, struct err *err);
MUST_USE int pushers_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

#endif
