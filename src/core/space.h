/* SPDX-License-Identifier: Apache-2.0 */
/* Gives disk back that deleting has freed, while the server runs (store/space.h). */
#ifndef INGOT_CORE_SPACE_H
#define INGOT_CORE_SPACE_H

#include "base/compiler.h"

struct server;
struct err;

/* For the table of tasks: bit by bit, as long as more is free than what comes next will need. */
MUST_USE int space_task(struct server *s, struct err *err);

#endif
