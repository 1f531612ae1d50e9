/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One server per data directory. The lock is flock() on data_dir/ingot.lock: the kernel gives it back when
 * the process ends, however it ends, so a stale file is no obstacle. The file names the holder for people.
 */
#ifndef INGOT_CORE_DATA_LOCK_H
#define INGOT_CORE_DATA_LOCK_H

#include "base/err.h"

struct data_lock {
    int fd; /* -1: not held */
};
#define DATA_LOCK_NONE ((struct data_lock){-1})

/* E_CONFLICT with a sentence for people if another process holds the directory; E_INVALID if the directory
 * cannot be used. */
MUST_USE int data_lock_take(const char *data_dir, struct data_lock *out, struct err *err);
void data_lock_release(struct data_lock *l); /* accepts one that is not held */

#endif
