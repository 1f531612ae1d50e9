/* SPDX-License-Identifier: Apache-2.0 */
/* The operation on application services, for the table in operations.c. */
#ifndef INGOT_ADMIN_APPSERVICE_OPERATIONS_H
#define INGOT_ADMIN_APPSERVICE_OPERATIONS_H

#include "wire/json.h"
#include "wire/json_writer.h"

struct server;

/* {"queues": [{"id", "waiting", "oldest_ts", "not_looked_at"}]}: events in the transaction that is under way, when the
 * oldest of them arrived, and how many positions of the stream come after it. */
int appservice_queues_operation(struct server *s, struct arena *a, const json_t *arguments,
                                struct json_writer *result, struct err *err);

#endif
