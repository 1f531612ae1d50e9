/* SPDX-License-Identifier: Apache-2.0 */
#include "main/roles.h"

#include "admin/routes.h"
#include "client/routes.h"
#include "media/routes.h"

/* Not a default: whoever adds a route thinks of what it costs. */
static void check_rate(void *arg, const struct route *route, struct str template, unsigned serve)
{
    (void)arg, (void)template, (void)serve;
    bug_on(route->rate == RATE_UNSAID);
}

struct router *roles_router(void)
{
    struct router *r = router_new();
    client_routes_add(r);
    media_routes_add(r);
    admin_routes_add(r);
    router_list(r, check_rate, NULL);
    return r;
}
