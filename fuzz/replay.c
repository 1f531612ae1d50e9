/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of a folder: each seed, each of its prefixes, and each seed with one byte
 * changed at a time. That is repeatable and finds most slips in bounds within a second.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "fuzz/fuzz.h"

#define MAX_SEED   (1 << 20)
#define MAX_VARIED 2048 /* longer seeds run as they are: variants cost the square of the length */

/* Each run gets a block of just its size, so that a read past the end is seen by ASan. */
static void run(const uint8_t *data, size_t n)
{
    uint8_t *copy = xmalloc(n);
    memcpy(copy, data, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void run_variants(uint8_t *data, size_t n)
{
    static const uint8_t odd[] = {0, '"', '\\', '{', ']', '-', '%', 0x80, 0xff};
    for (size_t i = 0; i < n; i++) {
        run(data, i);
        uint8_t was = data[i];
        data[i] = odd[i % ARRAY_LEN(odd)];
        run(data, n);
        data[i] = was;
    }
}

static void run_file(const char *folder, const char *name)
{
    static uint8_t data[MAX_SEED];
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    bug_on(!f);
    size_t n = fread(data, 1, sizeof(data), f);
    fclose(f);
    run(data, n);
    if (n <= MAX_VARIED) {
        run_variants(data, n);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (!dir) {
        perror(argv[1]);
        return 1;
    }
    size_t seeds = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] != '.') {
            run_file(argv[1], e->d_name);
            seeds++;
        }
    }
    closedir(dir);
    printf("%zu seeds\n", seeds);
    return seeds > 0 ? 0 : 1;
}
