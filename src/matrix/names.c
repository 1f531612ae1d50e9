/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/names.h"

const struct well_known_name well_known_names[] = {
#define X(number, symbol, text) {symbol, STR_INIT(text)},
    WELL_KNOWN_NAMES(X)
#undef X
};
const size_t well_known_names_n = ARRAY_LEN(well_known_names);

uint64_t name_well_known(struct str text)
{
    for (size_t i = 0; i < ARRAY_LEN(well_known_names); i++) {
        if (str_eq(well_known_names[i].text, text)) {
            return well_known_names[i].nid;
        }
    }
    return 0;
}
