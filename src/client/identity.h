/* SPDX-License-Identifier: Apache-2.0 */
/* What users have published at identity servers, taken back. */
#ifndef INGOT_CLIENT_IDENTITY_H
#define INGOT_CLIENT_IDENTITY_H

#include "core/identity_server.h"
#include "net/request.h"

struct taking_back {
    uint64_t user_nid;
    struct str user_id;
    const struct threepid *who; /* NULL: all of the user's addresses */
    struct str id_server;       /* empty: those that they were published at through us */
};

/* *out: "success", or "no-support" where a server refuses or nobody knows which it was (id_server_unbind_result).
 * Blocks on the servers. A server's own error is given only if `passes_errors`, else it counts as "no-support". */
MUST_USE int identity_take_back(struct request *rq, const struct taking_back *what,
                                bool passes_errors, struct str *out, struct err *err);
/* 200 with that outcome, as all who take addresses away answer. */
int identity_reply_unbound(struct request *rq, struct str result);

#endif
