/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of kept filters: "12.9f86d081", the number of its row and the beginning of the hash of its text. A client goes on
 * with its id after a restore, when the row may be gone or be another's: the hash tells (older programs gave only the
 * number).
 */
#ifndef INGOT_CLIENT_FILTER_H
#define INGOT_CLIENT_FILTER_H

#include "base/err.h"
#include "base/str.h"

struct request;

/* The JSON text of the filter, in the request's arena. E_NOT_FOUND: the caller has none with this id; *out_lost then
 * says whether an id of this form was once given, so that the filter went with a restore. */
MUST_USE int filter_of_id(struct request *rq, struct str id, struct str *out, bool *out_lost,
                          struct err *err);

#endif
