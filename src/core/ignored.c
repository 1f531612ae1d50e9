/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ignored.h"

#include "core/server.h"
#include "matrix/event.h"
#include "store/account_data.h"

int ignored_load(struct server *s, struct arena *a, uint64_t user_nid, struct ignored *out,
                 struct err *err)
{
    struct str content;
    json_t *json = NULL;
    *out = (struct ignored){.users = NULL};
    int rc = account_data_get(store_reader(s->store), a, user_nid, 0, STR("m.ignored_user_list"),
                              &content, err);
    if (rc == 0) {
        rc = json_parse(a, content, JPARSE_REALS, &json, err);
    }
    (void)json_get_object(json, "ignored_users", &out->users);
    return rc == E_NOT_FOUND ? 0 : rc;
}

bool ignored_has(const struct ignored *list, struct str user_id)
{
    return json_find(list->users, user_id) != NULL;
}

bool ignored_hides(const struct ignored *list, const struct event *ev)
{
    return !ev->is_state && ignored_has(list, ev->sender);
}
