/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz target is one file with one function. It is linked twice: with libFuzzer (`-Dfuzz=true`, clang), and
 * with replay.c as an ordinary test that runs the corpus in fuzz/corpus/<target>/. A target asserts what must
 * hold for any input (a round trip, a bound), not only that nothing crashes; bug_on() is the assertion.
 */
#ifndef INGOT_FUZZ_FUZZ_H
#define INGOT_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's name for it. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
