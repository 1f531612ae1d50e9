/* SPDX-License-Identifier: Apache-2.0 */
#include "store/device_keys.h"

#include "store/cross_signing.h"
#include "store/statements.h"

#define SELECT_KEYS                                                                                \
    "SELECT k.device_id, k.json, d.display_name FROM device_keys k"                                \
    " LEFT JOIN devices d ON d.user_nid = k.user_nid AND d.device_id = k.device_id"
COLS(keys_cols, struct device_keys_row, COL(struct device_keys_row, device_id),
     COL(struct device_keys_row, json), COL(struct device_keys_row, display_name));

static const struct sql put = {
    "INSERT INTO device_keys (user_nid, device_id, json) VALUES ($1, $2, $3)"
    " ON CONFLICT (user_nid, device_id) DO UPDATE SET json = excluded.json WHERE device_keys.json "
    "<> excluded.json"};
static const struct sql get = {SELECT_KEYS " WHERE k.user_nid = $1 AND k.device_id = $2"};
static const struct sql of_user = {SELECT_KEYS " WHERE k.user_nid = $1 ORDER BY k.device_id"};
static const struct sql delete = {"DELETE FROM device_keys WHERE user_nid = $1 AND device_id = $2"};

STATEMENTS(device_keys, &put, &get, &of_user, &delete);

int device_keys_put(struct txn *t, uint64_t user_nid, struct str device_id, struct str json,
                    bool *out_changed, struct err *err)
{
    int64_t changed = 0;
    int rc = db_exec_count(t, &put, PARAMS(P_INT(user_nid), P_TEXT(device_id), P_TEXT(json)),
                           &changed, err);
    *out_changed = changed > 0;
    return rc;
}

int device_keys_get(struct db_read *r, struct arena *a, uint64_t user_nid, struct str device_id,
                    struct device_keys_row *out, struct err *err)
{
    return db_row(r, a, &get, PARAMS(P_INT(user_nid), P_TEXT(device_id)), &keys_cols, out, err);
}

int device_keys_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                        struct device_keys_row **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_user, PARAMS(P_INT(user_nid)), &keys_cols, out, out_n, err);
}

int device_keys_delete(struct txn *t, uint64_t user_nid, struct str device_id, struct err *err)
{
    int rc = db_exec(t, &delete, PARAMS(P_INT(user_nid), P_TEXT(device_id)), err);
    return rc ? rc : key_signatures_delete_of_key(t, user_nid, device_id, err);
}
