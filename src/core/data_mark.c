/* SPDX-License-Identifier: Apache-2.0 */
#include "core/data_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { TEXT_MAX = 128, PATH_BYTES = 4096 };

static void path_in(char out[PATH_BYTES], struct str dir, const char *name)
{
    (void)snprintf(out, PATH_BYTES, "%.*s/%s", STR_ARG(dir), name);
}

static int fail(struct err *err, const char *what, const char *path)
{
    return err_set(err, E_INVALID, 0, NULL, "cannot %s %s: %s", what, path, strerror(errno));
}

static bool parse(struct str text, struct data_mark *out)
{
    struct str id, epoch, position;
    *out = DATA_MARK_NEW;
    if (str_eq(text, STR("new"))) {
        return true;
    }
    bool has_epoch = str_split(text, ' ', &id, &epoch);
    (void)str_split(epoch, ' ', &epoch, &position);
    *out = (struct data_mark){.is_there = true, .database_id = id};
    return id.n > 0 &&
           (!has_epoch || (str_to_i64(epoch, &out->epoch) && str_to_i64(position, &out->position)));
}

int data_mark_read(struct arena *a, struct str dir, struct data_mark *out, struct err *err)
{
    char path[PATH_BYTES], text[TEXT_MAX];
    path_in(path, dir, "ingot.database");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        *out = (struct data_mark){.is_there = false};
        return errno == ENOENT ? 0 : fail(err, "read", path);
    }
    ssize_t n = read(fd, text, sizeof(text));
    (void)close(fd);
    struct str line = n > 0 ? arena_str(a, str_n(text, (size_t)n)) : STR_NONE;
    if (line.n == 0 || line.p[line.n - 1] != '\n' || !parse(str_n(line.p, line.n - 1), out)) {
        return err_set(err, E_INVALID, 0, NULL,
                       "%s does not name a database; if all is well otherwise, run `ingot db "
                       "adopt`",
                       path);
    }
    return 0;
}

static size_t format(char out[TEXT_MAX], const struct data_mark *m)
{
    int n = m->is_new                   ? snprintf(out, TEXT_MAX, "new\n")
            : !m->epoch && !m->position ? snprintf(out, TEXT_MAX, "%.*s\n", STR_ARG(m->database_id))
                                        : snprintf(out, TEXT_MAX, "%.*s %" PRId64 " %" PRId64 "\n",
                                                   STR_ARG(m->database_id), m->epoch, m->position);
    bug_on(n < 0 || n >= TEXT_MAX);
    return (size_t)n;
}

static bool sync_dir(struct str dir)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%.*s", STR_ARG(dir));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

int data_mark_write(struct str dir, const struct data_mark *mark, struct err *err)
{
    char path[PATH_BYTES], fresh[PATH_BYTES], text[TEXT_MAX];
    size_t n = format(text, mark);
    path_in(path, dir, "ingot.database");
    path_in(fresh, dir, "ingot.database.new");
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
    if (fd >= 0) {
        ok = close(fd) == 0 && ok;
    }
    return ok && rename(fresh, path) == 0 && sync_dir(dir) ? 0 : fail(err, "write", path);
}
