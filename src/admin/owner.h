/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What root makes in somebody else's data directory would be out of their server's reach, so a command that is given by
 * root becomes the directory's owner while it works there.
 *
 *     struct owner before = owner_become(dir);
 *     ...
 *     owner_return(&before);
 */
#ifndef INGOT_ADMIN_OWNER_H
#define INGOT_ADMIN_OWNER_H

#include <sys/types.h>

struct owner {
    uid_t user;
    gid_t group;
};

/* Returns who we were. Nothing changes for others than root, and where the directory is not there or is root's. */
struct owner owner_become(const char *dir);
void owner_return(const struct owner *before);

#endif
