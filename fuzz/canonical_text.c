/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to canonical JSON: what it writes is its own fixed point; where parsing to a tree and encoding that takes the
 * input too, the bytes are the same; strictly they accept the same; and more flags accept more, with the same bytes.
 */
#include "wire/canonical_text.h"
#include "fuzz/fuzz.h"

enum { ANY = JPARSE_REALS | JPARSE_SCALAR };

/* The flags, each set accepting what those before it do. */
static const unsigned sets[] = {0, CANONICAL_FOREIGN, CANONICAL_FOREIGN | CANONICAL_LAX};

/* By way of a tree; false if that refuses it. */
static bool by_tree(struct arena *a, struct str text, unsigned flags, struct str *out)
{
    json_t *tree;
    return json_parse(a, text, ANY, &tree, NULL) == 0 &&
           canonical_encode(a, tree, flags, out, NULL) == 0;
}

static void check_fixed_point(struct arena *a, struct str canonical, unsigned flags)
{
    struct str again = STR_NONE;
    bug_on(!str_is_utf8(canonical));
    bug_on(canonical_from_text(a, canonical, flags, &again, NULL) != 0);
    bug_on(!str_eq(again, canonical));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        wire_json_init();
        ready = true;
    }
    struct arena a;
    struct str text = fuzz_input(data, size), last = STR_NONE;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        struct str out = STR_NONE, tree = STR_NONE;
        struct err err = {0};
        int rc = canonical_from_text(&a, text, sets[i], &out, &err);
        bool is_tree = by_tree(&a, text, sets[i] & CANONICAL_LAX, &tree);
        bug_on(rc != 0 && (err.kind != E_INVALID || err_http(&err) != 400 || !err.message[0]));
        bug_on(rc != 0 && last.p);
        bug_on(rc != 0 && is_tree);
        bug_on(rc == 0 && is_tree && !str_eq(out, tree));
        bug_on(rc == 0 && !is_tree && sets[i] == 0);
        bug_on(rc == 0 && last.p && !str_eq(out, last));
        if (rc == 0) {
            check_fixed_point(&a, out, sets[i]);
            last = out;
        }
    }
    arena_release(&a);
    return 0;
}
