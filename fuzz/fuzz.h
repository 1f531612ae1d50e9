/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target includes: the entry point that libFuzzer and replay.c call. */
#ifndef INGOT_FUZZ_FUZZ_H
#define INGOT_FUZZ_FUZZ_H

#include "base/arena.h"

/* Runs the target on one input; returns 0. A broken property aborts by bug_on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct str fuzz_input(const uint8_t *data, size_t size)
{
    return str_n((const char *)data, size);
}

#endif
