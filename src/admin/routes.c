/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/routes.h"

void admin_routes_add(struct router *r)
{
    router_add(r, SERVE_WEB | SERVE_CLIENT, landing_routes);
    router_add(r, SERVE_METRICS, metrics_page_routes);
    router_add(r, SERVE_ADMIN, reports_routes);
    router_add(r, SERVE_ADMIN, shared_secret_register_routes);
}
