/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to requests with a transaction id, so that a repeated request is answered and not done again, also
 * after a restart. The id is scoped to the device and the path (client-server API, "Transaction
 * identifiers"). Events that were sent carry theirs themselves: see events_of_txn.
 */
#ifndef INGOT_STORE_TRANSACTIONS_H
#define INGOT_STORE_TRANSACTIONS_H

#include "store/store.h"

/* E_CONFLICT (which dooms nothing) if it is there already: answer what transactions_find gives then. */
MUST_USE int transactions_insert(struct txn *t, uint64_t device_nid, struct str scope,
                                 struct str txn_id, struct str response, struct err *err);
MUST_USE int transactions_find(struct db_read *r, struct arena *a, uint64_t device_nid,
                               struct str scope, struct str txn_id, struct str *out_response,
                               struct err *err);
MUST_USE int transactions_delete_of_device(struct txn *t, uint64_t device_nid, struct err *err);
MUST_USE int transactions_delete_before(struct txn *t, int64_t created_ts, struct err *err);

#endif
