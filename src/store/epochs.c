/* SPDX-License-Identifier: Apache-2.0 */
#include "store/epochs.h"

#include "base/rand.h"
#include "store/statements.h"
#include "store/store_internal.h"

#define EPOCH_BITS  40   /* few are ever compared, and tokens stay short */
#define EPOCHS_KEPT 1000 /* a client that was away for longer begins anew */

static const struct sql end = {"UPDATE epochs SET ends = $1 WHERE ends IS NULL"};
static const struct sql insert = {"INSERT INTO epochs (epoch, ends) VALUES ($1, NULL)"};
/* The first stays: tokens that name none are of it. */
static const struct sql forget_old = {
    "DELETE FROM epochs WHERE epoch <> 0 AND ends <"
    " (SELECT ends FROM epochs WHERE ends IS NOT NULL ORDER BY ends DESC LIMIT 1 OFFSET $1)"};
static const struct sql last_position = {"SELECT COALESCE(e.ends, c.position) FROM epochs e, "
                                         "counters c WHERE e.epoch = $1 AND c.one = 1"};
STATEMENTS(epochs, &end, &insert, &forget_old, &last_position);

int epochs_begin(struct txn *t, int64_t position, int64_t *out_epoch, struct err *err)
{
    int64_t epoch = 1 + (int64_t)rand_below((1ULL << EPOCH_BITS) - 1);
    int rc = db_exec(t, &end, PARAMS(P_INT(position)), err);
    rc = rc ? rc : db_exec(t, &insert, PARAMS(P_INT(epoch)), err);
    rc = rc ? rc : db_exec(t, &forget_old, PARAMS(P_INT(EPOCHS_KEPT)), err);
    if (rc == 0) {
        *out_epoch = epoch;
    }
    return rc;
}

int64_t store_epoch(struct store *store)
{
    return atomic_load_explicit(&store->epoch, memory_order_acquire);
}

int epochs_place(struct store *store, int64_t epoch, int64_t *position, bool *out_foreign,
                 struct err *err)
{
    int64_t newest = store_position(store);
    *out_foreign = false;
    if (*position <= newest && epoch == store_epoch(store)) {
        return 0;
    }
    struct arena a;
    struct db_i64 last = {newest};
    arena_init(&a, 0);
    int rc = db_row(store_reader(store), &a, &last_position, PARAMS(P_INT(epoch)), &db_i64_cols,
                    &last, err);
    arena_release(&a);
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    *out_foreign = rc == E_NOT_FOUND || *position > last.v;
    *position = MIN(*position, last.v);
    return 0;
}
