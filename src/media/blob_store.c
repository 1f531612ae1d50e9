/* SPDX-License-Identifier: Apache-2.0 */
#include "media/blob_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/map.h"
#include "crypto/hash.h"
#include "media/fs.h"

#define CHUNK (128 * 1024)

struct blob_store {
    char *blobs, *tmp; /* directories */
    struct lock lock;
    /* Blobs that are being stored or deleted: id -> number of pins, or DELETING and the ticket of a
     * deletion that asks the database. A put replaces that mark, and the deletion sees that it is too late. */
    struct smap busy;
    uint64_t last_ticket;
};

#define DELETING ((uint64_t)1 << 63)

/* ---- opening ---------------------------------------------------------------------------------- */

static char *join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = xmalloc(n);
    (void)snprintf(path, n, "%s/%s", dir, name);
    return path;
}

int blob_store_open(const char *dir, struct blob_store **out, struct err *err)
{
    struct blob_store *s = xcalloc(1, sizeof(*s));
    int rc;
    s->blobs = join(dir, "blobs");
    s->tmp = join(dir, "tmp");
    lock_init(&s->lock, RANK_LEAF, "blobs");
    if ((rc = fs_make_dir(dir, err)) != 0 || (rc = fs_make_dir(s->blobs, err)) != 0 ||
        (rc = fs_make_dir(s->tmp, err)) != 0) {
        blob_store_free(s);
        return rc;
    }
    fs_empty_dir(s->tmp);
    *out = s;
    return 0;
}

void blob_store_free(struct blob_store *s)
{
    if (s) {
        smap_release(&s->busy);
        lock_destroy(&s->lock);
        free(s->blobs);
        free(s->tmp);
        free(s);
    }
}

const char *blob_store_tmp_dir(const struct blob_store *s)
{
    return s->tmp;
}

bool blob_id_parse(struct str text, struct blob_id *out)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    if (text.n != BLOB_ID_LEN) {
        return false;
    }
    memcpy(out->hex, text.p, BLOB_ID_LEN);
    out->hex[BLOB_ID_LEN] = '\0';
    return true;
}

/* ---- pins ------------------------------------------------------------------------------------- */

static void pin(struct blob_store *s, const struct blob_id *id)
{
    lock_take(&s->lock);
    union map_val *v = smap_at(&s->busy, blob_id_str(id), NULL);
    v->u = v->u & DELETING ? 1 : v->u + 1;
    lock_release(&s->lock);
}

void blob_unpin(struct blob_store *s, const struct blob_id *id)
{
    lock_take(&s->lock);
    union map_val *v = smap_find(&s->busy, blob_id_str(id));
    bug_on(!v || v->u == 0 || (v->u & DELETING));
    if (--v->u == 0) {
        smap_remove(&s->busy, blob_id_str(id));
    }
    lock_release(&s->lock);
}

/* ---- storing ---------------------------------------------------------------------------------- */

/* A named temporary file: what copies go through on their way to rename(). */
static int named_temp(struct blob_store *s, char path[PATH_MAX], int *out_fd, struct err *err)
{
    (void)snprintf(path, PATH_MAX, "%s/XXXXXX", s->tmp);
    *out_fd = mkostemp(path, O_CLOEXEC);
    return *out_fd >= 0 ? 0 : fs_fail(err, "cannot make a file in", s->tmp);
}

int blob_temp(struct blob_store *s, int *out_fd, struct err *err)
{
    char path[PATH_MAX];
    *out_fd = open(s->tmp, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*out_fd >= 0) {
        return 0;
    }
    if (errno != EOPNOTSUPP && errno != EISDIR) {
        return fs_fail(err, "cannot make a file in", s->tmp);
    }
    int rc = named_temp(s, path, out_fd, err);
    if (rc == 0) {
        (void)unlink(path);
    }
    return rc;
}

static void to_hex(const unsigned char sum[SHA256_LEN], struct blob_id *out)
{
    for (size_t i = 0; i < SHA256_LEN; i++) {
        (void)snprintf(out->hex + 2 * i, 3, "%02x", sum[i]);
    }
}

static int identify(int fd, struct blob *out, struct err *err)
{
    unsigned char sum[SHA256_LEN];
    struct sha256 h;
    char *chunk = xmalloc(CHUNK);
    uint64_t size = 0;
    ssize_t n;
    sha256_init(&h);
    while ((n = pread(fd, chunk, CHUNK, (off_t)size)) > 0) {
        sha256_update(&h, str_n(chunk, (size_t)n));
        size += (uint64_t)n;
    }
    free(chunk);
    if (n < 0) {
        return fs_fail(err, "cannot read", "an upload");
    }
    sha256_final(&h, sum);
    to_hex(sum, &out->id);
    out->size = size;
    return 0;
}

static int copy_into(int from, int to, struct err *err)
{
    char *chunk = xmalloc(CHUNK);
    off_t at = 0;
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = pread(from, chunk, CHUNK, at)) > 0) {
        rc = fs_write_all(to, str_n(chunk, (size_t)n), err);
        at += n;
    }
    free(chunk);
    if (rc == 0 && n < 0) {
        return fs_fail(err, "cannot read", "an upload");
    }
    return rc != 0 || fsync(to) == 0 ? rc : fs_fail(err, "cannot sync", "an upload");
}

/* For files of another file system, or without the right to be linked: copy, then rename. */
static int store_by_copy(struct blob_store *s, int fd, const char *path, struct err *err)
{
    char temp[PATH_MAX];
    int to, rc = named_temp(s, temp, &to, err);
    if (rc != 0) {
        return rc;
    }
    rc = copy_into(fd, to, err);
    (void)close(to);
    if (rc == 0 && rename(temp, path) != 0) {
        rc = fs_fail(err, "cannot rename to", path);
    }
    if (rc != 0) {
        (void)unlink(temp);
    }
    return rc;
}

/* Gives the unnamed file its name; only files from O_TMPFILE can get one. */
static int store_by_link(struct blob_store *s, int fd, const char *path, struct err *err)
{
    char self[40];
    if (fsync(fd) != 0) {
        return fs_fail(err, "cannot sync", "an upload");
    }
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 || errno == EEXIST) {
        return 0;
    }
    return errno == ENOSPC || errno == EDQUOT || errno == EROFS ? fs_fail(err, "cannot link", path)
                                                                : store_by_copy(s, fd, path, err);
}

static bool is_unnamed(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

static int store(struct blob_store *s, int fd, const struct blob_id *id, struct err *err)
{
    char path[PATH_MAX], level1[PATH_MAX], level2[PATH_MAX];
    int rc;
    fs_shard_path(level1, s->blobs, id->hex, 1);
    fs_shard_path(level2, s->blobs, id->hex, 2);
    fs_shard_path(path, s->blobs, id->hex, 3);
    if ((rc = fs_make_dir(level1, err)) != 0 || (rc = fs_make_dir(level2, err)) != 0) {
        return rc;
    }
    if (access(path, F_OK) != 0) {
        rc = is_unnamed(fd) ? store_by_link(s, fd, path, err) : store_by_copy(s, fd, path, err);
    }
    /* Also when it was there: whoever put it may not have come to this yet. */
    return rc == 0 ? fs_sync_dir(level2, err) : rc;
}

int blob_put(struct blob_store *s, int fd, struct blob *out, struct err *err)
{
    struct blob blob;
    int rc = identify(fd, &blob, err);
    if (rc != 0) {
        return rc;
    }
    pin(s, &blob.id); /* before looking whether it is there: from now on nobody deletes it */
    if ((rc = store(s, fd, &blob.id, err)) != 0) {
        blob_unpin(s, &blob.id);
        return rc;
    }
    *out = blob;
    return 0;
}

/* ---- reading ---------------------------------------------------------------------------------- */

int blob_open(struct blob_store *s, const struct blob_id *id, int *out_fd, uint64_t *out_size,
              struct err *err)
{
    char path[PATH_MAX];
    struct stat st;
    fs_shard_path(path, s->blobs, id->hex, 3);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? err_not_found(err, "The file is not here")
                               : fs_fail(err, "cannot open", path);
    }
    if (out_size && fstat(fd, &st) == 0) {
        *out_size = (uint64_t)st.st_size;
    }
    *out_fd = fd;
    return 0;
}

bool blob_exists(struct blob_store *s, const struct blob_id *id)
{
    char path[PATH_MAX];
    fs_shard_path(path, s->blobs, id->hex, 3);
    return access(path, F_OK) == 0;
}

/* ---- deleting --------------------------------------------------------------------------------- */

/* The mark to pass to deletion_end; 0: somebody else is at this blob. */
static uint64_t deletion_begin(struct blob_store *s, const struct blob_id *id)
{
    bool is_new;
    uint64_t mark = 0;
    lock_take(&s->lock);
    union map_val *v = smap_at(&s->busy, blob_id_str(id), &is_new);
    if (is_new) {
        mark = v->u = DELETING | ++s->last_ticket;
    }
    lock_release(&s->lock);
    return mark;
}

/* Unlinks under the lock, so that a put either replaced the mark before, or finds the file gone after. */
static int deletion_end(struct blob_store *s, const struct blob_id *id, uint64_t mark,
                        bool unlink_it, bool *out_deleted, struct err *err)
{
    char path[PATH_MAX];
    int rc = 0;
    fs_shard_path(path, s->blobs, id->hex, 3);
    lock_take(&s->lock);
    union map_val *v = smap_find(&s->busy, blob_id_str(id));
    if (v && v->u == mark) {
        if (unlink_it && unlink(path) != 0 && errno != ENOENT) {
            rc = fs_fail(err, "cannot delete", path);
        }
        *out_deleted = unlink_it && rc == 0;
        smap_remove(&s->busy, blob_id_str(id));
    }
    lock_release(&s->lock);
    return rc;
}

int blob_delete(struct blob_store *s, const struct blob_id *id, blob_unused_fn *is_unused,
                void *arg, bool *out_deleted, struct err *err)
{
    bool dummy, *deleted = out_deleted ? out_deleted : &dummy;
    *deleted = false;
    uint64_t mark = deletion_begin(s, id);
    return mark == 0 ? 0 : deletion_end(s, id, mark, is_unused(arg, id), deleted, err);
}

struct walk {
    blob_visit_fn *visit;
    void *arg;
    struct err *err;
};

static int visit_dir(struct walk *w, const char *path, const char *prefix);

/* An entry of a directory; `prefix` holds the hex digits so far. */
static int visit_entry(struct walk *w, const char *dir, const char *prefix, const char *name)
{
    char hex[BLOB_ID_LEN + 16], path[PATH_MAX];
    struct blob_id id;
    (void)snprintf(hex, sizeof(hex), "%s%s", prefix, name);
    if (strlen(hex) == 4) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
        return visit_dir(w, path, hex);
    }
    return blob_id_parse(str_c(hex), &id) ? w->visit(w->arg, &id, w->err) : 0;
}

static int visit_dir(struct walk *w, const char *path, const char *prefix)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int rc = 0;
    if (!d) {
        return errno == ENOENT ? 0 : fs_fail(w->err, "cannot list", path);
    }
    while (rc == 0 && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            rc = visit_entry(w, path, prefix, e->d_name);
        }
    }
    (void)closedir(d);
    return rc;
}

int blob_each(struct blob_store *s, unsigned shard, blob_visit_fn *visit, void *arg,
              struct err *err)
{
    char path[PATH_MAX], prefix[3];
    struct walk w = {.visit = visit, .arg = arg, .err = err};
    (void)snprintf(prefix, sizeof(prefix), "%02x", shard % BLOB_SHARDS);
    (void)snprintf(path, sizeof(path), "%s/%s", s->blobs, prefix);
    return visit_dir(&w, path, prefix);
}
