/* SPDX-License-Identifier: Apache-2.0 */
#include "store/push.h"

#include "store/statements.h"

struct rules {
    struct str json;
    int64_t position;
};
COLS(rules_cols, struct rules, COL(struct rules, json), COL(struct rules, position));

static const struct sql put_rules = {
    "INSERT INTO push_rules (user_nid, json, position) VALUES ($1, $2, $3)"
    " ON CONFLICT (user_nid) DO UPDATE SET json = excluded.json, position = excluded.position"};
static const struct sql get_rules = {"SELECT json, position FROM push_rules WHERE user_nid = $1"};
static const struct sql delete_rules = {"DELETE FROM push_rules WHERE user_nid = $1"};

#define COLUMNS                                                                                    \
    "pusher_id, user_nid, app_id, pushkey, kind, app_display_name, device_display_name, "          \
    "profile_tag, lang, data,"                                                                     \
    " device_nid, is_enabled, created_ts, pushed_position, failing_since_ts"
COLS(pusher_cols, struct pusher_row, COL(struct pusher_row, pusher_id),
     COL(struct pusher_row, user_nid), COL(struct pusher_row, app_id),
     COL(struct pusher_row, pushkey), COL(struct pusher_row, kind),
     COL(struct pusher_row, app_display_name), COL(struct pusher_row, device_display_name),
     COL(struct pusher_row, profile_tag), COL(struct pusher_row, lang),
     COL(struct pusher_row, data), COL(struct pusher_row, device_nid),
     COL(struct pusher_row, is_enabled), COL(struct pusher_row, created_ts),
     COL(struct pusher_row, pushed_position), COL(struct pusher_row, failing_since_ts),
     COL(struct pusher_row, mailed_ts), COL(struct pusher_row, pause_ms),
     COL(struct pusher_row, is_barred));

static const struct sql put = {
    "INSERT INTO pushers (" COLUMNS
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
    " ON CONFLICT (user_nid, app_id, pushkey) DO UPDATE SET kind = excluded.kind,"
    " app_display_name = excluded.app_display_name, device_display_name = "
    "excluded.device_display_name,"
    " profile_tag = excluded.profile_tag, lang = excluded.lang, data = excluded.data,"
    " device_nid = excluded.device_nid, is_enabled = excluded.is_enabled,"
    " created_ts = excluded.created_ts RETURNING pusher_id"};
#define READ                                                                                       \
    "SELECT " COLUMNS ", mailed_ts, pause_ms, EXISTS (SELECT 1 FROM users u WHERE u.user_nid = "   \
    "pushers.user_nid AND "                                                                        \
    "(u.is_locked OR u.is_suspended)) FROM pushers"
static const struct sql of_user = {READ " WHERE user_nid = $1 ORDER BY pusher_id"};
static const struct sql list = {READ " ORDER BY pusher_id",
                                .may_scan = true /* once, at the start */};
static const struct sql set_progress = {
    "UPDATE pushers SET pushed_position = $2, failing_since_ts = $3 WHERE pusher_id = $1"};
static const struct sql set_mailed = {
    "UPDATE pushers SET mailed_ts = $2, pause_ms = $3 WHERE pusher_id = $1"};
static const struct sql delete = {
    "DELETE FROM pushers WHERE user_nid = $1 AND app_id = $2 AND pushkey = $3"};
static const struct sql delete_of_others = {"DELETE FROM pushers WHERE user_nid <> $1 AND app_id = "
                                            "$2 AND pushkey = $3 RETURNING user_nid"};
static const struct sql skip = {
    "UPDATE pushers SET pushed_position = $2 WHERE user_nid = $1 AND pushed_position < $2"};
static const struct sql delete_of_device = {"DELETE FROM pushers WHERE device_nid = $1"};
static const struct sql delete_of_user = {"DELETE FROM pushers WHERE user_nid = $1"};

STATEMENTS(push, &put_rules, &get_rules, &delete_rules, &put, &of_user, &list, &set_progress,
           &set_mailed, &delete, &delete_of_others, &skip, &delete_of_device, &delete_of_user);

int stored_push_rules_put(struct txn *t, uint64_t user_nid, struct str json, int64_t position,
                          struct err *err)
{
    return db_exec(t, &put_rules, PARAMS(P_INT(user_nid), P_TEXT(json), P_INT(position)), err);
}

int stored_push_rules_get(struct db_read *r, struct arena *a, uint64_t user_nid,
                          struct str *out_json, int64_t *out_position, struct err *err)
{
    struct rules row;
    int rc = db_row(r, a, &get_rules, PARAMS(P_INT(user_nid)), &rules_cols, &row, err);
    if (rc == 0) {
        *out_json = row.json;
        *out_position = row.position;
    }
    return rc;
}

int stored_push_rules_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_rules, PARAMS(P_INT(user_nid)), err);
}

int pushers_put(struct txn *t, const struct pusher_row *p, int64_t *out_id, struct err *err)
{
    struct db_i64 id = {0};
    int rc = db_exec_row(t, txn_arena(t), &put,
                         PARAMS(P_INT(txn_new_id(t, ID_OTHER)), P_INT(p->user_nid),
                                P_TEXT(p->app_id), P_TEXT(p->pushkey), P_TEXT(p->kind),
                                P_TEXT(p->app_display_name), P_TEXT(p->device_display_name),
                                P_TEXT(p->profile_tag), P_TEXT(p->lang), P_TEXT(p->data),
                                P_INT(p->device_nid), P_BOOL(p->is_enabled), P_INT(p->created_ts),
                                P_INT(p->pushed_position), P_INT(p->failing_since_ts)),
                         &db_i64_cols, &id, err);
    *out_id = id.v;
    return rc;
}

int pushers_of_user(struct db_read *r, struct arena *a, uint64_t user_nid, struct pusher_row **out,
                    size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_user, PARAMS(P_INT(user_nid)), &pusher_cols, out, out_n, err);
}

int pushers_list(struct db_read *r, struct arena *a, struct pusher_row **out, size_t *out_n,
                 struct err *err)
{
    return db_rows(r, a, &list, PARAMS(), &pusher_cols, out, out_n, err);
}

int pushers_set_progress(struct txn *t, int64_t pusher_id, int64_t pushed_position,
                         int64_t failing_since_ts, struct err *err)
{
    return db_exec(t, &set_progress,
                   PARAMS(P_INT(pusher_id), P_INT(pushed_position), P_INT(failing_since_ts)), err);
}

int pushers_set_mailed(struct txn *t, int64_t pusher_id, int64_t mailed_ts, int64_t pause_ms,
                       struct err *err)
{
    return db_exec(t, &set_mailed, PARAMS(P_INT(pusher_id), P_INT(mailed_ts), P_INT(pause_ms)),
                   err);
}

int pushers_delete(struct txn *t, uint64_t user_nid, struct str app_id, struct str pushkey,
                   struct err *err)
{
    return db_exec(t, &delete, PARAMS(P_INT(user_nid), P_TEXT(app_id), P_TEXT(pushkey)), err);
}

int pushers_delete_of_others(struct txn *t, uint64_t user_nid, struct str app_id,
                             struct str pushkey, uint64_t **out_users, size_t *out_n,
                             struct err *err)
{
    struct db_i64 *rows;
    int rc = db_exec_rows(t, txn_arena(t), &delete_of_others,
                          PARAMS(P_INT(user_nid), P_TEXT(app_id), P_TEXT(pushkey)), &db_i64_cols,
                          &rows, out_n, err);
    if (rc == 0) {
        *out_users = arena_array(txn_arena(t), uint64_t, *out_n);
        for (size_t i = 0; i < *out_n; i++) {
            (*out_users)[i] = (uint64_t)rows[i].v;
        }
    }
    return rc;
}

int pushers_skip(struct txn *t, uint64_t user_nid, int64_t position, struct err *err)
{
    return db_exec(t, &skip, PARAMS(P_INT(user_nid), P_INT(position)), err);
}

int pushers_delete_of_device(struct txn *t, uint64_t device_nid, struct err *err)
{
    return db_exec(t, &delete_of_device, PARAMS(P_INT(device_nid)), err);
}

int pushers_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}
