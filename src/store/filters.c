/* SPDX-License-Identifier: Apache-2.0 */
#include "store/filters.h"

#include "crypto/hash.h"
#include "store/statements.h"
#include "store/user_totals.h"

static const struct sql find = {"SELECT filter_id FROM filters WHERE user_nid = $1 AND hash = $2"};
static const struct sql insert = {
    "INSERT INTO filters (user_nid, filter_id, hash, json) VALUES ($1, $2, $3, $4)"};
static const struct sql get = {"SELECT json FROM filters WHERE user_nid = $1 AND filter_id = $2"};
static const struct sql delete_of_user = {"DELETE FROM filters WHERE user_nid = $1"};

STATEMENTS(filters, &find, &insert, &get, &delete_of_user);

static int insert_filter(struct txn *t, uint64_t user_nid, struct str hash, struct str json,
                         int64_t most, int64_t *out_id, struct err *err)
{
    struct user_sum now, more = {.n = 1, .bytes = (int64_t)json.n + TOTAL_ROW_BYTES};
    int rc = user_totals_get(txn_read(t), user_nid, TOTAL_FILTERS, &now, err);
    if (rc == 0 && now.n >= most) {
        return err_too_large(err, "A user may keep %lld filters", (long long)most);
    }
    *out_id = txn_new_id(t, ID_OTHER);
    rc = rc ? rc : user_totals_add(t, user_nid, TOTAL_FILTERS, more, err);
    return rc ? rc
              : db_exec(t, &insert,
                        PARAMS(P_INT(user_nid), P_INT(*out_id), P_BLOB(hash), P_TEXT(json)), err);
}

int filters_put(struct txn *t, uint64_t user_nid, struct str json, int64_t most, int64_t *out_id,
                struct err *err)
{
    unsigned char hash[SHA256_LEN];
    sha256(json, hash);
    struct str h = str_n((const char *)hash, sizeof hash);
    *out_id = 0;
    int rc = db_int(txn_read(t), &find, PARAMS(P_INT(user_nid), P_BLOB(h)), out_id, err);
    return rc || *out_id ? rc : insert_filter(t, user_nid, h, json, most, out_id, err);
}

int filters_get(struct db_read *r, struct arena *a, uint64_t user_nid, int64_t id,
                struct str *out_json, struct err *err)
{
    struct db_str row;
    int rc = db_row(r, a, &get, PARAMS(P_INT(user_nid), P_INT(id)), &db_str_cols, &row, err);
    if (rc == 0) {
        *out_json = row.v;
    }
    return rc;
}

int filters_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    int rc = db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
    return rc ? rc : user_totals_clear(t, user_nid, TOTAL_FILTERS, err);
}
