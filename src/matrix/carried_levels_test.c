/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/carried_levels.h"

#include "matrix/power_levels.h"
#include "tests/support/test_room.h"

#define V1_TO_V10_CREATE "{\"creator\":\"@a:a\"}"
#define TWO_CREATORS     "{\"additional_creators\":[\"@b:a\"]}"

static const struct {
    int from, to;
    const char *create, *levels; /* levels NULL: the old room has none */
    const char *upgrader, *additional;
    const char *setup, *final;
} cases[] = {
    /* Nobody loses or wins, whoever upgrades, above 100 too. */
    {11, 11, "{}", "{\"users\":{\"@a:a\":101,\"@b:a\":100}}", "@b:a", NULL,
     "{\"users\":{\"@b:a\":102}}", "{\"users\":{\"@a:a\":101,\"@b:a\":100}}"},
    {10, 11, V1_TO_V10_CREATE, "{\"events\":{\"m.room.name\":300},\"users\":{\"@a:a\":9001}}",
     "@a:a", NULL, "{\"events\":{\"m.room.name\":300},\"users\":{\"@a:a\":9002}}",
     "{\"events\":{\"m.room.name\":300},\"users\":{\"@a:a\":9001}}"},
    {11, 11, "{}", "{\"ban\":60,\"users_default\":60}", "@c:a", NULL,
     "{\"ban\":60,\"users\":{\"@c:a\":101},\"users_default\":60}",
     "{\"ban\":60,\"users\":{},\"users_default\":60}"},
    /* A room without levels: its creator had 100. */
    {10, 11, V1_TO_V10_CREATE, NULL, "@c:a", NULL, "{\"users\":{\"@c:a\":101}}",
     "{\"users\":{\"@a:a\":100}}"},
    {11, 12, "{}", NULL, "@a:a", NULL, "{\"events\":{\"m.room.tombstone\":150},\"users\":{}}",
     "{\"events\":{\"m.room.tombstone\":150},\"users\":{}}"},
    /* Old grammars: texts and fractions, what is more than JSON can say, keys that nobody knows. */
    {5, 11, V1_TO_V10_CREATE,
     "{\"kick\":\" +55 "
     "\",\"notifications\":{\"room\":\"7\"},\"users\":{\"@a:a\":100.5,\"@b:a\":\"060\"},\"x\":"
     "true}",
     "@b:a", NULL,
     "{\"kick\":55,\"notifications\":{\"room\":7},\"users\":{\"@b:a\":101},\"x\":true}",
     "{\"kick\":55,\"notifications\":{\"room\":7},\"users\":{\"@a:a\":100,\"@b:a\":60},\"x\":"
     "true}"},
    {1, 6, V1_TO_V10_CREATE, "{\"users\":{\"@a:a\":\"99999999999999999999\"}}", "@a:a", NULL,
     "{\"users\":{\"@a:a\":9007199254740991}}", "{\"users\":{\"@a:a\":9007199254740991}}"},
    /* To version 12: creators are not listed, and the end takes 150. */
    {11, 12, "{}", "{\"state_default\":200,\"users\":{\"@a:a\":100,\"@b:a\":90,\"@c:a\":50}}",
     "@a:a", "@b:a",
     "{\"events\":{\"m.room.tombstone\":201},\"state_default\":200,\"users\":{\"@c:a\":50}}",
     "{\"events\":{\"m.room.tombstone\":201},\"state_default\":200,\"users\":{\"@c:a\":50}}"},
    /* From version 12: who could do all has the highest level there is. */
    {12, 11, TWO_CREATORS, "{\"events\":{\"m.room.tombstone\":150},\"users\":{\"@c:a\":50}}",
     "@b:a", NULL, "{\"events\":{\"m.room.tombstone\":150},\"users\":{\"@b:a\":151}}",
     "{\"events\":{\"m.room.tombstone\":150},\"users\":{\"@a:a\":150,\"@b:a\":150,\"@c:a\":50}}"},
    {12, 12, TWO_CREATORS, "{\"users\":{\"@c:a\":300}}", "@b:a", "@c:a",
     "{\"events\":{\"m.room.tombstone\":150},\"users\":{\"@a:a\":300}}",
     "{\"events\":{\"m.room.tombstone\":150},\"users\":{\"@a:a\":300}}"},
    {12, 12, "{}", "{\"events\":{},\"users\":{\"@b:a\":100}}", "@b:a", NULL,
     "{\"events\":{\"m.room.tombstone\":150},\"users\":{\"@a:a\":150}}",
     "{\"events\":{\"m.room.tombstone\":150},\"users\":{\"@a:a\":150}}"},
    {12, 11, "{}", NULL, "@a:a", NULL, "{\"users\":{\"@a:a\":101}}", "{\"users\":{\"@a:a\":100}}"},
};

static struct event *build(int version, const char *type, const char *content)
{
    return test_build(&room_versions[version - 1],
                      (struct test_event){.type = type,
                                          .key = "",
                                          .sender = "@a:a",
                                          .content = content,
                                          .is_first = strcmp(type, "m.room.create") == 0});
}

static void the_same_people_govern_the_new_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct err err;
        struct event *create = build(cases[i].from, "m.room.create", cases[i].create);
        struct event *levels =
            cases[i].levels ? build(cases[i].from, "m.room.power_levels", cases[i].levels) : NULL;
        struct str additional = str_c(cases[i].additional);
        struct carried_levels c = {.old_create = create,
                                   .old_levels = levels,
                                   .version = &room_versions[cases[i].to - 1],
                                   .upgrader = str_c(cases[i].upgrader),
                                   .additional_creators = &additional,
                                   .n_additional = cases[i].additional != NULL};
        arena_init(&a, 0);
        assert_ok(carried_levels_make(&a, &c, &err), &err);
        assert_str(c.setup, cases[i].setup);
        assert_str(c.final, cases[i].final);
        event_unref(&create);
        event_unref(&levels);
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(the_same_people_govern_the_new_room)};
    return cmocka_run_group_tests(tests, test_room_setup, NULL);
}
