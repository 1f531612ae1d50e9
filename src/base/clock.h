/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time enters here and nowhere else, so that tests of expiry and retry can run on a clock of their own.
 */
#ifndef INGOT_BASE_CLOCK_H
#define INGOT_BASE_CLOCK_H

#include "base/compiler.h"

/* Milliseconds since the Unix epoch: origin_server_ts, expiry that must last. */
int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void); /* for time-outs and rates; never goes back */
int64_t clock_mono_us(void); /* for measurements */

/* Tests: from now on both clocks stand still at `wall_ms` and move only by clock_test_advance. */
void clock_test_freeze(int64_t wall_ms);
void clock_test_advance(int64_t ms);
void clock_test_thaw(void);

#endif
