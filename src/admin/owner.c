/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/owner.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"

struct owner owner_become(const char *dir)
{
    const struct owner before = {geteuid(), getegid()};
    struct stat st;
    bool is_others = before.user == 0 && stat(dir, &st) == 0 && st.st_uid != 0;
    if (is_others && setegid(st.st_gid) == 0 && seteuid(st.st_uid) != 0) {
        owner_return(&before);
    }
    return before;
}

void owner_return(const struct owner *before)
{
    bool is_back = seteuid(before->user) == 0 && setegid(before->group) == 0;
    bug_on(!is_back);
}
