/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sync_token.h"

#include <inttypes.h>

int sync_token_parse(struct str text, struct sync_token *out, struct err *err)
{
    struct sync_token token = {.position = 0};
    struct str position, serial, to_device;
    bool ok = text.n > 1 && text.p[0] == 's';
    if (ok) {
        bool has_serial = str_split(str_from(text, 1), '_', &position, &serial);
        bool has_to_device = str_split(serial, '_', &serial, &to_device);
        ok = str_to_i64(position, &token.position) &&
             (!has_serial || str_to_i64(serial, &token.serial)) &&
             (!has_to_device || str_to_i64(to_device, &token.to_device));
    }
    if (!ok) {
        return err_invalid_param(err, "\"%.*s\" is not a token of this server",
                                 (int)MIN(text.n, 64), text.p ? text.p : "");
    }
    *out = token;
    return 0;
}

struct str sync_token_format(struct arena *a, struct sync_token token)
{
    if (token.to_device) {
        return arena_printf(a, "s%" PRId64 "_%" PRId64 "_%" PRId64, token.position, token.serial,
                            token.to_device);
    }
    return arena_printf(a, "s%" PRId64 "_%" PRId64, token.position, token.serial);
}

struct str sync_token_of_position(struct arena *a, int64_t position)
{
    return arena_printf(a, "s%" PRId64, position);
}
