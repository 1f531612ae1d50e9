/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: on every file of the folders named on the command line, whole and cut
 * short at every length. Each input is a heap block of its exact size, so that reading past it is reported.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

enum {
    SEED_MAX = 1 << 16,
    CUTS_MAX = 2048, /* longer seeds are cut at their first bytes only */
};

static void run(const char *bytes, size_t n)
{
    uint8_t *copy = xmalloc(n ? n : 1);
    memcpy(copy, bytes, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static bool run_file(const char *dir, const char *name)
{
    static char bytes[SEED_MAX];
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        return false;
    }
    size_t n = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    for (size_t cut = 0; cut < MIN(n, (size_t)CUTS_MAX); cut++) {
        run(bytes, cut);
    }
    run(bytes, n);
    return true;
}

/* Number of seeds run, or -1. */
static int run_folder(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        return -1;
    }
    int n = 0;
    for (struct dirent *e; n >= 0 && (e = readdir(dir));) {
        if (e->d_name[0] != '.') {
            n = run_file(path, e->d_name) ? n + 1 : -1;
        }
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int status = argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
    for (int i = 1; i < argc; i++) {
        int n = run_folder(argv[i]);
        printf("%s: %d seeds\n", argv[i], n);
        if (n <= 0) {
            status = EXIT_FAILURE;
        }
    }
    return status;
}
