/* SPDX-License-Identifier: Apache-2.0 */
#include "media/byte_range.h"

#include "base/compiler.h"

/* "-n": the last n bytes. */
static enum byte_range_kind parse_suffix(struct str digits, uint64_t size, struct byte_range *out)
{
    uint64_t n;
    if (!str_to_u64(digits, &n)) {
        return RANGE_WHOLE;
    }
    if (n == 0 || size == 0) {
        return RANGE_OUTSIDE;
    }
    out->n = MIN(n, size);
    out->first = size - out->n;
    return RANGE_PART;
}

enum byte_range_kind byte_range_parse(struct str value, uint64_t size, struct byte_range *out)
{
    struct str unit, range, from, to;
    uint64_t first, last = UINT64_MAX;
    if (!str_split(value, '=', &unit, &range) || !str_eq_nocase(str_trim(unit), STR("bytes")) ||
        !str_split(str_trim(range), '-', &from, &to)) {
        return RANGE_WHOLE;
    }
    if (from.n == 0) {
        return parse_suffix(to, size, out);
    }
    if (!str_to_u64(from, &first) || (to.n > 0 && !str_to_u64(to, &last)) || last < first) {
        return RANGE_WHOLE;
    }
    if (first >= size) {
        return RANGE_OUTSIDE;
    }
    *out = (struct byte_range){.first = first, .n = MIN(last, size - 1) - first + 1};
    return RANGE_PART;
}
