/* SPDX-License-Identifier: Apache-2.0 */
#include "core/reading.h"

size_t reading_wants(const struct reading *r)
{
    return r->n < r->limit && r->bytes < r->bytes_max ? MIN(r->limit - r->n, r->chunk) : 0;
}

void reading_took(struct reading *r, const struct entry *e)
{
    r->n++;
    r->bytes += e->ev->client_json.n;
}

int reading_go_on(struct reading *r, reading_fn *fn, void *arg, struct err *err)
{
    int rc = 0;
    for (unsigned round = 0; rc == 0 && round < r->rounds && !r->at_end && reading_wants(r) > 0;
         round++) {
        rc = fn(arg, reading_wants(r), err);
    }
    return rc;
}
