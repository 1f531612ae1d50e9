/* SPDX-License-Identifier: Apache-2.0 */
#include "media/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int fs_fail(struct err *err, const char *what, const char *path)
{
    return err_system(err, errno, "%s %s", what, path);
}

static int parent_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int n = slash && slash > path ? (int)(slash - path) : 1;
    return snprintf(out, PATH_MAX, "%.*s", n, slash ? path : ".");
}

int fs_make_dir(const char *path, struct err *err)
{
    char parent[PATH_MAX];
    if (mkdir(path, 0700) == 0) {
        (void)parent_of(path, parent);
        return fs_sync_dir(parent, err);
    }
    return errno == EEXIST ? 0 : fs_fail(err, "cannot make", path);
}

int fs_sync_dir(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fs_fail(err, "cannot open", path);
    }
    int rc = fsync(fd) == 0 ? 0 : fs_fail(err, "cannot sync", path);
    (void)close(fd);
    return rc;
}

void fs_empty_dir(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            (void)unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    if (d) {
        (void)closedir(d);
    }
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

void fs_remove_tree(int dir, const char *name, unsigned *budget)
{
    if (unlinkat(dir, name, 0) == 0) {
        *budget -= 1;
        return;
    }
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; d && *budget > 0 && (e = readdir(d)) != NULL;) {
        if (!is_dot(e->d_name)) {
            fs_remove_tree(dirfd(d), e->d_name, budget);
        }
    }
    if (d) {
        (void)closedir(d);
    }
    if (*budget > 0 && unlinkat(dir, name, AT_REMOVEDIR) == 0) {
        *budget -= 1;
    }
}

int fs_open_again(int fd, int *out_fd, struct err *err)
{
    char self[40];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    *out_fd = open(self, O_RDONLY | O_CLOEXEC);
    return *out_fd >= 0 ? 0 : fs_fail(err, "cannot open again", "a temporary file");
}

int fs_write_all(int fd, struct str bytes, struct err *err)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR) {
            return fs_fail(err, "cannot write", "a temporary file");
        }
        bytes = str_from(bytes, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

void fs_shard_path(char out[PATH_MAX], const char *dir, const char *hex, int level)
{
    const char *rest = level == 3 ? hex + 4 : "";
    int n = snprintf(out, PATH_MAX, "%s/%.2s%s%.2s%s%s", dir, hex, level > 1 ? "/" : "",
                     level > 1 ? hex + 2 : "", level > 2 ? "/" : "", rest);
    bug_on(n >= PATH_MAX);
}
