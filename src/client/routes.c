/* SPDX-License-Identifier: Apache-2.0 */
#include "client/routes.h"

void client_routes_add(struct router *r)
{
    static const struct route *const tables[] = {
        account_data_routes,
        account_routes,
        admin_users_routes,
        appservice_ping_routes,
        appservice_rooms_routes,
        auth_fallback_routes,
        capabilities_routes,
        confirm_page_routes,
        create_room_routes,
        cross_signing_routes,
        devices_routes,
        directory_routes,
        filter_routes,
        hierarchy_routes,
        identity_routes,
        keys_routes,
        login_page_routes,
        login_routes,
        membership_routes,
        mutual_rooms_routes,
        notifications_routes,
        old_sync_routes,
        openid_routes,
        presence_routes,
        profile_routes,
        public_rooms_routes,
        push_rules_routes,
        pushers_routes,
        receipts_routes,
        register_routes,
        relations_routes,
        report_routes,
        request_token_routes,
        room_keys_routes,
        search_routes,
        send_routes,
        sso_routes,
        state_routes,
        sync_routes,
        tags_routes,
        thirdparty_routes,
        threepids_routes,
        timeline_routes,
        to_device_routes,
        typing_routes,
        unsubscribe_page_routes,
        upgrade_routes,
        user_directory_routes,
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        router_add(r, SERVE_CLIENT, tables[i]);
    }
}
