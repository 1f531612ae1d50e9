/* SPDX-License-Identifier: Apache-2.0 */
/* File system steps that the modules of this folder share. Paths are C strings, errors say what failed. */
#ifndef INGOT_MEDIA_FS_H
#define INGOT_MEDIA_FS_H

#include <limits.h>

#include "base/err.h"

/* err_system of errno: E_BUSY (503) for what passes, as a full disk or too many open files. */
int fs_fail(struct err *err, const char *what, const char *path);
/* Makes the directory (0700) if it is not there, and its entry durable. */
MUST_USE int fs_make_dir(const char *path, struct err *err);
/* Makes the names in a directory durable. */
MUST_USE int fs_sync_dir(const char *path, struct err *err);
/* Removes the plain files of a directory; the directory stays. */
void fs_empty_dir(const char *path);
/* Removes a file, or a directory with all that is in it, as far as *budget names go; takes from it what went. Follows
 * no links. What cannot be removed stays. */
void fs_remove_tree(int dir, const char *name, unsigned *budget);
/* The same file for reading only, for a process that must not change it. */
MUST_USE int fs_open_again(int fd, int *out_fd, struct err *err);
MUST_USE int fs_write_all(int fd, struct str bytes, struct err *err);
/* path = dir + "/ab/cd/rest"; level 1 or 2 stops after ab or cd, 3 is all of it. */
void fs_shard_path(char out[PATH_MAX], const char *dir, const char *hex, int level);

#endif
