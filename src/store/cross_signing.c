/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cross_signing.h"

#include "store/statements.h"

COLS(key_cols, struct cross_signing_key, COL(struct cross_signing_key, usage),
     COL(struct cross_signing_key, json));
COLS(signature_cols, struct key_signature, COL(struct key_signature, target_key),
     COL(struct key_signature, signer_nid), COL(struct key_signature, signer_key),
     COL(struct key_signature, signature));

static const struct sql put = {
    "INSERT INTO cross_signing_keys (user_nid, usage, json) VALUES ($1, $2, $3)"
    " ON CONFLICT (user_nid, usage) DO UPDATE SET json = excluded.json WHERE "
    "cross_signing_keys.json <> excluded.json"};
static const struct sql of_user = {
    "SELECT usage, json FROM cross_signing_keys WHERE user_nid = $1 ORDER BY usage"};
static const struct sql get = {
    "SELECT json FROM cross_signing_keys WHERE user_nid = $1 AND usage = $2"};
static const struct sql delete_keys = {"DELETE FROM cross_signing_keys WHERE user_nid = $1"};
static const struct sql put_signature = {
    "INSERT INTO key_signatures (target_nid, target_key, signer_nid, signer_key, signature, "
    "position)"
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (target_nid, target_key, signer_nid, signer_key)"
    " DO UPDATE SET signature = excluded.signature, position = excluded.position WHERE "
    "key_signatures.signature <> "
    "excluded.signature"};
static const struct sql signatures_of_user = {
    "SELECT target_key, signer_nid, signer_key, signature FROM key_signatures"
    " WHERE target_nid = $1 AND (signer_nid = $1 OR signer_nid = $2) ORDER BY target_key, "
    "signer_nid, signer_key"};
static const struct sql signed_by = {
    "SELECT DISTINCT target_nid FROM key_signatures"
    " WHERE signer_nid = $1 AND position > $2 AND position <= $3 AND target_nid <> $1"};
static const struct sql delete_of_key = {
    "DELETE FROM key_signatures WHERE target_nid = $1 AND target_key = $2"};
static const struct sql delete_on = {"DELETE FROM key_signatures WHERE target_nid = $1"};
static const struct sql delete_by = {"DELETE FROM key_signatures WHERE signer_nid = $1"};

STATEMENTS(cross_signing, &put, &of_user, &get, &delete_keys, &put_signature, &signatures_of_user,
           &signed_by, &delete_of_key, &delete_on, &delete_by);

int cross_signing_put(struct txn *t, uint64_t user_nid, const struct cross_signing_key *key,
                      bool *out_changed, struct err *err)
{
    int64_t changed = 0;
    int rc = db_exec_count(t, &put, PARAMS(P_INT(user_nid), P_INT(key->usage), P_TEXT(key->json)),
                           &changed, err);
    *out_changed = changed > 0;
    return rc;
}

int cross_signing_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                          struct cross_signing_key **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_user, PARAMS(P_INT(user_nid)), &key_cols, out, out_n, err);
}

int cross_signing_get(struct db_read *r, struct arena *a, uint64_t user_nid,
                      enum cross_signing_usage usage, struct str *out_json, struct err *err)
{
    struct db_str row;
    int rc = db_row(r, a, &get, PARAMS(P_INT(user_nid), P_INT(usage)), &db_str_cols, &row, err);
    if (rc == 0) {
        *out_json = row.v;
    }
    return rc;
}

int cross_signing_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    static const struct sql *const parts[] = {&delete_keys, &delete_on, &delete_by};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++) {
        rc = db_exec(t, parts[i], PARAMS(P_INT(user_nid)), err);
    }
    return rc;
}

int key_signatures_put(struct txn *t, uint64_t target_nid, const struct key_signature *s,
                       int64_t position, bool *out_changed, struct err *err)
{
    int64_t changed = 0;
    int rc = db_exec_count(t, &put_signature,
                           PARAMS(P_INT(target_nid), P_TEXT(s->target_key), P_INT(s->signer_nid),
                                  P_TEXT(s->signer_key), P_TEXT(s->signature), P_INT(position)),
                           &changed, err);
    *out_changed = changed > 0;
    return rc;
}

int key_signatures_of_user(struct db_read *r, struct arena *a, uint64_t target_nid,
                           uint64_t viewer_nid, struct key_signature **out, size_t *out_n,
                           struct err *err)
{
    return db_rows(r, a, &signatures_of_user, PARAMS(P_INT(target_nid), P_INT(viewer_nid)),
                   &signature_cols, out, out_n, err);
}

int key_signatures_signed_by(struct db_read *r, struct arena *a, uint64_t signer_nid, int64_t from,
                             int64_t upto, struct db_i64 **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &signed_by, PARAMS(P_INT(signer_nid), P_INT(from), P_INT(upto)),
                   &db_i64_cols, out, out_n, err);
}

int key_signatures_delete_of_key(struct txn *t, uint64_t target_nid, struct str target_key,
                                 struct err *err)
{
    return db_exec(t, &delete_of_key, PARAMS(P_INT(target_nid), P_TEXT(target_key)), err);
}
