/* SPDX-License-Identifier: Apache-2.0 */
/* What `ingot registration-token` can ask for: rows of the table of operations.c. */
#ifndef INGOT_ADMIN_REGISTRATION_TOKEN_OPERATIONS_H
#define INGOT_ADMIN_REGISTRATION_TOKEN_OPERATIONS_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/json_writer.h"

struct server;

/* Arguments: token, uses (-1: any number), expires_ts (0: never). The result tells the token as it is then. */
int registration_token_add(struct server *s, struct arena *a, const json_t *arguments,
                           struct json_writer *result, struct err *err);
int registration_token_show(struct server *s, struct arena *a, const json_t *arguments,
                            struct json_writer *result, struct err *err);
/* What is not given stays. */
int registration_token_update(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err);
int registration_token_remove(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err);
/* "tokens": all of them. */
int registration_token_list(struct server *s, struct arena *a, const json_t *arguments,
                            struct json_writer *result, struct err *err);

#endif
