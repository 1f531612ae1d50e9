/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/room_version.h"

#include "matrix/ids.h"
#include "matrix/names.h"
#include "tests/support/test.h"

static void versions_are_found_by_their_names(void **state)
{
    (void)state;
    assert_int_equal(room_versions_n, 12);
    for (size_t i = 0; i < room_versions_n; i++) {
        assert_ptr_equal(room_version_find(room_versions[i].id), &room_versions[i]);
        assert_true(room_version_id_is_valid(room_versions[i].id));
        assert_non_null(room_versions[i].redaction);
    }
    assert_non_null(room_version_find(STR(ROOM_VERSION_DEFAULT)));
    assert_null(room_version_find(STR("")));
    assert_null(room_version_find(STR("13")));
    assert_null(room_version_find(STR("01")));
}

#define COLUMN(name) offsetof(struct room_version, name)

/* The specification's feature matrix: each property holds in one run of versions. */
static void properties_hold_where_the_specification_says(void **state)
{
    (void)state;
    static const struct {
        size_t column;
        int from, to;
    } columns[] = {
        {COLUMN(signs_event_id_server), 1, 2},
        {COLUMN(has_redaction_rule), 1, 2},
        {COLUMN(has_aliases_rule), 1, 5},
        {COLUMN(has_creator_in_content), 1, 10},
        {COLUMN(is_key_validity_enforced), 5, 12},
        {COLUMN(is_canonical_json_enforced), 6, 12},
        {COLUMN(checks_notification_levels), 6, 12},
        {COLUMN(has_knock), 7, 12},
        {COLUMN(has_restricted), 8, 12},
        {COLUMN(has_knock_restricted), 10, 12},
        {COLUMN(has_redacts_in_content), 11, 12},
        {COLUMN(is_room_id_create_hash), 12, 12},
        {COLUMN(has_privileged_creators), 12, 12},
    };
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        for (int v = 1; v <= 12; v++) {
            const char *row = (const char *)&room_versions[v - 1];
            bool has = *(const bool *)(row + columns[i].column);
            assert_int_equal(has, columns[i].from <= v && v <= columns[i].to);
        }
    }
}

static void algorithms_change_where_the_specification_says(void **state)
{
    (void)state;
    for (int v = 1; v <= 12; v++) {
        const struct room_version *row = &room_versions[v - 1];
        assert_int_equal(row->event_id_format, v <= 2   ? EVENT_ID_OPAQUE
                                               : v == 3 ? EVENT_ID_HASH
                                                        : EVENT_ID_HASH_URLSAFE);
        assert_int_equal(row->state_res, v == 1    ? STATE_RES_V1
                                         : v <= 11 ? STATE_RES_V2
                                                   : STATE_RES_V2_1);
        assert_int_equal(row->power_level_grammar, v <= 5   ? POWER_GRAMMAR_FLOATS
                                                   : v <= 9 ? POWER_GRAMMAR_STRINGS
                                                            : POWER_GRAMMAR_INTEGERS);
        assert_true(row->max_depth == (v <= 5 ? INT64_MAX : INT64_C(9007199254740991)));
    }
}

/* The numbers are in databases. */
static void well_known_names_keep_their_numbers(void **state)
{
    (void)state;
    assert_int_equal(name_well_known(STR("")), 1);
    assert_int_equal(name_well_known(STR("m.room.create")), 2);
    assert_int_equal(name_well_known(STR("m.room.member")), 3);
    assert_int_equal(name_well_known(STR("m.room.encrypted")), 20);
    assert_int_equal(name_well_known(STR("m.room.membership")), 0);
    for (size_t i = 0; i < well_known_names_n; i++) {
        assert_int_equal(well_known_names[i].nid, i + 1);
        assert_true(well_known_names[i].nid < NID_FIRST_FREE);
        assert_int_equal(name_well_known(well_known_names[i].text), well_known_names[i].nid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(versions_are_found_by_their_names),
        TEST(properties_hold_where_the_specification_says),
        TEST(algorithms_change_where_the_specification_says),
        TEST(well_known_names_keep_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
