/* SPDX-License-Identifier: Apache-2.0 */
/* At which identity servers users have published their addresses: these need not be addresses of the account. */
#ifndef INGOT_STORE_THREEPID_BINDS_H
#define INGOT_STORE_THREEPID_BINDS_H

#include "store/store.h"

struct threepid_bind {
    struct str medium, address, id_server;
};

MUST_USE int threepid_binds_add(struct txn *t, uint64_t user_nid, const struct threepid_bind *bind,
                                struct err *err);
MUST_USE int threepid_binds_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                                    struct threepid_bind **out, size_t *out_n, struct err *err);
/* Taking away what is not there is no error. */
MUST_USE int threepid_binds_delete(struct txn *t, uint64_t user_nid,
                                   const struct threepid_bind *bind, struct err *err);
MUST_USE int threepid_binds_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

#endif
