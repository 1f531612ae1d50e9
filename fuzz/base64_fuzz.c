/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 in both alphabets: bytes survive encoding, and what was decoded encodes to a text of the same bytes. */
#include "base/arena.h"
#include "fuzz/fuzz.h"
#include "wire/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned alphabets[] = {0, BASE64_URL, BASE64_PADDED};
    struct str text = str_n((const char *)data, size);
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(alphabets); i++) {
        struct str bytes, again;
        bug_on(!base64_decode(&a, base64_encode(&a, text, alphabets[i]), alphabets[i], &bytes));
        bug_on(!str_eq(bytes, text));
        if (base64_decode(&a, text, alphabets[i] | BASE64_ANY, &bytes)) {
            bug_on(
                !base64_decode(&a, base64_encode(&a, bytes, alphabets[i]), alphabets[i], &again));
            bug_on(!str_eq(bytes, again));
        }
    }
    arena_release(&a);
    return 0;
}
