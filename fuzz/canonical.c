/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical JSON is a fixed point of parse and encode, in both number modes; strictly it is the shortest form, so never
 * longer than the input; and what is strict is also lax, with the same bytes.
 */
#include "wire/canonical.h"
#include "fuzz/fuzz.h"

enum { ANY = JPARSE_REALS | JPARSE_SCALAR };

static void check_fixed_point(struct arena *a, struct str text, unsigned flags)
{
    json_t *v = NULL;
    struct str again = STR_NONE;
    bug_on(!str_is_utf8(text));
    int rc = json_parse(a, text, ANY, &v, NULL);
    bug_on(rc != 0);
    rc = canonical_encode(a, v, flags, &again, NULL);
    bug_on(rc != 0 || !str_eq(text, again));
}

static void check_skip(struct arena *a, const json_t *v, struct str whole)
{
    struct str without;
    const struct str key[] = {STR("signatures")};
    int rc = canonical_encode_without(a, v, key, 1, CANONICAL_LAX, &without, NULL);
    bug_on(rc != 0 || without.n > whole.n);
    bug_on((without.n == whole.n) != !json_find(v, key[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        wire_json_init();
        ready = true;
    }
    struct arena a;
    arena_init(&a, 0);
    json_t *v;
    if (json_parse(&a, fuzz_input(data, size), ANY, &v, NULL) == 0) {
        struct str lax, strict;
        int rc = canonical_encode(&a, v, CANONICAL_LAX, &lax, NULL);
        bug_on(rc != 0);
        check_fixed_point(&a, lax, CANONICAL_LAX);
        if (canonical_encode(&a, v, 0, &strict, NULL) == 0) {
            bug_on(!str_eq(strict, lax) || strict.n > size);
            check_fixed_point(&a, strict, 0);
        }
        if (json_is_object(v)) {
            check_skip(&a, v, lax);
        }
    }
    arena_release(&a);
    return 0;
}
