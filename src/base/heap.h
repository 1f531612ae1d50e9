/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the C library's allocator is set up. By itself it keeps what threads have freed, in up to eight arenas for each
 * processor: after a burst the process stays as large as each of them ever was.
 */
#ifndef INGOT_BASE_HEAP_H
#define INGOT_BASE_HEAP_H

/* Before the first thread: a few arenas, large blocks straight from the system and straight back. */
void heap_setup(void);
/* Gives free pages back to the system if they are many. Takes milliseconds then, so it is for a background task. */
void heap_give_back(void);

#endif
