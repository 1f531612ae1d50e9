/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links by which people end the notifications that an address gets, without signing in. They are signed, so nobody else
 * can make one; they last as long as the server's key.
 */
#ifndef INGOT_CORE_UNSUBSCRIBE_H
#define INGOT_CORE_UNSUBSCRIBE_H

#include "core/server.h"

/* In the arena. */
struct str unsubscribe_link(const struct server *s, struct arena *a, struct str user_id,
                            struct str address);
/* Whether `proof` is what such a link holds. */
bool unsubscribe_is_valid(const struct server *s, struct arena *a, struct str user_id,
                          struct str address, struct str proof);

#endif
