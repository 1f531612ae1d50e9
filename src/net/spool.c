/* SPDX-License-Identifier: Apache-2.0 */
#include "net/spool.h"

#include <errno.h>
#include <unistd.h>

#include "net/temp_file.h"

void spool_init(struct spool *s)
{
    *s = (struct spool){.memory = BUF_INIT(SPOOL_MEMORY), .fd = -1};
}

void spool_release(struct spool *s)
{
    buf_release(&s->memory);
    if (s->fd >= 0) {
        close(s->fd);
    }
    spool_init(s);
}

static int fail(const char *doing, struct err *err)
{
    return err_system(err, errno, "%s an answer's temporary file", doing);
}

static int append(struct spool *s, struct str bytes, struct err *err)
{
    if (!temp_file_write(s->fd, bytes)) {
        return fail("writing", err);
    }
    s->on_disk += bytes.n;
    return 0;
}

/* What lies in memory goes first. */
static int move_to_disk(struct spool *s, const char *dir, struct err *err)
{
    s->fd = temp_file_open(dir);
    if (s->fd < 0) {
        return fail("making", err);
    }
    int rc = append(s, buf_str(&s->memory), err);
    buf_release(&s->memory);
    return rc;
}

int spool_add(struct spool *s, const char *dir, struct str bytes, struct err *err)
{
    if (s->fd < 0 && bytes.n <= SPOOL_MEMORY - s->memory.n) {
        buf_add(&s->memory, bytes);
        return 0;
    }
    int rc = s->fd < 0 ? move_to_disk(s, dir, err) : 0;
    return rc ? rc : append(s, bytes, err);
}
