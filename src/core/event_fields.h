/* SPDX-License-Identifier: Apache-2.0 */
/* `event_fields` of a filter: which parts of an event a client wants (client-server API, "Filtering"). */
#ifndef INGOT_CORE_EVENT_FIELDS_H
#define INGOT_CORE_EVENT_FIELDS_H

#include "wire/jfield.h"

/* A new object with the members of `event` that the paths name ("content.body"; a dot inside a key is written `\.`).
 * What an event does not have is left out. The result shares values with `event`. */
const json_t *event_fields_select(struct arena *a, const json_t *event,
                                  const struct str_list *fields);

#endif
