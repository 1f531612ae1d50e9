/* SPDX-License-Identifier: Apache-2.0 */
#include "client/tasks.h"

#include "base/clock.h"
#include "client/profile_spread.h"
#include "client/uia.h"
#include "core/server.h"
#include "store/login_tokens.h"
#include "store/openid_tokens.h"
#include "store/threepid_sessions.h"
#include "store/transactions.h"

/* Long enough for any client to try again ("Transaction identifiers" leaves it to the server). */
enum { TRANSACTION_MS = 24 * 60 * 60 * 1000 };

/* Login tokens that nobody used, OpenID tokens, proofs of addresses. */
static int delete_tokens(struct txn *t, UNUSED void *arg)
{
    int rc = login_tokens_delete_expired(t, clock_wall_ms(), txn_err(t));
    rc = rc ? rc : threepid_sessions_delete_expired(t, clock_wall_ms(), txn_err(t));
    return rc ? rc : openid_tokens_delete_expired(t, clock_wall_ms(), txn_err(t));
}

static int expire_logins(struct server *s, struct err *err)
{
    int rc = store_write(s->store, "tokens-expire", delete_tokens, NULL, err);
    return rc ? rc : uia_expire(s, err);
}

static int delete_transactions(struct txn *t, UNUSED void *arg)
{
    return transactions_delete_before(t, clock_wall_ms() - TRANSACTION_MS, txn_err(t));
}

static int forget_transactions(struct server *s, struct err *err)
{
    return store_write(s->store, "transactions-forget", delete_transactions, NULL, err);
}

const struct task client_tasks[] = {
    {.name = "profile-spread", .every_ms = 5 * 1000, .run = profile_spread_task},
    {.name = "logins", .every_ms = 60 * 1000, .run = expire_logins},
    {.name = "transactions", .every_ms = 10 * 60 * 1000, .run = forget_transactions},
    {0},
};
