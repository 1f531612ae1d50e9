/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a reader ignores (client-server API, "Ignoring Users"): what they say is not shown to the reader, the state
 * that they set is. */
#ifndef INGOT_CORE_IGNORED_H
#define INGOT_CORE_IGNORED_H

#include "wire/json.h"

struct event;
struct server;

struct ignored {
    const json_t *users; /* the keys are user ids; NULL: none */
};

/* From the reader's account data; the tree is in the arena. A list that is not well-formed ignores nobody. */
MUST_USE int ignored_load(struct server *s, struct arena *a, uint64_t user_nid, struct ignored *out,
                          struct err *err);
bool ignored_has(const struct ignored *list, struct str user_id);
/* Whether the event is to be kept from the reader. */
bool ignored_hides(const struct ignored *list, const struct event *ev);

#endif
