/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/auth_graph.h"

#include <stdlib.h>

enum { VERDICT_BITS = 2, VERDICT_MASK = (1 << VERDICT_BITS) - 1 };

void auth_graph_add(struct auth_graph *g, uint64_t event, const uint64_t *auth, size_t n,
                    enum auth_verdict verdict)
{
    bool is_new;
    union map_val *at = imap_at(&g->index, event, &is_new);
    if (!is_new) {
        g->words.p[at->u] = (g->words.p[at->u] & ~(uint64_t)VERDICT_MASK) | verdict;
        return;
    }
    at->u = g->words.n;
    vec_push(&g->words, (uint64_t)n << VERDICT_BITS | verdict);
    for (size_t i = 0; i < n; i++) {
        vec_push(&g->words, auth[i]);
    }
}

bool auth_graph_find(const struct auth_graph *g, uint64_t event, struct auth_links *out)
{
    const union map_val *at = imap_find(&g->index, event);
    if (!at) {
        return false;
    }
    uint64_t head = g->words.p[at->u];
    *out = (struct auth_links){.auth = g->words.p + at->u + 1,
                               .n = head >> VERDICT_BITS,
                               .verdict = (enum auth_verdict)(head & VERDICT_MASK)};
    return true;
}

size_t auth_graph_bytes(const struct auth_graph *g)
{
    return imap_bytes(&g->index) + g->words.room * sizeof(*g->words.p);
}

void auth_graph_release(struct auth_graph *g)
{
    imap_release(&g->index);
    vec_release(&g->words);
}
