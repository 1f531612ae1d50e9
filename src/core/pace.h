/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Background work that writes much lets those who send go first. A step is a transaction of a few milliseconds; after
 * it comes a pause of several times as long, if others have written meanwhile. So such work takes at most a tenth of
 * the committer's time while it is wanted, and all of it while nobody wants it.
 *
 *     int64_t began = clock_mono_us();
 *     rc = store_write(...);
 *     pace(server, began);
 */
#ifndef INGOT_CORE_PACE_H
#define INGOT_CORE_PACE_H

#include <stdint.h>

struct server;

enum { PACE_STEP_US = 2000 }; /* a body ends its step after so long; it is done bit by bit anyway */

/* After a step that began at began_us (clock_mono_us), on the thread that asked for it. */
void pace(struct server *s, int64_t began_us);

#endif
