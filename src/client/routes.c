/* SPDX-License-Identifier: Apache-2.0 */
#include "client/routes.h"

void client_routes_add(struct router *r)
{
    static const struct route *const tables[] = {
        send_routes,
        sync_routes,
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        router_add(r, SERVE_CLIENT, tables[i]);
    }
}
