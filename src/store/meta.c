/* SPDX-License-Identifier: Apache-2.0 */
#include "store/meta.h"

#include "base/clock.h"
#include "store/statements.h"

COLS(task_cols, struct background_task, COL(struct background_task, name),
     COL(struct background_task, progress), COL(struct background_task, is_done),
     COL(struct background_task, updated_ts));

static const struct sql put = {"INSERT INTO meta (key, value) VALUES ($1, $2)"
                               " ON CONFLICT (key) DO UPDATE SET value = excluded.value"};
static const struct sql get = {"SELECT value FROM meta WHERE key = $1"};
static const struct sql put_task = {
    "INSERT INTO background_tasks (name, progress, is_done, updated_ts) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (name) DO UPDATE SET progress = excluded.progress, is_done = excluded.is_done,"
    " updated_ts = excluded.updated_ts"};
static const struct sql get_task = {
    "SELECT name, progress, is_done, updated_ts FROM background_tasks WHERE name = $1"};

STATEMENTS(meta, &put, &get, &put_task, &get_task);

int meta_put(struct txn *t, struct str key, struct str value, struct err *err)
{
    return db_exec(t, &put, PARAMS(P_TEXT(key), P_TEXT(value)), err);
}

int meta_get(struct db_read *r, struct arena *a, struct str key, struct str *out_value,
             struct err *err)
{
    struct db_str row;
    int rc = db_row(r, a, &get, PARAMS(P_TEXT(key)), &db_str_cols, &row, err);
    if (rc == 0) {
        *out_value = row.v;
    }
    return rc;
}

int background_tasks_put(struct txn *t, const struct background_task *task, struct err *err)
{
    return db_exec(t, &put_task,
                   PARAMS(P_TEXT(task->name), P_TEXT(task->progress), P_BOOL(task->is_done),
                          P_INT(clock_wall_ms())),
                   err);
}

int background_tasks_get(struct db_read *r, struct arena *a, struct str name,
                         struct background_task *out, struct err *err)
{
    return db_row(r, a, &get_task, PARAMS(P_TEXT(name)), &task_cols, out, err);
}
