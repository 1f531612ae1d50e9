/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that asks the server for an operation (operations.h): arguments in, one JSON object out.
 *
 *     struct call c;
 *     int status = call_begin(&c, args);               // reads the configuration
 *     if (status == CLI_DONE) {
 *         JW_STR(&c.w, "name", …);                     // the arguments
 *         status = call_run(&c, "user.add");           // c.result
 *         ...
 *         call_end(&c);
 *     }
 */
#ifndef INGOT_ADMIN_CALL_H
#define INGOT_ADMIN_CALL_H

#include "admin/cli.h"
#include "base/buf.h"
#include "wire/json.h"
#include "wire/json_writer.h"

struct config;

struct call {
    struct config *config;
    struct arena arena;
    struct buf arguments;
    struct json_writer w; /* inside the object of arguments */
    struct err err;
    const json_t *result; /* in the arena */
};

/* CLI_DONE, or what is wrong was said on stderr and there is nothing to end. */
MUST_USE int call_begin(struct call *c, const struct cli_args *args);
MUST_USE int call_run(struct call *c, const char *operation);
void call_end(struct call *c);
/* The result as a line of JSON. */
MUST_USE int call_print_json(struct call *c);

#endif
