/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header values that we build hold no control character, whatever the file name, and give the name back; those that
 * we read are cut apart within bounds.
 */
#include "wire/http_header.h"
#include "fuzz/fuzz.h"

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static void check_disposition(struct arena *a, struct str name)
{
    struct str header = http_content_disposition(a, STR("attachment"), name);
    bug_on(has_controls(header));
    struct str back;
    bool found = http_disposition_filename(a, header, &back);
    if (name.n > 0 && str_is_utf8(name)) {
        bug_on(!found || back.n != name.n);
        bug_on(!has_controls(name) && !str_eq(back, name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a, 0);
    struct str input = fuzz_input(data, size);
    struct http_content_type ct;
    struct str out;
    if (http_content_type_parse(&a, input, &ct)) {
        bug_on(!http_content_type_is(input, ct.type) || has_controls(ct.type));
    }
    if (http_disposition_filename(&a, input, &out)) {
        bug_on(!str_is_utf8(out) || out.n > size);
    }
    if (http_bearer(input, &out)) {
        bug_on(out.n == 0 || out.p + out.n > input.p + input.n);
    }
    http_accepts_encoding(input, STR("gzip"));
    check_disposition(&a, input);
    arena_release(&a);
    return 0;
}
