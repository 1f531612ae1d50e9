/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON decoder and the canonicaliser: what was accepted is written canonically, and reading that again and
 * writing it again gives the same bytes. */
#include "base/arena.h"
#include "fuzz/fuzz.h"
#include "wire/canonical.h"
#include "wire/json.h"

/* Canonical bytes of the text; false if it is refused. */
static bool canonical(struct arena *a, struct str text, unsigned jparse, unsigned flags,
                      struct str *out)
{
    json_t *tree;
    return json_parse(a, text, jparse | JPARSE_SCALAR, &tree, NULL) == 0 &&
           canonical_encode(a, tree, flags, out, NULL) == 0;
}

static void check(struct str text, unsigned jparse, unsigned flags)
{
    struct arena a;
    arena_init(&a, 0);
    struct str once, twice;
    if (canonical(&a, text, jparse, flags, &once)) {
        bug_on(!str_is_utf8(once));
        bug_on(!canonical(&a, once, jparse, flags, &twice));
        bug_on(!str_eq(once, twice));
    }
    arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    wire_json_init();
    check(text, 0, 0);
    check(text, JPARSE_REALS, CANONICAL_LAX);
    return 0;
}
