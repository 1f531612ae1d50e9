/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operator's commands can do to a server. An operation has a name, takes a JSON object and gives one.
 * It runs inside whatever process holds the data directory: the live server, or the command itself.
 */
#ifndef INGOT_ADMIN_OPERATIONS_H
#define INGOT_ADMIN_OPERATIONS_H

#include "wire/json.h"
#include "wire/json_writer.h"

struct server;
struct config;

/* Runs an operation in this process for `who`, as the log names them. The result is one JSON object, written to
 * `result`. */
MUST_USE int operation_run(struct server *s, struct arena *a, struct str who, struct str name,
                           const json_t *arguments, struct json_writer *result, struct err *err);

/* Runs it where it has to run: through the control socket if a server holds the data directory, else here, on
 * a server that exists for this one operation and listens nowhere. `arguments` is the text of an object; the
 * result is in the arena. */
MUST_USE int operation_call(const struct config *config, struct arena *a, const char *name,
                            struct str arguments, const json_t **out_result, struct err *err);

#endif
