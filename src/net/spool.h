/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of an answer on their way to the client: the first SPOOL_MEMORY of them on the heap, and if there are more,
 * all of them in a file without a name. So a client that reads slowly, or never, costs disk and not memory.
 * One thread at a time.
 */
#ifndef INGOT_NET_SPOOL_H
#define INGOT_NET_SPOOL_H

#include "base/buf.h"
#include "base/err.h"

enum { SPOOL_MEMORY = 256 * 1024 };

struct spool {
    struct buf memory; /* empty once there is a file */
    int fd;            /* -1: none */
    uint64_t on_disk;  /* bytes in the file */
};

void spool_init(struct spool *s);
void spool_release(struct spool *s);
/* Appends; dir is where the file is made if it is needed. E_BUSY (503): the disk is full or broken. */
MUST_USE int spool_add(struct spool *s, const char *dir, struct str bytes, struct err *err);

#endif
