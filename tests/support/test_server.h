/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real server object (server_new) on a real SQLite store in a directory of its own, without HTTP: users, rooms
 * and events for the tests of core and above.
 *
 *     struct test_server *t = *state;                        // with TEST_WITH_SERVER(fn)
 *     struct test_user alice = test_user(t, "alice");
 *     struct room *room = test_room(t, &alice, (struct test_room_options){.visibility = "joined"});
 *     struct str id = test_message(t, room, &alice, "hello");
 *
 * What may fail has a variant test_try_…() that gives the result; the others fail the test. All memory is the test's
 * arena, so from several threads use test_send_in() with an arena for each.
 */
#ifndef INGOT_TESTS_SUPPORT_TEST_SERVER_H
#define INGOT_TESTS_SUPPORT_TEST_SERVER_H

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "base/log.h"
#include "core/batch.h"
#include "core/config.h"
#include "core/echo.h"
#include "core/room_send.h"
#include "core/server.h"
#include "core/sync.h"
#include "crypto/hash.h"
#include "store/names.h"
#include "wire/json.h"

struct test_server {
    char dir[64], path[96];
    const char *more_config; /* lines of ingot.yaml */
    struct config *config;
    struct server *server;
    struct arena arena;
    struct arena *outer_json;
    struct err err;
    uint64_t next_device;
};

struct test_user {
    struct str id;
    uint64_t nid, device;
};

/* ---- the server ---- */

static inline void test_server_write(const struct test_server *t, const char *name,
                                     const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", t->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline void test_server_open(struct test_server *t)
{
    assert_ok(config_load(t->path, &t->config, &t->err), &t->err);
    assert_ok(server_new(t->config, &t->server, &t->err), &t->err);
}

static inline void test_server_close(struct test_server *t)
{
    server_free(t->server);
    config_free(t->config);
    t->server = NULL;
    t->config = NULL;
}

static inline struct test_server *test_server_new(const char *more_config)
{
    struct test_server *t = xcalloc(1, sizeof(*t));
    struct signing_key key;
    char text[512];
    wire_json_init();
    crypto_init();
    log_setup(LOG_ERROR, LOG_TEXT);
    t->next_device = 1000;
    snprintf(t->dir, sizeof(t->dir), "/tmp/ingot-core-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->path, sizeof(t->path), "%s/ingot.yaml", t->dir);
    snprintf(text, sizeof(text),
             "server_name: example.org\ndata_dir: .\n"
             "password: {hash_memory: 64K, hash_operations: 1}\n%s",
             more_config ? more_config : "");
    test_server_write(t, "ingot.yaml", text);
    snprintf(text, sizeof(text), "%s/signing.key", t->dir);
    signing_key_generate(&key);
    assert_ok(signing_keys_save(text, &key, 1, &t->err), &t->err);
    test_server_write(t, "ingot.database", "new\n");
    arena_init(&t->arena, 0);
    t->outer_json = json_arena_enter(&t->arena);
    test_server_open(t);
    return t;
}

/* Everything held (rooms, entries, what lies in the arena) is gone. */
static inline void test_server_stop(struct test_server *t)
{
    json_arena_leave(t->outer_json);
    arena_release(&t->arena);
    test_server_close(t);
}

static inline void test_server_start(struct test_server *t)
{
    arena_init(&t->arena, 0);
    t->outer_json = json_arena_enter(&t->arena);
    test_server_open(t);
}

/* Stops and starts again on the same data. */
static inline void test_server_restart(struct test_server *t)
{
    test_server_stop(t);
    test_server_start(t);
}

static inline void test_server_remove_files(struct test_server *t)
{
    DIR *dir = opendir(t->dir);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char name[400];
        snprintf(name, sizeof(name), "%s/%s", t->dir, e->d_name);
        unlink(name);
    }
    closedir(dir);
    rmdir(t->dir);
}

static inline void test_server_free(struct test_server *t)
{
    test_server_stop(t);
    test_server_remove_files(t);
    free(t);
}

static inline int test_server_setup(void **state)
{
    *state = test_server_new(NULL);
    return 0;
}

static inline int test_server_teardown(void **state)
{
    test_server_free(*state);
    return 0;
}

#define TEST_WITH_SERVER(fn)                                                                       \
    cmocka_unit_test_setup_teardown(fn, test_server_setup, test_server_teardown)

/* ---- users ---- */

/* Lives as long as its name, which is a literal: it survives restarts. */
static inline struct test_user test_user_of(struct test_server *t, const char *user_id)
{
    struct test_user u = {.id = str_c(user_id), .device = ++t->next_device};
    assert_ok(names_get(t->server->store, u.id, &u.nid, &t->err), &t->err);
    return u;
}
#define test_user(t, localpart) test_user_of((t), "@" localpart ":example.org")

/* ---- events ---- */

static inline struct new_event test_event(const struct test_user *sender, const char *type,
                                          const char *content)
{
    return (struct new_event){.type = str_c(type),
                              .sender = sender->id,
                              .sender_nid = sender->nid,
                              .device_nid = sender->device,
                              .content = str_c(content)};
}

static inline struct new_event test_state_event(const struct test_user *sender, const char *type,
                                                struct str key, const char *content)
{
    struct new_event ev = test_event(sender, type, content);
    ev.state_key = key;
    ev.is_state = true;
    return ev;
}

/* The request whose arena this is was answered (core/echo.h). */
static inline void test_answered(struct server *s, struct arena *request, uint64_t device)
{
    const struct request rq = {.app = s, .arena = request, .who = {.device_nid = device}};
    echo_answered(&rq);
}

static inline struct str test_send(struct test_server *t, struct room *room,
                                   const struct new_event *ev)
{
    struct arena request; /* ends with the answer */
    struct str id;
    arena_init(&request, 0);
    assert_ok(room_send(t->server, &request, room, ev, &id, &t->err), &t->err);
    test_answered(t->server, &request, ev->device_nid);
    id = arena_str(&t->arena, id);
    arena_release(&request);
    return id;
}

static inline struct str test_message(struct test_server *t, struct room *room,
                                      const struct test_user *sender, const char *body)
{
    struct str content = arena_printf(&t->arena, "{\"body\":\"%s\",\"msgtype\":\"m.text\"}", body);
    struct new_event ev = test_event(sender, "m.room.message", content.p);
    return test_send(t, room, &ev);
}

static inline struct str test_state(struct test_server *t, struct room *room,
                                    const struct test_user *sender, const char *type,
                                    const char *content)
{
    struct new_event ev = test_state_event(sender, type, STR(""), content);
    return test_send(t, room, &ev);
}

static inline struct new_event test_membership(struct arena *a, const struct test_user *sender,
                                               const struct test_user *target,
                                               const char *membership)
{
    const char *content = arena_printf(a, "{\"membership\":\"%s\"}", membership).p;
    return test_state_event(sender, "m.room.member", target->id, content);
}

static inline struct str test_member(struct test_server *t, struct room *room,
                                     const struct test_user *sender, const struct test_user *target,
                                     const char *membership)
{
    struct new_event ev = test_membership(&t->arena, sender, target, membership);
    return test_send(t, room, &ev);
}

static inline struct str test_join(struct test_server *t, struct room *room,
                                   const struct test_user *who)
{
    return test_member(t, room, who, who, "join");
}

static inline struct str test_redact(struct test_server *t, struct room *room,
                                     const struct test_user *sender, struct str target)
{
    const char *content = "{}";
    if (room->version->has_redacts_in_content) {
        content = arena_printf(&t->arena, "{\"redacts\":\"%.*s\"}", STR_ARG(target)).p;
    }
    struct new_event ev = test_event(sender, "m.room.redaction", content);
    ev.redacts = target;
    return test_send(t, room, &ev);
}

/* ---- rooms ---- */

struct test_room_options {
    const char *version;    /* NULL: "11" */
    const char *visibility; /* of the history; NULL: shared */
    bool is_private;        /* join rule invite, else public */
};

static inline const char *test_create_content(struct arena *a, const struct room_version *version,
                                              const struct test_user *creator)
{
    return version->has_creator_in_content
               ? arena_printf(a, "{\"creator\":\"%.*s\",\"room_version\":\"%.*s\"}",
                              STR_ARG(creator->id), STR_ARG(version->id))
                     .p
               : arena_printf(a, "{\"room_version\":\"%.*s\"}", STR_ARG(version->id)).p;
}

/* Adds the first events of a room to a batch: create, the creator's join, levels, join rule, history visibility. */
static inline int test_room_batch(struct batch *b, const struct test_user *creator,
                                  struct test_room_options o, struct err *err)
{
    struct arena *a = b->arena;
    const struct room_version *version = b->room->version;
    const char *levels =
        version->has_privileged_creators
            ? "{}"
            : arena_printf(a, "{\"users\":{\"%.*s\":100}}", STR_ARG(creator->id)).p;
    const struct new_event events[] = {
        test_state_event(creator, "m.room.create", STR(""),
                         test_create_content(a, version, creator)),
        test_membership(a, creator, creator, "join"),
        test_state_event(creator, "m.room.power_levels", STR(""), levels),
        test_state_event(creator, "m.room.join_rules", STR(""),
                         o.is_private ? "{\"join_rule\":\"invite\"}"
                                      : "{\"join_rule\":\"public\"}"),
        test_state_event(creator, "m.room.history_visibility", STR(""),
                         arena_printf(a, "{\"history_visibility\":\"%s\"}",
                                      o.visibility ? o.visibility : "shared")
                             .p),
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(events); i++) {
        rc = batch_add(b, &events[i], NULL, err);
    }
    return rc;
}

/* Held by the test's arena. */
static inline struct room *test_room_again(struct test_server *t, struct str room_id)
{
    struct room *room;
    assert_ok(room_hold(t->server, &t->arena, room_id, &room, &t->err), &t->err);
    return room;
}

static inline struct room *test_room(struct test_server *t, const struct test_user *creator,
                                     struct test_room_options o)
{
    struct batch b;
    struct arena request;
    const struct room_version *version = room_version_find(str_c(o.version ? o.version : "11"));
    assert_non_null(version);
    arena_init(&request, 0);
    int rc = batch_begin_new_room(&b, t->server, &request, version, &t->err);
    if (rc == 0) {
        rc = test_room_batch(&b, creator, o, &t->err);
    }
    if (rc == 0) {
        rc = batch_commit(&b, &t->err);
    }
    assert_ok(rc, &t->err);
    struct str id = arena_str(&t->arena, b.room->room_id);
    batch_end(&b);
    test_answered(t->server, &request, creator->device);
    arena_release(&request);
    return test_room_again(t, id);
}

static inline struct entry *test_entry(struct test_server *t, struct str event_id)
{
    struct entry *e;
    assert_ok(entry_hold_id(t->server, &t->arena, event_id, &e, &t->err), &t->err);
    return e;
}

/* ---- sync ---- */

/* What one /sync says, parsed; in the test's arena. since empty: initial. */
struct test_sync {
    const char *since, *filter; /* NULL: none */
    bool full_state, use_state_after;
};

static inline const json_t *test_sync_found(struct test_server *t, const struct test_user *user,
                                            struct test_sync in, bool *out_found)
{
    struct buf out = BUF_INIT(64 << 20);
    struct sync s = {.server = t->server,
                     .arena = &t->arena,
                     .user_id = user->id,
                     .user_nid = user->nid,
                     .device_nid = user->device,
                     .is_initial = !in.since,
                     .full_state = in.full_state,
                     .use_state_after = in.use_state_after};
    json_t *json;
    filter_defaults(&s.filter);
    if (in.filter) {
        assert_ok(json_parse(&t->arena, str_c(in.filter), JPARSE_REALS, &json, &t->err), &t->err);
        assert_ok(filter_parse(&t->arena, json, &s.filter, &t->err), &t->err);
    }
    if (in.since) {
        assert_ok(sync_token_read(t->server, str_c(in.since), &s.since, &t->err), &t->err);
    }
    assert_ok(sync_write(&s, &out, out_found, &t->err), &t->err);
    struct str text = arena_str(&t->arena, buf_str(&out));
    buf_release(&out);
    assert_ok(json_parse(&t->arena, text, JPARSE_REALS, &json, &t->err), &t->err);
    return json;
}

static inline const json_t *test_sync(struct test_server *t, const struct test_user *user,
                                      struct test_sync in)
{
    bool found;
    return test_sync_found(t, user, in, &found);
}

static inline const char *test_next_batch(struct test_server *t, const json_t *answer)
{
    struct str token;
    assert_true(json_get_str(answer, "next_batch", &token));
    return arena_cstr(&t->arena, token);
}

/* Follows member names, e.g. PATH(answer, "rooms", "join", room); NULL if one is absent. */
static inline const json_t *test_path(const json_t *json, const struct str *keys, size_t n)
{
    for (size_t i = 0; i < n && json; i++) {
        json = json_find(json, keys[i]);
    }
    return json;
}
#define PATH(json, ...)                                                                            \
    test_path((json), (const struct str[]){__VA_ARGS__},                                           \
              sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))

/* The event with this id in a list, or NULL. */
static inline const json_t *test_find_event(const json_t *events, struct str event_id)
{
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *ev = json_array_get(events, i);
        if (str_eq(json_str(json_find(ev, STR("event_id"))), event_id)) {
            return ev;
        }
    }
    return NULL;
}

#endif
