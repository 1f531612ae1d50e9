/* SPDX-License-Identifier: Apache-2.0 */
/* The client-server API's background tasks, which main hands to tasks_start. */
#ifndef INGOT_CLIENT_TASKS_H
#define INGOT_CLIENT_TASKS_H

#include "core/tasks.h"

/* Ends with {0}. */
extern const struct task client_tasks[];

#endif
