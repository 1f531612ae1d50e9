/* SPDX-License-Identifier: Apache-2.0 */
/* Header values that clients send, and the one we build from a name that a user chose: it never contains a byte
 * that could end the header. */
#include "base/arena.h"
#include "fuzz/fuzz.h"
#include "wire/http_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a, 0);
    struct str text = str_n((const char *)data, size), out;
    struct http_content_type type;
    if (http_content_type_parse(&a, text, &type)) {
        bug_on(str_chr(type.type, '/') < 1);
    }
    if (http_bearer(text, &out)) {
        bug_on(str_is_empty(out));
    }
    if (http_disposition_filename(&a, text, &out)) {
        bug_on(!str_is_utf8(out));
    }
    (void)http_accepts_encoding(text, STR("gzip"));
    if (str_is_utf8(text)) {
        struct str header = http_content_disposition(&a, STR("inline"), text);
        for (size_t i = 0; i < header.n; i++) {
            bug_on((unsigned char)header.p[i] < ' ' || (unsigned char)header.p[i] > '~');
        }
    }
    arena_release(&a);
    return 0;
}
