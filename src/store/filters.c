/* SPDX-License-Identifier: Apache-2.0 */
#include "store/filters.h"

#include "crypto/hash.h"
#include "store/statements.h"

static const struct sql find = {"SELECT filter_id FROM filters WHERE user_nid = $1 AND hash = $2"};
static const struct sql insert = {
    "INSERT INTO filters (user_nid, filter_id, hash, json) VALUES ($1, $2, $3, $4)"};
static const struct sql count = {"SELECT COUNT(*) FROM filters WHERE user_nid = $1"};
static const struct sql get = {"SELECT json FROM filters WHERE user_nid = $1 AND filter_id = $2"};
static const struct sql delete_of_user = {"DELETE FROM filters WHERE user_nid = $1"};

STATEMENTS(filters, &find, &insert, &count, &get, &delete_of_user);

int filters_put(struct txn *t, uint64_t user_nid, struct str json, int64_t *out_id, struct err *err)
{
    unsigned char hash[SHA256_LEN];
    sha256(json, hash);
    struct str h = str_n((const char *)hash, sizeof hash);
    int64_t id = 0;
    int rc = db_int(txn_read(t), &find, PARAMS(P_INT(user_nid), P_BLOB(h)), &id, err);
    if (rc == 0 && id == 0) {
        id = txn_new_id(t, ID_OTHER);
        rc = db_exec(t, &insert, PARAMS(P_INT(user_nid), P_INT(id), P_BLOB(h), P_TEXT(json)), err);
    }
    *out_id = id;
    return rc;
}

int filters_count(struct db_read *r, uint64_t user_nid, int64_t *out, struct err *err)
{
    return db_int(r, &count, PARAMS(P_INT(user_nid)), out, err);
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
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}
