/* SPDX-License-Identifier: Apache-2.0 */
/* Operations (operations.h) on accounts. Each takes "name", "bob" or "@bob:example.org", but for the list. */
#ifndef INGOT_ADMIN_USER_OPERATIONS_H
#define INGOT_ADMIN_USER_OPERATIONS_H

#include "wire/json.h"
#include "wire/json_writer.h"

struct server;

int user_add_operation(struct server *s, struct arena *a, const json_t *arguments,
                       struct json_writer *result, struct err *err);
int user_list_operation(struct server *s, struct arena *a, const json_t *arguments,
                        struct json_writer *result, struct err *err);
int user_show_operation(struct server *s, struct arena *a, const json_t *arguments,
                        struct json_writer *result, struct err *err);
int user_password_operation(struct server *s, struct arena *a, const json_t *arguments,
                            struct json_writer *result, struct err *err);
int user_deactivate_operation(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err);
int user_make_admin_operation(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err);
int user_set_locked_operation(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err);
int user_set_suspended_operation(struct server *s, struct arena *a, const json_t *arguments,
                                 struct json_writer *result, struct err *err);
int user_logout_operation(struct server *s, struct arena *a, const json_t *arguments,
                          struct json_writer *result, struct err *err);

#endif
