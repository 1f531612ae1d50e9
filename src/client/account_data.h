/* SPDX-License-Identifier: Apache-2.0 */
/* Writing account data, for the modules that keep theirs in it: tags, the read marker. */
#ifndef INGOT_CLIENT_ACCOUNT_DATA_H
#define INGOT_CLIENT_ACCOUNT_DATA_H

#include "base/str.h"
#include "store/store.h"

struct server;

struct account_data_change {
    struct server *server;
    uint64_t user_nid, room_nid; /* room 0: global */
    struct str type, content;    /* JSON object */
    bool is_servers_own;         /* limits.account_data is no reason to refuse it */
};
/* Inside a transaction: writes it and announces it to the user's clients. E_LIMIT, with nothing written. */
MUST_USE int account_data_change(struct txn *t, const struct account_data_change *c);

#endif
