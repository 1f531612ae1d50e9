/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator and their tools reach by HTTP: each table is defined in the file of that name. */
#ifndef INGOT_ADMIN_ROUTES_H
#define INGOT_ADMIN_ROUTES_H

#include "net/router.h"

extern const struct route landing_routes[];
extern const struct route metrics_page_routes[];
extern const struct route reports_routes[];
extern const struct route shared_secret_register_routes[];

/* Adds all of them. */
void admin_routes_add(struct router *r);

#endif
