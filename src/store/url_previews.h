/* SPDX-License-Identifier: Apache-2.0 */
/* Previews of links as they were fetched; one for each URL and language, the newest. */
#ifndef INGOT_STORE_URL_PREVIEWS_H
#define INGOT_STORE_URL_PREVIEWS_H

#include "store/store.h"

struct url_preview {
    struct str key; /* SHA-256 in hex of language and URL */
    struct str url;
    int64_t fetched_ts, expires_ts;
    int64_t status;      /* 200, or what the client is answered */
    struct str body;     /* JSON; of a failure the sentence */
    struct str image_id; /* of media of class preview; .p == NULL: none */
};

/* Takes the place of an older one. */
MUST_USE int url_previews_put(struct txn *t, const struct url_preview *p, struct err *err);
/* E_NOT_FOUND. */
MUST_USE int url_previews_get(struct db_read *r, struct arena *a, struct str key,
                              struct url_preview *out, struct err *err);
/* The picture is deleted: what names it is of no use any more. */
MUST_USE int url_previews_drop_image(struct txn *t, struct str image_id, struct err *err);
/* Of more than `keep` rows those go that expire first, at most `limit` at once. */
MUST_USE int url_previews_trim(struct txn *t, int64_t keep, int64_t limit, struct err *err);
MUST_USE int url_previews_delete_expired(struct txn *t, int64_t before_ts, int64_t limit,
                                         int64_t *out_n, struct err *err);

#endif
