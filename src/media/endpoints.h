/* SPDX-License-Identifier: Apache-2.0 */
/* The route tables of this folder, each defined in the file of that name. */
#ifndef INGOT_MEDIA_ENDPOINTS_H
#define INGOT_MEDIA_ENDPOINTS_H

#include "core/server.h"
#include "net/request.h"

extern const struct route upload_routes[];
extern const struct route download_routes[];

/* The media id of {serverName}/{mediaId}, params[0] and [1]. 404 M_NOT_FOUND if it names another server or can
 * be no id of ours. */
MUST_USE int endpoint_media_id(const struct request *rq, struct str *out, struct err *err);

#endif
