/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes come back from their encoding; any text that decodes has the length that it must have. */
#include "wire/base64.h"
#include "fuzz/fuzz.h"

static void check_encode(struct arena *a, struct str bytes, unsigned flags)
{
    struct str text = base64_encode(a, bytes, flags);
    bug_on(!(flags & BASE64_PADDED) && text.n != base64_len(bytes.n));
    bug_on((flags & BASE64_PADDED) && text.n != (bytes.n + 2) / 3 * 4);
    struct str back;
    bool ok = base64_decode(a, text, flags, &back);
    bug_on(!ok || !str_eq(back, bytes));
}

static void check_decode(struct arena *a, struct str text, unsigned flags)
{
    struct str bytes;
    unsigned char exact[32];
    bool fits = base64_decode_exact(exact, sizeof(exact), text, flags);
    if (!base64_decode(a, text, flags | BASE64_PADDED, &bytes)) {
        bug_on(fits);
        return;
    }
    bug_on(fits != (bytes.n == sizeof(exact)) || (fits && memcmp(exact, bytes.p, bytes.n) != 0));
    bug_on(base64_len(bytes.n) > text.n);
    check_encode(a, bytes, flags & (BASE64_URL | BASE64_PADDED));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a, 0);
    for (unsigned flags = 0; flags < 8; flags++) {
        check_decode(&a, fuzz_input(data, size), flags);
        check_encode(&a, fuzz_input(data, size), flags);
    }
    arena_release(&a);
    return 0;
}
