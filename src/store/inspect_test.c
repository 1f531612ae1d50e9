/* SPDX-License-Identifier: Apache-2.0 */
#include "store/inspect.h"

#include "store/store_test_support.h"
#include "store/users.h"

static int64_t wrong(struct fixture *f, const char *fact)
{
    int64_t n = 0;
    for (size_t i = 0; i < inspect_facts(f->config.db.engine); i++) {
        struct inspect_finding found;
        assert_ok(inspect_check(reader(f), &f->arena, i, &found, &f->err), &f->err);
        n += !fact || strcmp(found.fact, fact) == 0 ? found.n : 0;
    }
    return n;
}

static void a_new_database_is_sound_and_up_to_date(void **state)
{
    struct fixture *f = *state;
    struct inspect_status status;
    const struct db_migration *pending;
    size_t n;
    assert_true(inspect_facts(f->config.db.engine) > 20);
    assert_int_equal(wrong(f, NULL), 0);
    assert_ok(inspect_pending(reader(f), &f->arena, &pending, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
    assert_ok(inspect_status(reader(f), &f->arena, &status, &f->err), &f->err);
    assert_true(status.schema_version >= 27);
    assert_true(status.version.n > 0 && status.bytes > 0);
    assert_true(status.n_tables > 30 && status.tables[0].bytes >= status.tables[1].bytes);
}

static int spoil(struct txn *t, void *arg)
{
    const struct sql *sql = arg;
    struct db_params params = PARAMS(P_BLOB(STR("#x")), P_BLOB(STR("y")));
    params.n = strstr(sql->text, "$2") ? 2 : strstr(sql->text, "$1") ? 1 : 0;
    return db_exec(t, sql, params, txn_err(t));
}

static void what_does_not_fit_together_is_found(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct sql sql;
        const char *fact;
    } rows[] = {
        {{"INSERT INTO device_list_changes (user_nid, position) VALUES (77, 1000000)"},
         "the stream position is not behind device_list_changes"},
        {{"INSERT INTO room_aliases (alias, room_nid, creator_nid) VALUES ('#a:b', 77, 0)"},
         "room_aliases.room_nid names a row of rooms"},
        {{"INSERT INTO state_nodes (id, body) VALUES ($1, $2)"},
         "nodes of states are whole and have their children"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(wrong(f, rows[i].fact), 0);
        assert_ok(store_write(f->store, "spoil", spoil, (void *)&rows[i].sql, &f->err), &f->err);
        assert_int_equal(wrong(f, rows[i].fact), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_new_database_is_sound_and_up_to_date),
        STORE_TEST(what_does_not_fit_together_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
