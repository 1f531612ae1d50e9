/* SPDX-License-Identifier: Apache-2.0 */
#include "media/media_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rand.h"
#include "media/content_type.h"
#include "media/fs.h"
#include "media/thumb_protocol.h"
#include "media/thumbnail.h"
#include "media/upload_wait.h"

#define SIDE_MAX 4096 /* longest side of a thumbnail that anyone may ask for */

/* Raised with every change of what is made of a picture, or of which pictures are refused. */
#define THUMBNAILS_VERSION "2"
#define OUTDATED_AT_ONCE   5000 /* files */

struct media_store {
    struct blob_store *blobs;
    struct thumbnailer *thumbnailer;
    struct upload_waits *waits;
    struct turns *turns;
    unsigned next_shard;           /* of the sweep */
    char all_thumbnails[PATH_MAX]; /* directory, with a directory for each version: */
    char thumbnails[PATH_MAX];
};

/* Pages and pictures of previews need a process, too. */
static size_t slots(const struct config *c)
{
    int64_t n = c->media.thumbnailers - (c->media.previews.enabled && c->media.thumbnailers > 1);
    return (size_t)MAX(n, 1);
}

static int make_thumbnail_dirs(struct media_store *m, struct err *err)
{
    int rc = fs_make_dir(m->all_thumbnails, err);
    return rc ? rc : fs_make_dir(m->thumbnails, err);
}

int media_store_open(const struct config *config, const char *thumbnailer, struct media_store **out,
                     struct err *err)
{
    char dir[PATH_MAX - 16];
    struct media_store *m = xcalloc(1, sizeof(*m));
    const struct thumbnailer_config tc = {
        .program = thumbnailer,
        .processes = (unsigned)config->media.thumbnailers,
        .memory_bytes = config->media.thumbnail_memory,
        .timeout_ms = config->media.thumbnail_timeout_ms,
    };
    (void)snprintf(dir, sizeof(dir), "%.*s/media", STR_ARG(config->data_dir));
    (void)snprintf(m->all_thumbnails, sizeof(m->all_thumbnails), "%s/thumbnails", dir);
    (void)snprintf(m->thumbnails, sizeof(m->thumbnails), "%s/thumbnails/" THUMBNAILS_VERSION, dir);
    int rc = blob_store_open(dir, &m->blobs, err);
    if (rc != 0 || (rc = make_thumbnail_dirs(m, err)) != 0) {
        media_store_free(m);
        return rc;
    }
    m->thumbnailer = thumbnailer_new(&tc);
    m->waits = upload_waits_new();
    m->turns = turns_new(slots(config), (size_t)config->media.thumbnails_waiting, thumbnail_wake);
    /* A server that is restarted often must come to all of them, too. */
    m->next_shard = (unsigned)rand_below(BLOB_SHARDS);
    *out = m;
    return 0;
}

void media_store_free(struct media_store *m)
{
    if (m) {
        turns_free(m->turns);
        upload_waits_free(m->waits);
        thumbnailer_free(m->thumbnailer);
        blob_store_free(m->blobs);
        free(m);
    }
}

struct blob_store *media_blobs(struct media_store *m)
{
    return m->blobs;
}

struct thumbnailer *media_thumbnailer(struct media_store *m)
{
    return m->thumbnailer;
}

struct upload_waits *media_upload_waits(struct media_store *m)
{
    return m->waits;
}

struct turns *media_turns(struct media_store *m)
{
    return m->turns;
}

/* ---- which size ------------------------------------------------------------------------------- */

/* Whether a answers the request better than b. */
static bool is_better(const struct config_thumbnail *a, const struct config_thumbnail *b,
                      const struct thumb_spec *wanted)
{
    bool a_fits = a->width >= wanted->width && a->height >= wanted->height;
    bool b_fits = b->width >= wanted->width && b->height >= wanted->height;
    if (a_fits != b_fits) {
        return a_fits;
    }
    if (a_fits && (a->crop == wanted->crop) != (b->crop == wanted->crop)) {
        return a->crop == wanted->crop;
    }
    int a_area = a->width * a->height, b_area = b->width * b->height;
    return a_fits ? a_area < b_area : a_area > b_area;
}

struct thumb_spec media_thumb_choose(const struct config *config, const struct thumb_spec *wanted)
{
    const struct config_thumbnail *best = NULL;
    struct thumb_spec chosen = *wanted;
    for (size_t i = 0; i < config->media.thumbnail_sizes.n; i++) {
        const struct config_thumbnail *size = &config->media.thumbnail_sizes.p[i];
        if (!best || is_better(size, best, wanted)) {
            best = size;
        }
    }
    if (best && !config->media.dynamic_thumbnails) {
        chosen.width = best->width;
        chosen.height = best->height;
        chosen.crop = best->crop;
    }
    chosen.width = MAX(1, MIN(chosen.width, SIDE_MAX));
    chosen.height = MAX(1, MIN(chosen.height, SIDE_MAX));
    return chosen;
}

/* ---- the cache -------------------------------------------------------------------------------- */

static void thumb_path(struct media_store *m, const struct blob_id *id,
                       const struct thumb_spec *spec, char dir[PATH_MAX], char path[PATH_MAX])
{
    fs_shard_path(dir, m->thumbnails, id->hex, 3);
    int n = snprintf(path, PATH_MAX, "%s/%dx%d-%s%s", dir, spec->width, spec->height,
                     spec->crop ? "crop" : "scale", spec->animated ? "-animated" : "");
    bug_on(n >= PATH_MAX);
}

static int no_thumbnail(struct err *err)
{
    return err_set(err, E_INVALID, 400, "M_UNKNOWN", "No thumbnail can be made of this file");
}

/* E_NOT_FOUND if it is not in the cache, E_INVALID if it is known that there can be none. */
static int find_cached(const char *path, struct media_file *out, struct err *err)
{
    char head[PICTURE_SNIFF_BYTES];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR ? E_NOT_FOUND
                                                   : fs_fail(err, "cannot open", path);
    }
    ssize_t n = pread(fd, head, sizeof(head), 0);
    if (n < 0 || fstat(fd, &st) != 0) {
        int rc = fs_fail(err, "cannot read", path);
        (void)close(fd);
        return rc;
    }
    enum picture_kind kind = picture_sniff(str_n(head, (size_t)n));
    if (kind == PICTURE_NONE) {
        (void)close(fd);
        return no_thumbnail(err);
    }
    *out = (struct media_file){fd, (uint64_t)st.st_size, picture_content_type(kind)};
    return 0;
}

static int make_dirs(struct media_store *m, const struct blob_id *id, struct err *err)
{
    char dir[PATH_MAX];
    int rc = 0;
    for (int level = 1; rc == 0 && level <= 3; level++) {
        fs_shard_path(dir, m->thumbnails, id->hex, level);
        rc = fs_make_dir(dir, err);
    }
    return rc;
}

/* Puts the file there whole or not at all. */
static int keep(struct media_store *m, const char *path, struct str bytes, struct err *err)
{
    char temp[PATH_MAX];
    (void)snprintf(temp, sizeof(temp), "%s/XXXXXX", blob_store_tmp_dir(m->blobs));
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) {
        return fs_fail(err, "cannot make a file in", blob_store_tmp_dir(m->blobs));
    }
    int rc = fs_write_all(fd, bytes, err);
    if (rc == 0 && (fsync(fd) != 0 || rename(temp, path) != 0)) {
        rc = fs_fail(err, "cannot write", path);
    }
    if (rc != 0) {
        (void)unlink(temp);
    }
    (void)close(fd);
    return rc;
}

static int make_and_keep(struct media_store *m, const struct config *config,
                         const struct blob_id *id, const struct thumb_spec *spec, const char *path,
                         struct err *err)
{
    struct buf small = BUF_INIT(THUMB_MAX_BYTES);
    struct err ignored;
    int fd, rc = blob_open(m->blobs, id, &fd, NULL, err);
    if (rc != 0) {
        return rc;
    }
    rc =
        thumbnailer_make(m->thumbnailer, fd, spec, (uint64_t)config->media.max_pixels, &small, err);
    (void)close(fd);
    if (rc == 0 && (rc = make_dirs(m, id, err)) == 0) {
        rc = keep(m, path, buf_str(&small), err);
    } else if (rc == E_INVALID && make_dirs(m, id, &ignored) == 0 &&
               keep(m, path, STR_NONE, &ignored) != 0) {
        rc = E_INVALID; /* the note that there is none could not be written; it stays as it is */
    }
    buf_release(&small);
    return rc;
}

int media_thumbnail_find(struct media_store *m, const struct config *config,
                         const struct blob_id *id, const struct thumb_spec *wanted,
                         struct media_file *out, struct err *err)
{
    char dir[PATH_MAX], path[PATH_MAX];
    struct thumb_spec spec = media_thumb_choose(config, wanted);
    thumb_path(m, id, &spec, dir, path);
    return find_cached(path, out, err);
}

int media_thumbnail(struct media_store *m, const struct config *config, const struct blob_id *id,
                    const struct thumb_spec *wanted, struct media_file *out, struct err *err)
{
    char dir[PATH_MAX], path[PATH_MAX];
    struct thumb_spec spec = media_thumb_choose(config, wanted);
    thumb_path(m, id, &spec, dir, path);
    int rc = find_cached(path, out, err);
    if (rc == E_NOT_FOUND && (rc = make_and_keep(m, config, id, &spec, path, err)) == 0 &&
        (rc = find_cached(path, out, err)) == E_NOT_FOUND) {
        rc = err_not_found(err, "The file is not here"); /* deleted meanwhile */
    }
    return rc;
}

/* ---- deleting --------------------------------------------------------------------------------- */

int media_store_delete(struct media_store *m, const struct blob_id *id, blob_unused_fn *is_unused,
                       void *arg, bool *out_deleted, struct err *err)
{
    char dir[PATH_MAX];
    bool deleted;
    int rc = blob_delete(m->blobs, id, is_unused, arg, &deleted, err);
    if (rc == 0 && deleted) {
        fs_shard_path(dir, m->thumbnails, id->hex, 3);
        fs_empty_dir(dir);
        (void)rmdir(dir);
    }
    if (out_deleted) {
        *out_deleted = rc == 0 && deleted;
    }
    return rc;
}

struct sweep {
    struct media_store *store;
    blob_unused_fn *is_unused;
    void *arg;
    uint64_t deleted;
};

static int sweep_blob(void *arg, const struct blob_id *id, struct err *err)
{
    struct sweep *w = arg;
    bool deleted;
    int rc = media_store_delete(w->store, id, w->is_unused, w->arg, &deleted, err);
    w->deleted += deleted;
    return rc;
}

int media_store_sweep(struct media_store *m, blob_unused_fn *is_unused, void *arg,
                      uint64_t *out_deleted, struct err *err)
{
    struct sweep w = {.store = m, .is_unused = is_unused, .arg = arg};
    int rc = blob_each(m->blobs, m->next_shard, sweep_blob, &w, err);
    m->next_shard = (m->next_shard + 1) % BLOB_SHARDS;
    *out_deleted = w.deleted;
    return rc;
}

void media_store_drop_outdated(struct media_store *m)
{
    unsigned budget = OUTDATED_AT_ONCE;
    DIR *d = opendir(m->all_thumbnails);
    for (struct dirent *e; d && budget > 0 && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.' && strcmp(e->d_name, THUMBNAILS_VERSION) != 0) {
            fs_remove_tree(dirfd(d), e->d_name, &budget);
        }
    }
    if (d) {
        (void)closedir(d);
    }
}
