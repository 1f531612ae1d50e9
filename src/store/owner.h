/* SPDX-License-Identifier: Apache-2.0 */
/* Whose database this is: kept inside of it from its first start on (core/data_owner.h has the rules). */
#ifndef INGOT_STORE_OWNER_H
#define INGOT_STORE_OWNER_H

#include "store/store.h"

struct owner {
    bool is_new;            /* there are no tables yet */
    struct str server_name; /* empty: of an older program, and nobody is in it */
    struct str signing_key; /* identifier and public key; empty: of an older program */
    struct str database_id; /* random; empty: of an older program */
    bool has_media;         /* its media directory bears its mark */
};

/* In the arena. Also for a database without tables. */
MUST_USE int owner_read(struct db_read *r, struct arena *a, struct owner *out, struct err *err);
MUST_USE int owner_write(struct txn *t, const struct owner *owner, struct err *err);

#endif
