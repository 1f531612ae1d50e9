/* SPDX-License-Identifier: Apache-2.0 */
/* Stored push rules: what is rendered of them decides like they do. */
#include "matrix/push_rules.h"
#include "fuzz/fuzz.h"
#include "matrix/room_version.h"

static struct event *event_of_test(void)
{
    struct event *ev;
    int rc = event_load(
        room_version_find(STR("11")), STR("$e"),
        STR("{\"content\":{\"body\":\"a cake, Alice\",\"m.mentions\":{\"user_ids\":[\"@a:x\"]},"
            "\"n\":5},\"event_id\":\"$e\",\"origin_server_ts\":5,\"room_id\":\"!r:x\","
            "\"sender\":\"@b:x\",\"type\":\"m.room.message\"}"),
        STR("{}"), &ev, NULL);
    bug_on(rc != 0);
    return ev;
}

static struct str evaluate(struct arena *a, const struct event *ev, struct str stored)
{
    struct push_event pe;
    struct push_result result;
    const struct push_ruleset *rules;
    int rc = push_ruleset_load(stored, &rules, NULL);
    bug_on(rc != 0);
    push_event_init(&pe, a, ev, &(struct push_room){.members = 3, .sender_level = 50});
    int64_t budget = PUSH_BUDGET;
    push_evaluate(&pe, rules, &(struct push_reader){STR("@a:x"), STR("Alice")}, &budget, &result);
    struct str decided = ARENA_CONCAT(a, result.rule_id, STR(" "), result.actions);
    push_ruleset_unref(&rules);
    return decided;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str stored = fuzz_input(data, size), rendered;
    struct arena a;
    wire_json_init();
    arena_init(&a, 0);
    if (stored.n > 0 && push_rules_render(&a, stored, STR("@a:x"), &rendered, NULL) == 0) {
        struct event *ev = event_of_test();
        bug_on(!str_eq(evaluate(&a, ev, stored), evaluate(&a, ev, rendered)));
        event_unref(&ev);
    }
    arena_release(&a);
    return 0;
}
