/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The auth graph of a room in memory: event nid -> nids of its auth events, as flat arrays: some 30 bytes
 * per event and 8 per edge, so 100,000 members are 6 MB. What state_res asks for; kept by active rooms, dropped under
 * memory pressure.
 *
 * Not thread-safe: the room's lock covers it.
 *
 *     struct auth_graph g = {0};
 *     auth_graph_add(&g, event, auth_nids, n, AUTH_ACCEPTED);
 */
#ifndef INGOT_MATRIX_AUTH_GRAPH_H
#define INGOT_MATRIX_AUTH_GRAPH_H

#include "base/map.h"
#include "base/vec.h"
#include "matrix/state_res.h"

struct auth_graph {
    struct imap index;   /* event nid -> offset of its record in words */
    VEC(uint64_t) words; /* per event: number of edges << 2 | verdict, then the nids of the edges */
};

/* Adds an event; one that is there already keeps its edges and takes the new verdict. */
void auth_graph_add(struct auth_graph *g, uint64_t event, const uint64_t *auth, size_t n,
                    enum auth_verdict verdict);
/* False if the event is not in the graph. out->auth is valid until the next add. */
bool auth_graph_find(const struct auth_graph *g, uint64_t event, struct auth_links *out);
size_t auth_graph_bytes(const struct auth_graph *g);
void auth_graph_release(struct auth_graph *g);

#endif
