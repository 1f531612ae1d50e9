/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles: fields with a JSON value each (displayname, avatar_url, m.tz, and whatever else users keep). */
#ifndef INGOT_STORE_PROFILES_H
#define INGOT_STORE_PROFILES_H

#include "store/store.h"

struct profile_field {
    struct str field;
    struct str value; /* JSON */
};

MUST_USE int profiles_put(struct txn *t, uint64_t user_nid, struct str field, struct str value,
                          struct err *err);
MUST_USE int profiles_delete(struct txn *t, uint64_t user_nid, struct str field, struct err *err);
MUST_USE int profiles_get(struct db_read *r, struct arena *a, uint64_t user_nid, struct str field,
                          struct str *out_value, struct err *err);
/* All fields, in order of their names. */
MUST_USE int profiles_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                              struct profile_field **out, size_t *out_n, struct err *err);
MUST_USE int profiles_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

/* A change of what stands in the member events of all rooms of a user, and how far it has come. */
struct profile_change {
    uint64_t user_nid;
    int64_t change;   /* its number; a later change has another one */
    uint64_t reached; /* rooms up to this one have it */
};
/* From the first room; an earlier change of the user ends. */
MUST_USE int profile_spreads_begin(struct txn *t, uint64_t user_nid, struct err *err);
/* The oldest ones first. */
MUST_USE int profile_spreads_list(struct db_read *r, struct arena *a, int64_t limit,
                                  struct profile_change **out, size_t *out_n, struct err *err);
/* Both do nothing if there was a later change meanwhile. */
MUST_USE int profile_spreads_reached(struct txn *t, const struct profile_change *c,
                                     struct err *err);
MUST_USE int profile_spreads_end(struct txn *t, const struct profile_change *c, struct err *err);
MUST_USE int profile_spreads_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

#endif
