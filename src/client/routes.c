/* SPDX-License-Identifier: Apache-2.0 */
#include "client/routes.h"

void client_routes_add(struct router *r)
{
    static const struct route *const tables[] = {
        account_routes,    create_room_routes,  devices_routes,  directory_routes, login_routes,
        cross_signing_routes,
        keys_routes,
        membership_routes, public_rooms_routes, register_routes, send_routes,      state_routes,
        room_keys_routes,
        sync_routes,       timeline_routes,     upgrade_routes,
        to_device_routes,
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        router_add(r, SERVE_CLIENT, tables[i]);
    }
}
