/* SPDX-License-Identifier: Apache-2.0 */
/* Server-server API, "Resolving server names", as far as no other server is asked: steps 1 and 2. */
#include "core/server_discovery.h"

#include "tests/support/test.h"

static void an_address_or_a_port_needs_no_question(void **state)
{
    static const struct {
        const char *name, *authority; /* NULL: no server name */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1:8448"},
        {"192.0.2.1:443", "192.0.2.1:443"},
        {"[2001:db8::1]", "[2001:db8::1]:8448"},
        {"[2001:db8::1]:1", "[2001:db8::1]:1"},
        {"example.org:8443", "example.org:8443"},
        {"", NULL},
        {"example.org/path", NULL},
        {"user@example.org", NULL},
    };
    struct server_discovery *d = server_discovery_new(NULL, false);
    struct arena a;
    struct err err = {0};
    struct str out;
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = server_discovery_find(d, &a, str_c(rows[i].name), &out, &err);
        assert_int_equal(rc, rows[i].authority ? 0 : E_INVALID);
        if (rc == 0) {
            assert_true(str_eq(out, str_c(rows[i].authority)));
        }
    }
    arena_release(&a);
    server_discovery_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_or_a_port_needs_no_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
