/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <malloc.h>
#include <unistd.h>

#include "base/compiler.h"

#ifdef __GLIBC__

enum {
    ARENAS_MIN = 2,
    ARENAS_MAX = 8,
    MMAP_THRESHOLD =
        512 * 1024, /* above the largest chunk of an arena, which come and go all the time */
    TRIM_THRESHOLD =
        4 << 20, /* kept at the end of each arena, so that it need not be asked for again */
    MANY = 8 << 20,
};

void heap_setup(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    mallopt(M_ARENA_MAX, (int)MIN(MAX(processors, (long)ARENAS_MIN), (long)ARENAS_MAX));
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
}

void heap_give_back(void)
{
    if (mallinfo2().fordblks > MANY) {
        malloc_trim(TRIM_THRESHOLD);
    }
}

#else

void heap_setup(void)
{
}

void heap_give_back(void)
{
}

#endif
