/* SPDX-License-Identifier: Apache-2.0 */
#include "main/roles.h"

#include "admin/routes.h"
#include "client/routes.h"
#include "media/routes.h"

struct router *roles_router(void)
{
    struct router *r = router_new();
    client_routes_add(r);
    media_routes_add(r);
    admin_routes_add(r);
    return r;
}
