/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_parse: the first byte chooses the room version, the rest is the PDU. What is accepted comes back byte for byte
 * through PDU and store, keeps its id when it is redacted, and the rules have an answer for it.
 */
#include "crypto/hash.h"
#include "fuzz/fuzz.h"
#include "matrix/auth_rules.h"
#include "matrix/ids.h"
#include "matrix/power_levels.h"
#include "matrix/room_version.h"
#include "wire/json.h"

static bool find_no_key(void *ctx, struct str server, struct str key_id, int64_t at_ms,
                        unsigned char out[32])
{
    (void)ctx;
    (void)at_ms;
    (void)out;
    bug_on(!server.p || !key_id.p);
    return false;
}

static void check_fields(const struct event *ev)
{
    struct matrix_id id;
    bug_on(!user_id_parse(ev->sender, &id) || !room_id_parse(ev->room_id, &id));
    bug_on(!event_id_parse(ev->event_id, &id));
    bug_on(ev->type.n > EVENT_MAX_ID_BYTES || ev->state_key.n > EVENT_MAX_ID_BYTES);
    bug_on(ev->n_auth > EVENT_MAX_AUTH || ev->n_prev > EVENT_MAX_PREV);
    bug_on(ev->depth < 0 || ev->depth > ev->version->max_depth);
    for (size_t i = 0; i < ev->n_auth + ev->n_prev; i++) {
        bug_on(!event_id_parse(ev->auth_events[i], &id)); /* prev_events follow */
    }
}

static void check_same(struct arena *a, const struct event *ev, const struct event *again)
{
    bug_on(!str_eq(ev->client_json, again->client_json));
    bug_on(!str_eq(ev->server_json, again->server_json));
    bug_on(!str_eq(ev->event_id, again->event_id) || !str_eq(ev->redacts, again->redacts));
    bug_on(!str_eq(event_pdu(a, ev), event_pdu(a, again)));
}

static void check_round_trips(struct arena *a, const struct event *ev)
{
    struct event *again;
    struct str pdu = event_pdu(a, ev);
    bug_on(pdu.n > EVENT_MAX_BYTES);
    bug_on(event_parse(ev->version, pdu, &again, NULL) != 0);
    check_same(a, ev, again);
    event_unref(&again);
    bug_on(event_load(ev->version, ev->event_id, ev->client_json, ev->server_json, &again, NULL));
    check_same(a, ev, again);
    event_unref(&again);
}

static void check_redaction(struct arena *a, const struct event *ev)
{
    struct event *redacted, *parsed, *twice;
    bug_on(event_redacted(ev, &redacted, NULL) != 0);
    bug_on(event_parse(ev->version, event_pdu(a, redacted), &parsed, NULL) != 0);
    bug_on(!str_eq(parsed->event_id, ev->event_id) || !str_eq(parsed->room_id, ev->room_id));
    bug_on(event_redacted(redacted, &twice, NULL) != 0);
    check_same(a, redacted, twice);
    event_unref(&redacted);
    event_unref(&parsed);
    event_unref(&twice);
}

/* In a room whose whole state is the event itself, or nothing. */
static void check_rules(const struct event *ev)
{
    struct auth_list list = {.events = &ev, .n = 1, .create = ev}, none = {0};
    struct auth_state state = auth_state_of_list(&list), empty = auth_state_of_list(&none);
    struct auth_event own = {.event = ev};
    struct key_lookup keys = {.find = find_no_key};
    struct err err = {0};
    int rc = auth_check(ev, &state, &err);
    bug_on(rc != 0 && (rc != E_FORBIDDEN || !err.message[0] || !str_is_utf8(str_c(err.message))));
    rc = auth_check(ev, &empty, NULL);
    bug_on(rc == 0 && ev->ids.type != NID_CREATE);
    rc = auth_check_auth_events(ev, &own, 1, NULL);
    bug_on(rc != 0 && rc != E_FORBIDDEN);
    rc = event_verify(ev, &keys, NULL);
    bug_on(rc != 0 && rc != E_FORBIDDEN);
    event_check_hash(ev);
    power_level_of(ev->power_levels, ev, ev->version, ev->sender);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        wire_json_init();
        crypto_init();
        ready = true;
    }
    if (size == 0) {
        return 0;
    }
    struct arena a;
    struct err err = {0};
    struct event *ev;
    arena_init(&a, 0);
    const struct room_version *version = &room_versions[data[0] % room_versions_n];
    if (event_parse(version, fuzz_input(data + 1, size - 1), &ev, &err) == 0) {
        check_fields(ev);
        check_round_trips(&a, ev);
        check_redaction(&a, ev);
        check_rules(ev);
        event_unref(&ev);
    } else {
        bug_on(err.kind != E_INVALID || !err.message[0]);
    }
    arena_release(&a);
    return 0;
}
