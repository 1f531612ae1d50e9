/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include <stdlib.h>

void *vec_grow(void *p, size_t n, size_t *room, size_t size)
{
    if (n < *room) {
        return p;
    }
    size_t more = n < 8 ? 8 : n + n / 2 + 1, bytes;
    bug_on(__builtin_mul_overflow(more, size, &bytes));
    *room = more;
    return xrealloc(p, bytes);
}
