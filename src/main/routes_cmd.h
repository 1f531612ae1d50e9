/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot routes`: the table of routes, for whoever writes rules of a proxy, and for the coverage gate of the tests. */
#ifndef INGOT_MAIN_ROUTES_CMD_H
#define INGOT_MAIN_ROUTES_CMD_H

#include "admin/cli.h"

int routes_cmd(const struct cli_args *args);

#endif
