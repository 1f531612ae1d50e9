/* SPDX-License-Identifier: Apache-2.0 */
/* Events of any room version from a few words, signed with a fixed key of the server "a". */
#ifndef INGOT_TESTS_SUPPORT_TEST_ROOM_H
#define INGOT_TESTS_SUPPORT_TEST_ROOM_H

#include "tests/support/test.h"

#include "crypto/hash.h"
#include "crypto/signing_key.h"
#include "matrix/event.h"
#include "matrix/room_version.h"
#include "wire/json.h"

#define TEST_SERVER "a"
#define TEST_ROOM   "!r:a" /* without the domain where room ids have none */

/* An event in words. Room id, references and time have defaults. */
struct test_event {
    const char *type, *key, *sender, *content; /* key NULL: not a state event */
    const char *redacts, *room;
    const struct event *prev; /* NULL: some event that nobody knows */
    bool is_first;            /* no event before it */
};

#define MEMBER(sender_, key_, membership_)                                                         \
    {                                                                                              \
        .type = "m.room.member", .key = (key_), .sender = (sender_),                               \
        .content = "{\"membership\":\"" membership_ "\"}"                                          \
    }

static inline int test_room_setup(void **state)
{
    (void)state;
    wire_json_init();
    crypto_init();
    return 0;
}

static inline const struct signing_key *test_key(void)
{
    static struct signing_key key;
    static const unsigned char seed[ED25519_SEED_LEN] = "0123456789abcdef0123456789abcdef";
    if (!key.id[0]) {
        assert_int_equal(signing_key_from_seed(STR("1"), seed, &key, NULL), 0);
    }
    return &key;
}

/* New reference. */
static inline struct event *test_build(const struct room_version *version, struct test_event t)
{
    const char *room = version->is_room_id_create_hash ? "!r" : TEST_ROOM;
    bool is_bare = version->is_room_id_create_hash && strcmp(t.type, "m.room.create") == 0;
    struct str prev = t.prev ? t.prev->event_id : STR("$unknown:a");
    struct str hash = STR("aGFzaA");
    struct event_draft draft = {
        .room_id = is_bare ? STR_NONE : str_c(t.room ? t.room : room),
        .type = str_c(t.type),
        .sender = str_c(t.sender),
        .state_key = str_c(t.key),
        .is_state = t.key != NULL,
        .redacts = str_c(t.redacts),
        .content = str_c(t.content),
        .origin_server_ts = 1000000,
        .depth = 7,
        .prev_events = &prev,
        .prev_hashes = &hash,
        .n_prev = !t.is_first,
    };
    struct event *ev = NULL;
    struct err err = {0};
    assert_ok(event_build(version, &draft, STR(TEST_SERVER), test_key(), &ev, &err), &err);
    return ev;
}

#endif
