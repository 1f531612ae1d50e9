/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/appservice_operations.h"

#include "core/server.h"
#include "store/appservices.h"

int appservice_queues_operation(struct server *s, struct arena *a, UNUSED const json_t *arguments,
                                struct json_writer *result, struct err *err)
{
    struct appservice_queue *rows;
    size_t n;
    int rc = appservice_queues_list(store_reader(s->store), a, &rows, &n, err);
    if (rc != 0) {
        return rc;
    }
    jw_object(result);
    JW_ARRAY(result, "queues");
    for (size_t i = 0; i < n; i++) {
        jw_object(result);
        JW_STR(result, "id", rows[i].appservice);
        JW_INT(result, "waiting", rows[i].events);
        JW_INT(result, "oldest_ts", rows[i].oldest_ts);
        JW_INT(result, "not_looked_at", MAX(store_position(s->store) - rows[i].position, 0));
        jw_end(result);
    }
    jw_end(result);
    jw_end(result);
    return 0;
}
