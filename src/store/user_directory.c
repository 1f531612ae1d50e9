/* SPDX-License-Identifier: Apache-2.0 */
#include "store/user_directory.h"

#include "store/statements.h"

static const struct sql put = {"INSERT INTO user_directory (is_inside, part, user_nid)"
                               " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"};
static const struct sql delete_of_user = {"DELETE FROM user_directory WHERE user_nid = $1"};
static const struct sql find = {"SELECT user_nid FROM user_directory WHERE is_inside = $1"
                                " AND part >= $2 AND part < $3 ORDER BY part, user_nid LIMIT $4"};

STATEMENTS(user_directory, &put, &delete_of_user, &find);

int user_directory_put(struct txn *t, uint64_t user_nid, struct str part, bool is_inside,
                       struct err *err)
{
    return db_exec(t, &put, PARAMS(P_BOOL(is_inside), P_TEXT(part), P_INT(user_nid)), err);
}

int user_directory_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}

int user_directory_find(struct db_read *r, struct arena *a, struct str prefix, bool is_inside,
                        int64_t limit, struct db_i64 **out, size_t *out_n, struct err *err)
{
    /* U+10FFFF, which is no character, comes after whatever else may follow the prefix. */
    struct str end = ARENA_CONCAT(a, prefix, STR("\xF4\x8F\xBF\xBF"));
    return db_rows(r, a, &find,
                   PARAMS(P_BOOL(is_inside), P_TEXT(prefix), P_TEXT(end), P_INT(limit)),
                   &db_i64_cols, out, out_n, err);
}
