/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config.h"

#include <stdio.h>
#include <unistd.h>

#include "net/router.h"
#include "tests/support/test.h"

static char dir[] = "/tmp/ingot-config-XXXXXX";
static char path[64];

static void write_at(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct config *load(const char *text)
{
    struct config *c = NULL;
    struct err err = {0};
    write_at(path, text);
    assert_ok(config_load(path, &c, &err), &err);
    return c;
}

#define BASIC "server_name: example.org\ndata_dir: .\n"

static void a_short_file_gets_all_defaults(void **state)
{
    (void)state;
    struct config *c = load(BASIC);
    assert_str(c->server_name, "example.org");
    assert_str(c->data_dir, dir);
    assert_str(c->public_url, "https://example.org");
    assert_int_equal(c->listeners.n, 1);
    assert_int_equal(c->listeners.p[0].port, 8008);
    assert_int_equal(c->listeners.p[0].serve, SERVE_ALL);
    assert_int_equal(c->registration.mode, REGISTRATION_CLOSED);
    assert_int_equal(c->media.max_upload_size, 50 << 20);
    assert_int_equal(c->media.thumbnail_sizes.n, 5);
    assert_true(c->media.thumbnail_sizes.p[1].crop);
    assert_int_equal(c->access_tokens.lifetime_ms, 300000);
    assert_int_equal(c->presence, PRESENCE_OWN);
    assert_str(c->rooms.default_version, "12");
    assert_true(c->rate_limits.rate[RATE_LOGIN].per_second > 0.19);
    assert_int_equal(c->log.level, LOG_INFO);
    config_free(c);
}

static void every_kind_of_value_is_read(void **state)
{
    (void)state;
    struct config *c =
        load(BASIC "public_url: https://m.example.org/\n"
                   "listeners:\n"
                   "  - {bind: '::', port: 8448, tls: {certificate: c.pem, private_key: /k.pem},\n"
                   "     serve: [federation], trusted_proxies: [10.0.0.0/8, '::1']}\n"
                   "database: {engine: postgresql, url: 'postgresql://u:p@h/d'}\n"
                   "registration:\n  mode: token\n  tokens: [a, b]\n"
                   "media: {thumbnail_sizes: [10x20 crop], unused_expiry: 90m}\n"
                   "rate_limits: {login: {per_second: 2.5, burst: 7}}\n"
                   "well_known: {extra_client: {org.example: {a: 1}}}\n"
                   "appservices: [bridge.yaml]\npresence: off\n");
    const struct config_listener *l = &c->listeners.p[0];
    assert_str(c->public_url, "https://m.example.org");
    assert_true(str_ends(l->tls_certificate, STR("/c.pem")));
    assert_str(l->tls_private_key, "/k.pem");
    assert_int_equal(l->serve, SERVE_FEDERATION);
    assert_int_equal(l->trusted_proxies.n, 2);
    assert_int_equal(c->database.engine, DB_POSTGRESQL);
    assert_int_equal(c->registration.tokens.n, 2);
    assert_int_equal(c->media.thumbnail_sizes.p[0].height, 20);
    assert_int_equal(c->media.unused_expiry_ms, 90 * 60000);
    assert_int_equal(c->rate_limits.rate[RATE_LOGIN].burst, 7);
    assert_str(c->well_known.extra_client, "{\"org.example\":{\"a\":1}}");
    assert_int_equal(c->presence, PRESENCE_OFF);
    config_free(c);
}

static void relative_paths_start_at_the_file(void **state)
{
    (void)state;
    char want[96];
    struct config *c = load(BASIC "federation: {ca_file: ./sub/ca.pem}\nappservices: [b.yaml]\n");
    (void)snprintf(want, sizeof(want), "%s/sub/ca.pem", dir);
    assert_str(c->federation.ca_file, want);
    (void)snprintf(want, sizeof(want), "%s/b.yaml", dir);
    assert_str(c->appservices.p[0], want);
    config_free(c);
}

static void secrets_come_from_files_and_the_environment(void **state)
{
    (void)state;
    char file[96];
    (void)snprintf(file, sizeof(file), "%s/secret", dir);
    write_at(file, "  s3cret\n");
    struct config *c =
        load(BASIC "registration: {shared_secret_file: secret, tokens_file: secret}\n");
    assert_str(c->registration.shared_secret, "s3cret");
    assert_str(c->registration.tokens.p[0], "s3cret");
    config_free(c);
    assert_int_equal(setenv("INGOT_REGISTRATION_SHARED_SECRET", "from env", 1), 0);
    assert_int_equal(setenv("INGOT_REGISTRATION_TOKENS", "x y", 1), 0);
    c = load(BASIC "registration: {shared_secret_file: secret}\n");
    assert_str(c->registration.shared_secret, "from env");
    assert_int_equal(c->registration.tokens.n, 2);
    assert_int_equal(unsetenv("INGOT_REGISTRATION_SHARED_SECRET"), 0);
    assert_int_equal(unsetenv("INGOT_REGISTRATION_TOKENS"), 0);
    config_free(c);
}

static void mistakes_are_explained_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"data_dir: .\n", "line 1: server_name is missing"},
        {"server_name: 'a b'\ndata_dir: .\n",
         "line 1: server_name: \"a b\" is no valid server name (host or host:port)"},
        {BASIC "registraton: {mode: open}\n",
         "line 3: unknown key \"registraton\"; did you mean \"registration\"?"},
        {BASIC "registration:\n  mod: open\n",
         "line 4: unknown key \"registration.mod\"; did you mean \"registration.mode\"?"},
        {BASIC "shared_secret: x\n",
         "line 3: unknown key \"shared_secret\"; did you mean \"registration.shared_secret\"?"},
        {BASIC "zzzzzzzz: 1\n", "line 3: unknown key \"zzzzzzzz\""},
        {BASIC "registration: {mode: opne}\n",
         "line 3: registration.mode must be one of open, token, closed"},
        {BASIC "registration: {guests: 3}\n", "line 3: registration.guests must be true or false"},
        {BASIC "listeners: [{port: 70000}]\n", "line 3: port must be from 1 to 65535"},
        {BASIC "listeners: [{port: 1, bind: localhost}]\n",
         "line 3: bind: \"localhost\" is no IPv4 or IPv6 address"},
        {BASIC "listeners: [{port: 1, tls: {certificate: a}}]\n",
         "line 3: listeners: tls needs both certificate and private_key"},
        {BASIC "listeners: [{port: 1}, {port: 1}]\n",
         "line 3: listeners: 127.0.0.1 port 1 is there twice"},
        {BASIC "listeners: [{port: 1, trusted_proxies: [10.0.0.0/33]}]\n",
         "line 3: trusted_proxies: \"10.0.0.0/33\" is no address and no range such as 10.0.0.0/8"},
        {BASIC "listeners: {port: 1}\n", "line 3: listeners must be a list"},
        {BASIC "media: {max_upload_size: big}\n",
         "line 3: media.max_upload_size must be a size such as 64K, 50M or 1G"},
        {BASIC "access_tokens: {lifetime: 300}\n",
         "line 3: access_tokens.lifetime must be a time with a unit: 500ms, 20s, 5m, 24h, 7d"},
        {BASIC "database: {engine: postgresql}\n",
         "line 3: database.url is needed with engine postgresql"},
        {BASIC "rooms: {default_version: '13'}\n",
         "line 3: rooms.default_version: \"13\" must be a room version from 1 to 12"},
        {BASIC "registration: {shared_secret: a, shared_secret_file: b}\n",
         "line 3: registration.shared_secret_file: give either the value or the file"},
        {BASIC "log: [a]\n", "line 3: log holds further keys"},
        {BASIC "a: [\n", "line 4, column 1: did not find expected node content"},
        {"- 1\n", "line 1: a mapping (key: value) is expected here"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config *c = NULL;
        struct err err = {0};
        write_at(path, cases[i].text);
        assert_int_equal(config_load(path, &c, &err), E_INVALID);
        assert_string_equal(err.message + strlen(path) + 2, cases[i].want);
    }
    struct config *c = NULL;
    struct err err = {0};
    assert_int_equal(config_load("/nowhere/ingot.yaml", &c, &err), E_NOT_FOUND);
}

static void what_show_prints_can_be_read_again_and_hides_secrets(void **state)
{
    (void)state;
    struct buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20);
    struct config *c = load(
        BASIC "registration: {shared_secret: hush}\nwell_known: {support: {support_page: here}}\n"
              "listeners: [{port: 1, tls: {certificate: a, private_key: b}}]\n");
    config_show(c, &first);
    config_show_json(c, &json);
    assert_true(str_find(buf_str(&first), STR("hush")) < 0);
    assert_true(str_find(buf_str(&json), STR("hush")) < 0);
    assert_true(str_find(buf_str(&first), STR("shared_secret: \"********\"  # line 3")) > 0);
    config_free(c);
    c = load(first.p);
    config_show(c, &second);
    ptrdiff_t cut = str_find(buf_str(&first), STR("  # line"));
    assert_memory_equal(first.p, second.p, (size_t)cut);
    config_free(c);
    buf_release(&first);
    buf_release(&second);
    buf_release(&json);
}

static void the_sample_file_is_valid_and_complete(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    const struct config_setting settings[] = {
        {"server_name", STR("localhost")},
        {"data_dir", STR(".")},
        {"registration.mode", STR("open")},
        {"rate_limits.login.burst", STR("3")},
    };
    config_sample(settings, ARRAY_LEN(settings), &b);
    struct config *c = load(b.p);
    assert_str(c->server_name, "localhost");
    assert_str(c->public_url, "http://localhost:8008");
    assert_int_equal(c->registration.mode, REGISTRATION_OPEN);
    assert_int_equal(c->rate_limits.rate[RATE_LOGIN].burst, 3);
    config_free(c);
    buf_release(&b);
}

static void a_reload_says_what_needs_a_restart(void **state)
{
    (void)state;
    struct config *old = load(BASIC), *now = NULL;
    struct config_strs applied, restart;
    struct err err = {0};
    write_at(path, BASIC "log: {level: debug}\nlimits: {workers: 3}\n");
    assert_ok(config_reload(old, &now, &applied, &restart, &err), &err);
    assert_int_equal(applied.n, 1);
    assert_str(applied.p[0], "log.level");
    assert_int_equal(restart.n, 1);
    assert_str(restart.p[0], "limits.workers");
    write_at(path, "oops\n");
    struct config *broken = NULL;
    assert_int_equal(config_reload(old, &broken, &applied, &restart, &err), E_INVALID);
    assert_null(broken);
    config_free(old);
    config_free(now);
}

int main(void)
{
    if (!mkdtemp(dir)) {
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/ingot.yaml", dir);
    const struct CMUnitTest tests[] = {
        TEST(a_short_file_gets_all_defaults),
        TEST(every_kind_of_value_is_read),
        TEST(relative_paths_start_at_the_file),
        TEST(secrets_come_from_files_and_the_environment),
        TEST(mistakes_are_explained_with_their_line),
        TEST(what_show_prints_can_be_read_again_and_hides_secrets),
        TEST(the_sample_file_is_valid_and_complete),
        TEST(a_reload_says_what_needs_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
