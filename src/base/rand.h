/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Randomness from the kernel. A test can make it a seeded sequence.
 */
#ifndef INGOT_BASE_RAND_H
#define INGOT_BASE_RAND_H

#include "base/arena.h"

void rand_bytes(void *out, size_t n);
uint64_t rand_u64(void);
uint64_t rand_below(uint64_t bound); /* uniform in [0, bound); bound > 0 */
/* n characters of [A-Za-z0-9], uniform; in the arena. For tokens take at least 22 (131 bits). */
struct str rand_alnum(struct arena *a, size_t n);
/* Tests only: deterministic from now on; 0 returns to the kernel. */
void rand_test_seed(uint64_t seed);

#endif
