/* SPDX-License-Identifier: Apache-2.0 */
#include "store/statements.h"

const struct store_module store_all_statements[] = {
#define X(module) {#module, module##_statements},
    STORE_MODULES(X)
#undef X
};
const size_t store_all_statements_n = ARRAY_LEN(store_all_statements);
