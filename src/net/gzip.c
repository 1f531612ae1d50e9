/* SPDX-License-Identifier: Apache-2.0 */
#include "net/gzip.h"

#include <pthread.h>
#include <stdlib.h>
#include <zlib.h>

enum { LEVEL = 1, MEMORY = 8, WINDOW = 15, WINDOW_GZIP = WINDOW + 16, CHUNK = 64 * 1024 };

/* Setting up a compressor costs more (256 KiB to clear) than compressing a small reply: each thread keeps one. */
struct compressor {
    z_stream z;
    enum gzip_coding coding;
};

static pthread_key_t compressor_key;
static pthread_once_t compressor_once = PTHREAD_ONCE_INIT;

static void compressor_free(void *p)
{
    struct compressor *c = p;
    deflateEnd(&c->z);
    free(c);
}

static void make_key(void)
{
    bug_on(pthread_key_create(&compressor_key, compressor_free) != 0);
}

static z_stream *compressor_get(enum gzip_coding coding)
{
    pthread_once(&compressor_once, make_key);
    struct compressor *c = pthread_getspecific(compressor_key);
    if (c && c->coding == coding) {
        deflateReset(&c->z);
        return &c->z;
    }
    if (c) {
        deflateEnd(&c->z);
    } else {
        c = xmalloc(sizeof(*c));
        pthread_setspecific(compressor_key, c);
    }
    *c = (struct compressor){.coding = coding};
    int window = coding == GZIP_GZIP ? WINDOW_GZIP : WINDOW;
    bug_on(deflateInit2(&c->z, LEVEL, Z_DEFLATED, window, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK);
    return &c->z;
}

bool gzip_compress(struct str in, enum gzip_coding coding, char **out, size_t *out_n)
{
    if (in.n == 0 || in.n > UINT32_MAX) {
        return false;
    }
    z_stream *z = compressor_get(coding);
    size_t room = in.n - in.n / 16; /* not worth it for less */
    char *p = xmalloc(room);
    z->next_in = (Bytef *)in.p;
    z->avail_in = (uInt)in.n;
    z->next_out = (Bytef *)p;
    z->avail_out = (uInt)room;
    if (deflate(z, Z_FINISH) != Z_STREAM_END) {
        free(p);
        return false;
    }
    *out_n = room - z->avail_out;
    *out = xrealloc(p, *out_n);
    return true;
}

void gzip_begin(enum gzip_coding coding)
{
    compressor_get(coding);
}

int gzip_feed(struct str in, bool is_last, gzip_sink *sink, void *arg, struct err *err)
{
    z_stream *z = &((struct compressor *)pthread_getspecific(compressor_key))->z;
    char chunk[CHUNK];
    int rc = 0;
    bug_on(in.n > UINT32_MAX);
    z->next_in = (Bytef *)in.p;
    z->avail_in = (uInt)in.n;
    do {
        z->next_out = (Bytef *)chunk;
        z->avail_out = CHUNK;
        int done = deflate(z, is_last ? Z_FINISH : Z_NO_FLUSH);
        bug_on(done == Z_STREAM_ERROR);
        rc = sink(arg, str_n(chunk, CHUNK - z->avail_out), err);
    } while (rc == 0 && z->avail_out == 0);
    return rc;
}
