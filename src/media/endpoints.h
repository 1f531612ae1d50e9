/* SPDX-License-Identifier: Apache-2.0 */
/* The route tables of this folder, each defined in the file of that name. */
#ifndef INGOT_MEDIA_ENDPOINTS_H
#define INGOT_MEDIA_ENDPOINTS_H

#include "core/server.h"
#include "net/request.h"

extern const struct route upload_routes[];
extern const struct route download_routes[];
extern const struct route preview_routes[];

/* What {serverName}/{mediaId}, params[0] and [1], name; the origin is empty if it is this server. 404 M_NOT_FOUND if
 * they can name nothing. */
MUST_USE int endpoint_media(const struct request *rq, struct str *out_origin,
                            struct str *out_media_id, struct err *err);

#endif
