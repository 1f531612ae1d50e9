/* SPDX-License-Identifier: Apache-2.0 */
/* What the roles offer over HTTP, in one place: the server serves it, `ingot routes` prints it. */
#ifndef INGOT_MAIN_ROLES_H
#define INGOT_MAIN_ROLES_H

#include "net/router.h"

/* A router with the tables of every role; the caller frees it. */
struct router *roles_router(void);

#endif
