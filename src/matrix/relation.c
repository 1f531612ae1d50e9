/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/relation.h"

#include "wire/json.h"

enum { REL_MAX = 255 }; /* no event id and no type is longer, and both are kept for each relation */

static bool is_name(struct str s)
{
    return s.n <= REL_MAX && str_chr(s, '\0') < 0;
}

bool relation_of_content(struct arena *a, struct str content, struct relation *out)
{
    json_t *tree;
    const json_t *relates_to, *reply;
    *out = (struct relation){.event_id = STR_NONE};
    /* Most messages relate to nothing: do not parse them to find that out. */
    if (str_find(content, STR("\"m.relates_to\"")) < 0 ||
        json_parse(a, content, JPARSE_REALS, &tree, NULL) != 0 ||
        !json_get_object(tree, "m.relates_to", &relates_to)) {
        return false;
    }
    if (json_get_object(relates_to, "m.in_reply_to", &reply)) {
        json_get_str(reply, "event_id", &out->in_reply_to);
    }
    json_get_str(relates_to, "key", &out->key);
    return json_get_str(relates_to, "rel_type", &out->rel_type) &&
           json_get_str(relates_to, "event_id", &out->event_id) && is_name(out->rel_type) &&
           is_name(out->event_id);
}
