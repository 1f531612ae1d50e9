/* SPDX-License-Identifier: Apache-2.0 */
#include "store/one_time_keys.h"

#include "store/statements.h"

COLS(key_cols, struct one_time_key, COL(struct one_time_key, key_id),
     COL(struct one_time_key, json));
COLS(count_cols, struct one_time_key_count, COL(struct one_time_key_count, algorithm),
     COL(struct one_time_key_count, n));

static const struct sql insert = {"INSERT INTO one_time_keys (device_nid, algorithm, seq, key_id, "
                                  "json) VALUES ($1, $2, $3, $4, $5)"
                                  " ON CONFLICT (device_nid, key_id) DO NOTHING"};
static const struct sql find = {
    "SELECT json FROM one_time_keys WHERE device_nid = $1 AND key_id = $2"};
static const struct sql count = {"SELECT algorithm, count(*) FROM one_time_keys WHERE device_nid = "
                                 "$1 GROUP BY algorithm ORDER BY algorithm"};
static const struct sql claim = {
    "DELETE FROM one_time_keys WHERE device_nid = $1 AND algorithm = $2 AND seq ="
    " (SELECT min(seq) FROM one_time_keys WHERE device_nid = $1 AND algorithm = $2) RETURNING "
    "key_id, json"};
static const struct sql claim_fallback = {
    "UPDATE fallback_keys SET is_used = TRUE WHERE device_nid = $1 AND algorithm = $2 RETURNING "
    "key_id, json"};
static const struct sql put_fallback = {
    "INSERT INTO fallback_keys (device_nid, algorithm, key_id, json, is_used) VALUES ($1, $2, $3, "
    "$4, FALSE)"
    " ON CONFLICT (device_nid, algorithm) DO UPDATE"
    " SET key_id = excluded.key_id, json = excluded.json, is_used = FALSE"
    " WHERE fallback_keys.key_id <> excluded.key_id OR fallback_keys.json <> excluded.json"};
static const struct sql unused = {
    "SELECT algorithm FROM fallback_keys WHERE device_nid = $1 AND NOT is_used ORDER BY algorithm"};
static const struct sql delete_of_device = {"DELETE FROM one_time_keys WHERE device_nid = $1"};
static const struct sql delete_fallback_of_device = {
    "DELETE FROM fallback_keys WHERE device_nid = $1"};
static const struct sql use_fallback_of_device = {
    "UPDATE fallback_keys SET is_used = TRUE WHERE device_nid = $1"};
static const struct sql delete_all = {"DELETE FROM one_time_keys",
                                      .may_scan = true /* after a restore */};
static const struct sql use_all_fallback = {"UPDATE fallback_keys SET is_used = TRUE",
                                            .may_scan = true /* after a restore */};

STATEMENTS(one_time_keys, &insert, &find, &count, &claim, &claim_fallback, &put_fallback, &unused,
           &delete_of_device, &delete_fallback_of_device, &use_fallback_of_device, &delete_all,
           &use_all_fallback);

static int check_same(struct txn *t, uint64_t device_nid, const struct one_time_key *key,
                      struct err *err)
{
    struct db_str row;
    int rc = db_row(txn_read(t), txn_arena(t), &find,
                    PARAMS(P_INT(device_nid), P_TEXT(key->key_id)), &db_str_cols, &row, err);
    if (rc == 0 && !str_eq(row.v, key->json)) {
        return err_set(err, E_CONFLICT, 400, "M_INVALID_PARAM",
                       "There is another one-time key %.*s already", STR_ARG(key->key_id));
    }
    return rc;
}

int one_time_keys_insert(struct txn *t, uint64_t device_nid, struct str algorithm,
                         const struct one_time_key *key, struct err *err)
{
    int64_t inserted;
    int rc =
        db_exec_count(t, &insert,
                      PARAMS(P_INT(device_nid), P_TEXT(algorithm), P_INT(txn_new_id(t, ID_OTHER)),
                             P_TEXT(key->key_id), P_TEXT(key->json)),
                      &inserted, err);
    return rc == 0 && inserted == 0 ? check_same(t, device_nid, key, err) : rc;
}

int one_time_keys_count(struct db_read *r, struct arena *a, uint64_t device_nid,
                        struct one_time_key_count **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &count, PARAMS(P_INT(device_nid)), &count_cols, out, out_n, err);
}

int one_time_keys_claim(struct txn *t, struct arena *a, uint64_t device_nid, struct str algorithm,
                        struct one_time_key *out, bool *out_fallback, struct err *err)
{
    bool found;
    struct db_params params = PARAMS(P_INT(device_nid), P_TEXT(algorithm));
    int rc = db_exec_find(t, a, &claim, params, &key_cols, out, &found, err);
    if (out_fallback) {
        *out_fallback = rc == 0 && !found;
    }
    return rc || found ? rc : db_exec_row(t, a, &claim_fallback, params, &key_cols, out, err);
}

int fallback_keys_put(struct txn *t, uint64_t device_nid, struct str algorithm,
                      const struct one_time_key *key, struct err *err)
{
    return db_exec(
        t, &put_fallback,
        PARAMS(P_INT(device_nid), P_TEXT(algorithm), P_TEXT(key->key_id), P_TEXT(key->json)), err);
}

int fallback_keys_unused(struct db_read *r, struct arena *a, uint64_t device_nid,
                         struct db_str **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &unused, PARAMS(P_INT(device_nid)), &db_str_cols, out, out_n, err);
}

int one_time_keys_delete_of_device(struct txn *t, uint64_t device_nid, struct err *err)
{
    int rc = db_exec(t, &delete_of_device, PARAMS(P_INT(device_nid)), err);
    return rc ? rc : db_exec(t, &delete_fallback_of_device, PARAMS(P_INT(device_nid)), err);
}

int one_time_keys_distrust(struct txn *t, uint64_t device_nid, struct err *err)
{
    int rc = db_exec(t, &delete_of_device, PARAMS(P_INT(device_nid)), err);
    return rc ? rc : db_exec(t, &use_fallback_of_device, PARAMS(P_INT(device_nid)), err);
}

int one_time_keys_distrust_all(struct txn *t, struct err *err)
{
    int rc = db_exec(t, &delete_all, PARAMS(), err);
    return rc ? rc : db_exec(t, &use_all_fallback, PARAMS(), err);
}
