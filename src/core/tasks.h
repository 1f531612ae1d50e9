/* SPDX-License-Identifier: Apache-2.0 */
/* Work that nobody asks for and that comes round again: expiry of typing and presence, trimming of memory, time stamps
 * of devices. One thread; each task is a line of a table: those of core in tasks.c, those of layers above, which core
 * does not know, in tables that main hands over. A task must not take long, because the others wait for it. */
#ifndef INGOT_CORE_TASKS_H
#define INGOT_CORE_TASKS_H

#include "base/err.h"

struct server;
struct tasks;

struct task {
    const char *name; /* NULL ends a table */
    int64_t every_ms; /* also before the first run */
    bool at_stop;     /* once more before the end */
    int (*run)(struct server *s, struct err *err);
};

/* `more`: further tables, ended by NULL; they must stay. */
struct tasks *tasks_start(struct server *s, const struct task *const *more);
/* Waits for the task that runs, runs what must be done last, joins the thread, frees. NULL is allowed. */
void tasks_stop(struct tasks *t);

#endif
