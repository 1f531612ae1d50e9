/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding: what was decoded is UTF-8, and encoding it gives a text that decodes to the same. */
#include "base/arena.h"
#include "fuzz/fuzz.h"
#include "wire/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a, 0);
    struct str text = str_n((const char *)data, size), once, twice;
    if (url_decode_segment(&a, text, &once, NULL) == 0) {
        bug_on(!str_is_utf8(once));
        bug_on(url_decode_segment(&a, url_encode(&a, once), &twice, NULL) != 0);
        bug_on(!str_eq(once, twice));
    }
    struct url_query q;
    if (url_query_parse(&a, text, &q, NULL) == 0) {
        bug_on(q.n > URL_QUERY_MAX);
        for (size_t i = 0; i < q.n; i++) {
            bug_on(!str_is_utf8(q.p[i].key) || !str_is_utf8(q.p[i].value));
        }
    }
    arena_release(&a);
    return 0;
}
