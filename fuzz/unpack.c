/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is said to be compressed, no more comes out than was asked for. */
#include "media/unpack.h"

#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX_BYTES = 100000 };
    struct str input = fuzz_input(data, size);
    for (int coding = THUMB_CODING_GZIP; coding <= THUMB_CODING_BROTLI; coding++) {
        size_t n = 0;
        char *out = unpack((enum thumb_coding)coding, input.p, input.n, MAX_BYTES, &n);
        bug_on(n > MAX_BYTES || (out == NULL) != (n == 0));
        free(out);
    }
    return 0;
}
