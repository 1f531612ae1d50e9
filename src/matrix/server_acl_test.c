/* SPDX-License-Identifier: Apache-2.0 */
/* Client-server API, "m.room.server_acl": the five steps in their order. */
#include "matrix/server_acl.h"

#include "tests/support/test.h"

static void the_steps_of_the_specification_in_their_order(void **state)
{
    static const struct {
        const char *content; /* NULL: no event */
        const char *server;
        bool allowed;
    } rows[] = {
        {NULL, "example.org", true},
        {"{}", "example.org", false},
        {"{\"allow\":[]}", "example.org", false},
        {"{\"allow\":[\"*\"]}", "example.org", true},
        {"{\"allow\":\"*\"}", "example.org", false},
        {"{\"allow\":[1,null,\"*\"]}", "example.org", true},
        {"{\"allow\":[\"*\"],\"deny\":[\"example.org\"]}", "example.org", false},
        {"{\"allow\":[\"*\"],\"deny\":[\"example.org\"]}", "example.org:8448", false},
        {"{\"allow\":[\"*\"],\"deny\":[\"EXAMPLE.org\"]}", "example.ORG", false},
        {"{\"allow\":[\"*\"],\"deny\":[\"*.example.org\"]}", "example.org", true},
        {"{\"allow\":[\"*\"],\"deny\":[\"*.example.org\"]}", "a.b.example.org", false},
        {"{\"allow\":[\"*\"],\"deny\":[\"ex?mple.org\"]}", "example.org", false},
        {"{\"allow\":[\"*\"],\"deny\":[\"xample.org\"]}", "example.org", true},
        {"{\"allow\":[\"*.org\"]}", "example.com", false},
        {"{\"allow\":[\"*\"]}", "192.0.2.1", true},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":false}", "192.0.2.1", false},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":false}", "192.0.2.1:8448", false},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":false}", "[2001:db8::1]:8448", false},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":\"no\"}", "192.0.2.1", true},
        {"{\"allow\":[\"*\"],\"allow_ip_literals\":false}", "example.org", true},
        {"{\"allow\":[\"[2001:db8::1]\"]}", "[2001:db8::1]", true},
        {"{\"allow\":[\"192.0.2.*\"],\"deny\":[\"192.0.2.7\"]}", "192.0.2.8", true},
        {"{\"allow\":[\"*\"]}", "not a name", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str content = rows[i].content ? str_c(rows[i].content) : STR_NONE;
        if (server_acl_allows(content, str_c(rows[i].server)) != rows[i].allowed) {
            fail_msg("%s for %s", rows[i].content, rows[i].server);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_steps_of_the_specification_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
