/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-signing keys, and the signatures that users put on each other's keys and on their own devices. */
#ifndef INGOT_STORE_CROSS_SIGNING_H
#define INGOT_STORE_CROSS_SIGNING_H

#include "store/store.h"

enum cross_signing_usage { CROSS_SIGNING_MASTER = 1, CROSS_SIGNING_SELF, CROSS_SIGNING_USER };

struct cross_signing_key {
    int usage; /* enum cross_signing_usage */
    struct str json;
};

MUST_USE int cross_signing_put(struct txn *t, uint64_t user_nid,
                               const struct cross_signing_key *key, bool *out_changed,
                               struct err *err);
/* At most three, in order of usage. */
MUST_USE int cross_signing_of_user(struct db_read *r, struct arena *a, uint64_t user_nid,
                                   struct cross_signing_key **out, size_t *out_n, struct err *err);
MUST_USE int cross_signing_get(struct db_read *r, struct arena *a, uint64_t user_nid,
                               enum cross_signing_usage usage, struct str *out_json,
                               struct err *err);
/* With all signatures on the user's keys and by them. */
MUST_USE int cross_signing_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err);

struct key_signature {
    struct str target_key; /* device id, or public key of a cross-signing key */
    uint64_t signer_nid;
    struct str signer_key; /* key id, as in "signatures" */
    struct str signature;
};

MUST_USE int key_signatures_put(struct txn *t, uint64_t target_nid, const struct key_signature *s,
                                int64_t position, bool *out_changed, struct err *err);
/* On the keys of target_nid, by that user and by viewer_nid: nobody sees whom others have verified. */
MUST_USE int key_signatures_of_user(struct db_read *r, struct arena *a, uint64_t target_nid,
                                    uint64_t viewer_nid, struct key_signature **out, size_t *out_n,
                                    struct err *err);
/* The users other than the signer whose keys they signed with from < position <= upto. */
MUST_USE int key_signatures_signed_by(struct db_read *r, struct arena *a, uint64_t signer_nid,
                                      int64_t from, int64_t upto, struct db_i64 **out,
                                      size_t *out_n, struct err *err);
MUST_USE int key_signatures_delete_of_key(struct txn *t, uint64_t target_nid, struct str target_key,
                                          struct err *err);

#endif
