/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>

/* 0: the kernel. Otherwise the state of splitmix64, good enough for repeatable tests. */
static _Atomic uint64_t test_state;

static uint64_t test_next(void)
{
    uint64_t z = atomic_fetch_add(&test_state, 0x9E3779B97F4A7C15u) + 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void rand_test_seed(uint64_t seed)
{
    atomic_store(&test_state, seed);
}

static void test_bytes(char *to, size_t n)
{
    while (n > 0) {
        uint64_t v = test_next();
        size_t part = MIN(n, sizeof(v));
        memcpy(to, &v, part);
        to += part;
        n -= part;
    }
}

void rand_bytes(void *out, size_t n)
{
    char *to = out;
    if (atomic_load_explicit(&test_state, memory_order_relaxed)) {
        test_bytes(to, n);
        return;
    }
    while (n > 0) {
        ssize_t got = getrandom(to, n, 0);
        if (got < 0) {
            bug_on(errno != EINTR);
            continue;
        }
        to += got;
        n -= (size_t)got;
    }
}

uint64_t rand_u64(void)
{
    uint64_t v;
    rand_bytes(&v, sizeof(v));
    return v;
}

uint64_t rand_below(uint64_t bound)
{
    bug_on(bound == 0);
    /* Values below 2^64 mod bound would make the first residues likelier; draw again. */
    uint64_t reject = (0 - bound) % bound, v;
    do {
        v = rand_u64();
    } while (v < reject);
    return v % bound;
}

struct str rand_alnum(struct arena *a, size_t n)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    enum { SET = sizeof(set) - 1, FAIR = 256 / SET * SET };
    char *out = arena_alloc(a, n + 1);
    unsigned char raw[64];
    for (size_t done = 0; done < n;) {
        rand_bytes(raw, sizeof(raw));
        for (size_t i = 0; i < sizeof(raw) && done < n; i++) {
            if (raw[i] < FAIR) {
                out[done++] = set[raw[i] % SET];
            }
        }
    }
    out[n] = '\0';
    return str_n(out, n);
}
