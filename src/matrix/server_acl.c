/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/server_acl.h"

#include "matrix/canon.h"
#include "matrix/glob.h"
#include "matrix/ids.h"

/* No list of a real room comes near; the work of a hostile one is bounded. */
#define WORK_MAX (INT64_C(1) << 26)

static bool list_matches(struct arena *a, struct str list, struct glob_text host)
{
    int64_t budget = WORK_MAX;
    bool matches = false;
    for (struct canon_iter it = canon_iter(canon_is_array(list) ? list : STR("[]"));
         !matches && canon_next(&it);) {
        struct str pattern = canon_str(a, it.value);
        matches = pattern.p && pattern.n <= GLOB_MAX_BYTES &&
                  glob_matches(glob_compile(a, pattern), host, &budget);
    }
    return matches;
}

bool server_acl_allows(struct str content, struct str server_name)
{
    struct server_name name;
    if (!content.p) {
        return true;
    }
    if (!server_name_parse(server_name, &name)) {
        return false;
    }
    bool denies_literals = str_eq(canon_find(content, STR("allow_ip_literals")), STR("false"));
    if (name.kind != HOST_NAME && denies_literals) {
        return false;
    }
    struct arena a;
    arena_init(&a, 0);
    /* Of an IPv6 literal the brackets belong to the name. */
    struct str full =
        name.kind == HOST_IPV6 ? ARENA_CONCAT(&a, STR("["), name.host, STR("]")) : name.host;
    struct glob_text host = glob_text(&a, full);
    bool allows = !list_matches(&a, canon_find(content, STR("deny")), host) &&
                  list_matches(&a, canon_find(content, STR("allow")), host);
    arena_release(&a);
    return allows;
}
