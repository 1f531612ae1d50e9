/* SPDX-License-Identifier: Apache-2.0 */
#include "client/registration_token.h"

#include "base/clock.h"
#include "store/registration_tokens.h"

static bool is_configured(const struct config *config, struct str token)
{
    bool is_one = false;
    for (size_t i = 0; i < config->registration.tokens.n; i++) {
        struct str known = config->registration.tokens.p[i];
        is_one |= known.n == token.n && str_eq_secret(known, token);
    }
    return is_one;
}

int registration_token_check(struct server *s, struct arena *a, struct str token, bool *out_valid,
                             bool *out_is_stored, struct err *err)
{
    struct registration_token row;
    *out_is_stored = false;
    *out_valid = is_configured(s->config, token);
    if (*out_valid) {
        return 0;
    }
    int rc = registration_tokens_find(store_reader(s->store), a, token, &row, err);
    if (rc == 0) {
        *out_is_stored = *out_valid = registration_token_is_valid(&row, clock_wall_ms());
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}
