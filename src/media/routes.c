/* SPDX-License-Identifier: Apache-2.0 */
#include "media/routes.h"

#include "core/data_owner.h"
#include "core/server.h"
#include "media/endpoints.h"
#include "media/media_store.h"
#include "media/previews.h"

int media_start(struct server *server, struct err *err)
{
    int rc = media_store_open(server->config, NULL, &server->media, err);
    rc = rc ? rc : data_owner_keep_media(server, err);
    if (rc == 0) {
        server->previews = previews_new(server);
    }
    return rc;
}

void media_stop(struct server *server)
{
    previews_free(server->previews);
    server->previews = NULL;
    media_store_free(server->media);
    server->media = NULL;
}

void media_routes_add(struct router *r)
{
    router_add(r, SERVE_CLIENT | SERVE_MEDIA, upload_routes);
    router_add(r, SERVE_CLIENT | SERVE_MEDIA, download_routes);
    router_add(r, SERVE_CLIENT | SERVE_MEDIA, preview_routes);
}
