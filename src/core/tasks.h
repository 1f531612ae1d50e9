/* SPDX-License-Identifier: Apache-2.0 */
/* Work that nobody asks for and that comes round again: expiry of typing and presence, trimming of memory, time stamps
 * of devices. One thread; each task is a line of the table in tasks.c. */
#ifndef INGOT_CORE_TASKS_H
#define INGOT_CORE_TASKS_H

struct server;
struct tasks;

struct tasks *tasks_start(struct server *s);
/* Waits for the task that runs, runs what must be done last, joins the thread, frees. NULL is allowed. */
void tasks_stop(struct tasks *t);

#endif
