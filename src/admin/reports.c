/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /_synapse/admin/v1/event_reports: what people reported, newest first. The form is the one that moderation tools
 * know from Synapse; reports of rooms and of users are in the same list, without an event_id.
 */
#include "store/reports.h"
#include "admin/routes.h"
#include "core/room.h"
#include "core/server.h"
#include "store/names.h"
#include "wire/json.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

/* Nothing for the nid 0. */
static int put_user(struct request *rq, json_t *out, const char *key, uint64_t nid, struct err *err)
{
    struct store *store = server_of(rq)->store;
    struct str user;
    int rc = nid ? names_text(store, store_reader(store), nid, rq->arena, &user, err) : 0;
    if (rc == 0 && nid) {
        json_put_str(out, key, user);
    }
    return rc;
}

static int put_room(struct request *rq, json_t *out, uint64_t nid, struct err *err)
{
    struct room *room;
    int rc = nid ? room_hold_nid(server_of(rq), rq->arena, nid, &room, err) : 0;
    if (rc == 0 && nid) {
        json_put_str(out, "room_id", room->room_id);
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int report_json(struct request *rq, const struct report_row *row, json_t **out,
                       struct err *err)
{
    *out = json_object();
    json_put_int(*out, "id", (int64_t)row->id);
    json_put_int(*out, "received_ts", row->received_ts);
    json_put_str(*out, "reason", row->reason);
    if (row->event_id.p) {
        json_put_str(*out, "event_id", row->event_id);
    }
    int rc = put_room(rq, *out, row->room_nid, err);
    rc = rc ? rc : put_user(rq, *out, "user_id", row->reporter_nid, err);
    return rc ? rc
              : put_user(rq, *out, row->event_id.p ? "sender" : "target_user_id", row->user_nid,
                         err);
}

/* `from` is the id of a report: older ones are listed. */
static int get_reports(struct request *rq, struct err *err)
{
    struct report_row *rows;
    size_t n = 0;
    int64_t limit, before;
    json_t *out = json_object(), *list = json_array();
    int rc = request_query_limit(rq, "limit", LIMIT_DEFAULT, LIMIT_MAX, &limit, err);
    rc = rc ? rc : request_query_int(rq, "from", 0, INT64_MAX, INT64_MAX, &before, err);
    rc = rc ? rc
            : reports_list(store_reader(server_of(rq)->store), rq->arena, before, limit, &rows, &n,
                           err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        json_t *report;
        rc = report_json(rq, &rows[i], &report, err);
        json_array_append_new(list, report);
    }
    json_put(out, STR("event_reports"), list);
    if (rc == 0 && n > 0 && (int64_t)n == limit) {
        json_put_int(out, "next_token", (int64_t)rows[n - 1].id);
    }
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

const struct route reports_routes[] = {
    {HTTP_GET, "/_synapse/admin/v1/event_reports", get_reports, .auth = ROUTE_ADMIN,
     .rate = RATE_DEFAULT},
    {0},
};
