/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about the whole server, and how far long background work has come. */
#ifndef INGOT_STORE_META_H
#define INGOT_STORE_META_H

#include "store/store.h"

MUST_USE int meta_put(struct txn *t, struct str key, struct str value, struct err *err);
MUST_USE int meta_get(struct db_read *r, struct arena *a, struct str key, struct str *out_value,
                      struct err *err);

struct background_task {
    struct str name;
    struct str progress; /* JSON, the task's own */
    bool is_done;
    int64_t updated_ts;
};
/* updated_ts is set to now. */
MUST_USE int background_tasks_put(struct txn *t, const struct background_task *task,
                                  struct err *err);
MUST_USE int background_tasks_get(struct db_read *r, struct arena *a, struct str name,
                                  struct background_task *out, struct err *err);

#endif
