/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people can be found by. A name is kept from each of its characters on ("parts"), so that looking for any part
 * of a name is reading the rows that begin with it. What the parts are is core/user_directory.c's.
 */
#ifndef INGOT_STORE_USER_DIRECTORY_H
#define INGOT_STORE_USER_DIRECTORY_H

#include "store/store.h"

MUST_USE int user_directory_put(struct txn *t, uint64_t user_nid, struct str part, bool is_inside,
                                struct err *err);
MUST_USE int user_directory_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);
/* Users with a part that begins with `prefix`, in order of parts; a user comes once for each such part. */
MUST_USE int user_directory_find(struct db_read *r, struct arena *a, struct str prefix,
                                 bool is_inside, int64_t limit, struct db_i64 **out, size_t *out_n,
                                 struct err *err);

#endif
