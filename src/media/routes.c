/* SPDX-License-Identifier: Apache-2.0 */
#include "media/routes.h"

#include "core/server.h"
#include "media/endpoints.h"
#include "media/media_store.h"

int media_start(struct server *server, struct err *err)
{
    return media_store_open(server->config, NULL, &server->media, err);
}

void media_stop(struct server *server)
{
    media_store_free(server->media);
    server->media = NULL;
}

void media_routes_add(struct router *r)
{
    router_add(r, SERVE_CLIENT | SERVE_MEDIA, upload_routes);
    router_add(r, SERVE_CLIENT | SERVE_MEDIA, download_routes);
}
