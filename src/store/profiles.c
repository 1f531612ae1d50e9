/* SPDX-License-Identifier: Apache-2.0 */
#include "store/profiles.h"

#include "store/statements.h"

COLS(field_cols, struct profile_field, COL(struct profile_field, field),
     COL(struct profile_field, value));

static const struct sql put = {
    "INSERT INTO profiles (user_nid, field, value) VALUES ($1, $2, $3)"
    " ON CONFLICT (user_nid, field) DO UPDATE SET value = excluded.value"};
static const struct sql delete = {"DELETE FROM profiles WHERE user_nid = $1 AND field = $2"};
static const struct sql get = {"SELECT value FROM profiles WHERE user_nid = $1 AND field = $2"};
static const struct sql of_user = {
    "SELECT field, value FROM profiles WHERE user_nid = $1 ORDER BY field"};
static const struct sql delete_of_user = {"DELETE FROM profiles WHERE user_nid = $1"};

COLS(change_cols, struct profile_change, COL(struct profile_change, user_nid),
     COL(struct profile_change, change), COL(struct profile_change, reached));

static const struct sql begin_spread = {
    "INSERT INTO profile_spreads (user_nid, change, reached) VALUES ($1, $2, 0)"
    " ON CONFLICT (user_nid) DO UPDATE SET change = excluded.change, reached = 0"};
static const struct sql list_spreads = {
    "SELECT user_nid, change, reached FROM profile_spreads ORDER BY change LIMIT $1"};
static const struct sql spread_reached = {
    "UPDATE profile_spreads SET reached = $3 WHERE user_nid = $1 AND change = $2"};
static const struct sql end_spread = {
    "DELETE FROM profile_spreads WHERE user_nid = $1 AND change = $2"};
static const struct sql drop_spread = {"DELETE FROM profile_spreads WHERE user_nid = $1"};

STATEMENTS(profiles, &put, &delete, &get, &of_user, &delete_of_user, &begin_spread, &list_spreads,
           &spread_reached, &end_spread, &drop_spread);

int profiles_put(struct txn *t, uint64_t user_nid, struct str field, struct str value,
                 struct err *err)
{
    return db_exec(t, &put, PARAMS(P_INT(user_nid), P_TEXT(field), P_TEXT(value)), err);
}

int profiles_delete(struct txn *t, uint64_t user_nid, struct str field, struct err *err)
{
    return db_exec(t, &delete, PARAMS(P_INT(user_nid), P_TEXT(field)), err);
}

int profiles_get(struct db_read *r, struct arena *a, uint64_t user_nid, struct str field,
                 struct str *out_value, struct err *err)
{
    struct db_str row;
    int rc = db_row(r, a, &get, PARAMS(P_INT(user_nid), P_TEXT(field)), &db_str_cols, &row, err);
    if (rc == 0) {
        *out_value = row.v;
    }
    return rc;
}

int profiles_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                     struct profile_field **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_user, PARAMS(P_INT(user_nid)), &field_cols, out, out_n, err);
}

int profiles_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
}

/* ---- what is to be spread ---- */

int profile_spreads_begin(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &begin_spread, PARAMS(P_INT(user_nid), P_INT(txn_new_id(t, ID_OTHER))), err);
}

int profile_spreads_list(struct db_read *r, struct arena *a, int64_t limit,
                         struct profile_change **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &list_spreads, PARAMS(P_INT(limit)), &change_cols, out, out_n, err);
}

int profile_spreads_reached(struct txn *t, const struct profile_change *c, struct err *err)
{
    return db_exec(t, &spread_reached,
                   PARAMS(P_INT(c->user_nid), P_INT(c->change), P_INT(c->reached)), err);
}

int profile_spreads_end(struct txn *t, const struct profile_change *c, struct err *err)
{
    return db_exec(t, &end_spread, PARAMS(P_INT(c->user_nid), P_INT(c->change)), err);
}

int profile_spreads_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    return db_exec(t, &drop_spread, PARAMS(P_INT(user_nid)), err);
}
