/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sync_token.h"

#include <inttypes.h>

#include "core/server.h"
#include "store/epochs.h"

int sync_token_parse(struct str text, struct sync_token *out, struct err *err)
{
    struct sync_token token = {.position = 0};
    struct str numbers, epoch, position, serial, to_device;
    bool ok = text.n > 1 && text.p[0] == 's';
    if (ok) {
        bool has_epoch = str_split(str_from(text, 1), '.', &numbers, &epoch);
        bool has_serial = str_split(numbers, '_', &position, &serial);
        bool has_to_device = str_split(serial, '_', &serial, &to_device);
        ok = str_to_i64(position, &token.position) &&
             (!has_serial || str_to_i64(serial, &token.serial)) &&
             (!has_to_device || str_to_i64(to_device, &token.to_device)) &&
             (!has_epoch || str_to_i64(epoch, &token.epoch));
    }
    if (!ok) {
        return err_invalid_param(err, "\"%.*s\" is not a token of this server",
                                 (int)MIN(text.n, 64), text.p ? text.p : "");
    }
    *out = token;
    return 0;
}

int sync_token_read(struct server *s, struct str text, struct sync_token *out, struct err *err)
{
    struct sync_token token;
    int rc = sync_token_parse(text, &token, err);
    if (rc == 0) {
        rc = epochs_place(s->store, token.epoch, &token.position, &token.is_foreign, err);
    }
    if (rc == 0) {
        token.serial = token.is_foreign ? 0 : token.serial;
        token.to_device = token.is_foreign ? 0 : token.to_device;
        *out = token;
    }
    return rc;
}

struct str sync_token_format(const struct server *s, struct arena *a, struct sync_token token)
{
    int64_t epoch = store_epoch(s->store);
    if (token.to_device) {
        return arena_printf(a, "s%" PRId64 "_%" PRId64 "_%" PRId64 ".%" PRId64, token.position,
                            token.serial, token.to_device, epoch);
    }
    return arena_printf(a, "s%" PRId64 "_%" PRId64 ".%" PRId64, token.position, token.serial,
                        epoch);
}

struct str sync_token_of_position(const struct server *s, struct arena *a, int64_t position)
{
    return arena_printf(a, "s%" PRId64 ".%" PRId64, position, store_epoch(s->store));
}
