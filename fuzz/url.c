/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes is UTF-8, never longer than its source, and comes back from its encoding. */
#include "wire/url.h"
#include "fuzz/fuzz.h"

static void check_round_trip(struct arena *a, struct str plain)
{
    struct str back;
    int rc = url_decode_segment(a, url_encode(a, plain), &back, NULL);
    bug_on(rc != 0 || !str_eq(back, plain));
}

static void check_segment(struct arena *a, struct str input)
{
    struct str plain;
    if (url_decode_segment(a, input, &plain, NULL) == 0) {
        bug_on(!str_is_utf8(plain) || plain.n > input.n);
        check_round_trip(a, plain);
    }
}

static void check_query(struct arena *a, struct str input)
{
    struct url_query q = {0};
    if (url_query_parse(a, input, &q, NULL) != 0) {
        return;
    }
    bug_on(q.n > URL_QUERY_MAX);
    for (size_t i = 0; i < q.n; i++) {
        struct str value;
        bool found = url_query_find(&q, q.p[i].key, &value);
        bug_on(!found || !str_is_utf8(q.p[i].key) || !str_is_utf8(q.p[i].value));
        int64_t n = 5;
        int rc = url_query_int(&q, q.p[i].key, 0, 9, &n, NULL);
        bug_on(n < 0 || n > 9 || (rc != 0 && n != 5));
        check_round_trip(a, q.p[i].value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a, 0);
    check_segment(&a, fuzz_input(data, size));
    check_query(&a, fuzz_input(data, size));
    arena_release(&a);
    return 0;
}
