/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users who asked to be forgotten (client-server API, "POST account/deactivate", erase): whoever comes to a room later
 * gets what they said there as a redaction would leave it; who could see it before still does. Who is who is decided in
 * visibility.h. The list is read at the start and kept by commits. Any thread.
 */
#ifndef INGOT_CORE_ERASURE_H
#define INGOT_CORE_ERASURE_H

#include "base/err.h"

struct erasure;
struct server;
struct txn;

MUST_USE int erasure_new(struct server *s, struct erasure **out, struct err *err);
void erasure_free(struct erasure *e); /* NULL is allowed */

/* Inside the transaction that ends the account. */
MUST_USE int erasure_add(struct txn *t, struct server *s, uint64_t user_nid, struct err *err);
/* Whether the user was erased, and the stream's position then. */
bool erasure_of(struct server *s, uint64_t user_nid, int64_t *out_position);

#endif
