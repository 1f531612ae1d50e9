/* SPDX-License-Identifier: Apache-2.0 */
#include "store/owner.h"

#include "matrix/ids.h"
#include "store/meta.h"
#include "store/statements.h"

static const struct sql some_user = {
    "SELECT n.text FROM users u JOIN names n ON n.nid = u.user_nid LIMIT 1",
    .may_scan = true /* one row */};
STATEMENTS(owner, &some_user);

static const struct {
    struct str key;
    size_t offset;
} facts[] = {
    {STR_INIT("server_name"), offsetof(struct owner, server_name)},
    {STR_INIT("signing_key"), offsetof(struct owner, signing_key)},
    {STR_INIT("database_id"), offsetof(struct owner, database_id)},
};

static struct str *fact_of(struct owner *o, size_t i)
{
    return (struct str *)(void *)((char *)o + facts[i].offset);
}

/* What an older program left says it by the people in it. */
static int name_of_users(struct db_read *r, struct arena *a, struct owner *o, struct err *err)
{
    struct db_str user;
    int rc = db_row(r, a, &some_user, PARAMS(), &db_str_cols, &user, err);
    if (rc == 0) {
        o->server_name = id_domain(user.v);
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int read_fact(struct db_read *r, struct arena *a, struct str key, struct str *out,
                     struct err *err)
{
    int rc = meta_get(r, a, key, out, err);
    return rc == E_NOT_FOUND ? 0 : rc;
}

int owner_read(struct db_read *r, struct arena *a, struct owner *out, struct err *err)
{
    struct owner o = {.is_new = false};
    struct str media = STR_NONE;
    bool has_tables;
    int rc = db_has_migration(r, 1, &has_tables, err);
    o.is_new = rc == 0 && !has_tables;
    for (size_t i = 0; rc == 0 && has_tables && i < ARRAY_LEN(facts); i++) {
        rc = read_fact(r, a, facts[i].key, fact_of(&o, i), err);
    }
    if (rc == 0 && has_tables) {
        rc = read_fact(r, a, STR("media_marked"), &media, err);
    }
    bool has_users = false;
    if (rc == 0 && has_tables && o.server_name.n == 0) {
        rc = db_has_migration(r, 2, &has_users, err);
    }
    if (rc == 0 && has_users) {
        rc = name_of_users(r, a, &o, err);
    }
    o.has_media = media.n > 0;
    *out = rc == 0 ? o : *out;
    return rc;
}

int owner_write(struct txn *t, const struct owner *owner, struct err *err)
{
    struct owner o = *owner;
    int rc = meta_put(t, STR("media_marked"), o.has_media ? STR("1") : STR(""), err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(facts); i++) {
        struct str fact = *fact_of(&o, i);
        rc = meta_put(t, facts[i].key, fact.n > 0 ? fact : STR(""),
                      err); /* there may be no key yet */
    }
    return rc;
}
