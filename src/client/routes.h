/* SPDX-License-Identifier: Apache-2.0 */
/* The client-server API's route tables, one per module of the specification, each defined in the file of that
 * name. routes.c lists them: it is the index of this folder. */
#ifndef INGOT_CLIENT_ROUTES_H
#define INGOT_CLIENT_ROUTES_H

#include "net/router.h"

extern const struct route account_data_routes[];
extern const struct route account_routes[];
extern const struct route admin_users_routes[];
extern const struct route appservice_ping_routes[];
extern const struct route appservice_rooms_routes[];
extern const struct route auth_fallback_routes[];
extern const struct route capabilities_routes[];
extern const struct route confirm_page_routes[];
extern const struct route create_room_routes[];
extern const struct route cross_signing_routes[];
extern const struct route devices_routes[];
extern const struct route directory_routes[];
extern const struct route filter_routes[];
extern const struct route hierarchy_routes[];
extern const struct route identity_routes[];
extern const struct route keys_routes[];
extern const struct route login_page_routes[];
extern const struct route login_routes[];
extern const struct route membership_routes[];
extern const struct route mutual_rooms_routes[];
extern const struct route notifications_routes[];
extern const struct route old_sync_routes[];
extern const struct route openid_routes[];
extern const struct route presence_routes[];
extern const struct route profile_routes[];
extern const struct route public_rooms_routes[];
extern const struct route push_rules_routes[];
extern const struct route pushers_routes[];
extern const struct route receipts_routes[];
extern const struct route register_routes[];
extern const struct route relations_routes[];
extern const struct route report_routes[];
extern const struct route request_token_routes[];
extern const struct route room_keys_routes[];
extern const struct route search_routes[];
extern const struct route send_routes[];
extern const struct route sso_routes[];
extern const struct route state_routes[];
extern const struct route sync_routes[];
extern const struct route tags_routes[];
extern const struct route thirdparty_routes[];
extern const struct route threepids_routes[];
extern const struct route timeline_routes[];
extern const struct route to_device_routes[];
extern const struct route typing_routes[];
extern const struct route unsubscribe_page_routes[];
extern const struct route upgrade_routes[];
extern const struct route user_directory_routes[];

/* Adds all of them. */
void client_routes_add(struct router *r);

#endif
