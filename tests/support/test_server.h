/* SPDX-License-Identifier: Apache-2.0 */
/* A server object in a directory of its own, without listeners: for tests of what handlers call. */
#ifndef INGOT_TESTS_SUPPORT_TEST_SERVER_H
#define INGOT_TESTS_SUPPORT_TEST_SERVER_H

#include <stdio.h>
#include <unistd.h>

#include "core/server.h"
#include "crypto/hash.h"
#include "tests/support/test.h"
#include "wire/json.h"

struct test_server {
    char dir[64];
    struct config *config;
    struct server *server;
    struct arena arena; /* of one test; its JSON too */
    struct arena *outer;
    struct err err;
};

static inline void test_server_write(const struct test_server *ts, const char *name,
                                     const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", ts->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline int test_server_setup(void **state)
{
    struct test_server *ts = xcalloc(1, sizeof(*ts));
    char path[128];
    struct signing_key key;
    wire_json_init();
    crypto_init();
    snprintf(ts->dir, sizeof(ts->dir), "/tmp/ingot-server-XXXXXX");
    assert_non_null(mkdtemp(ts->dir));
    test_server_write(ts, "ingot.yaml",
                      "server_name: example.org\ndata_dir: .\n"
                      "password: {hash_memory: 64K, hash_operations: 1}\n");
    signing_key_generate(&key);
    snprintf(path, sizeof(path), "%s/signing.key", ts->dir);
    assert_ok(signing_keys_save(path, &key, 1, &ts->err), &ts->err);
    snprintf(path, sizeof(path), "%s/ingot.yaml", ts->dir);
    assert_ok(config_load(path, &ts->config, &ts->err), &ts->err);
    assert_ok(server_new(ts->config, &ts->server, &ts->err), &ts->err);
    arena_init(&ts->arena, 0);
    ts->outer = json_arena_enter(&ts->arena);
    *state = ts;
    return 0;
}

static inline int test_server_teardown(void **state)
{
    static const char *const files[] = {"ingot.yaml", "signing.key", "ingot.db", "ingot.db-wal",
                                        "ingot.db-shm"};
    struct test_server *ts = *state;
    json_arena_leave(ts->outer);
    arena_release(&ts->arena);
    server_free(ts->server);
    config_free(ts->config);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", ts->dir, files[i]);
        unlink(path);
    }
    rmdir(ts->dir);
    free(ts);
    return 0;
}

#define TEST_WITH_SERVER(fn)                                                                       \
    cmocka_unit_test_setup_teardown(fn, test_server_setup, test_server_teardown)

#endif
