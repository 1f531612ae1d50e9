/* SPDX-License-Identifier: Apache-2.0 */
/* Files without a name, for what is too large to hold in memory while a request lasts: they are gone when they are
 * closed, also if the server dies. */
#ifndef INGOT_NET_TEMP_FILE_H
#define INGOT_NET_TEMP_FILE_H

#include "base/compiler.h"
#include "base/str.h"

/* A new file in `dir`, open for reading and writing; -1 and errno on failure. */
int temp_file_open(const char *dir);
/* Appends all of it; false and errno if the disk is full or broken. */
MUST_USE bool temp_file_write(int fd, struct str bytes);

#endif
