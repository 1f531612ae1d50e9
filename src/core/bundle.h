/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregations bundled into an event's unsigned."m.relations" (client-server API, "Aggregations of child events"):
 * the newest edit, references, and the summary of a thread. Only what the reader may see counts, and nothing that
 * comes from users whom they ignore. */
#ifndef INGOT_CORE_BUNDLE_H
#define INGOT_CORE_BUNDLE_H

#include "core/render.h"

struct viewer;

/* For renderer.reader: finds out about the reader when there is something to bundle, and keeps it while they read the
 * same room. */
struct bundle_reader *bundle_reader_new(struct arena *a);

/* The reader as a viewer of the event's room; of the renderer, until the next room is asked for. */
MUST_USE int bundle_viewer(const struct renderer *r, const struct entry *e, struct viewer **out,
                           struct err *err);

/* Asks once which of the events have relations at all, so that bundle_write() need not ask for each. */
MUST_USE int bundle_expect(const struct renderer *r, struct entry *const *events, size_t n,
                           struct err *err);

/* Writes the member "m.relations" into the open object, if there is something to bundle. */
MUST_USE int bundle_write(const struct renderer *r, struct json_writer *w, const struct entry *e,
                          struct err *err);

#endif
