/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many files and sockets the process may have open, and what is said when that is not enough. Whoever meets the
 * limit answers "later" (err_system) and goes on; nothing is remembered as broken because of it.
 */
#ifndef INGOT_BASE_OPEN_FILES_H
#define INGOT_BASE_OPEN_FILES_H

#include <stdint.h>

#include "base/compiler.h"

/* As many as the system allows; how many those are. Once, at the start. */
int64_t open_files_raise_limit(void);
int64_t open_files_limit(void);
/* EMFILE or ENFILE. */
bool open_files_is_shortage(int system_error);
/* Whether none can be opened now: for libraries that do not say why they failed. */
bool open_files_are_short(void);
/* Tells the administrator, once a minute at most, what cannot be done for want of them, and what helps. */
void open_files_complain(const char *what);

#endif
