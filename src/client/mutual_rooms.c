/* SPDX-License-Identifier: Apache-2.0 */
/* GET mutual_rooms: where the caller and somebody else both are (MSC2666). */
#include <inttypes.h>
#include <stdlib.h>

#include "client/handler.h"
#include "client/routes.h"
#include "core/live_user.h"
#include "matrix/ids.h"
#include "store/names.h"
#include "wire/json.h"

enum { PAGE = 100 };

static int compare_nids(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The nids of the rooms that the caller is joined to, and the other too; sorted. */
static int mutual_rooms(struct request *rq, uint64_t other, uint64_t **out, size_t *out_n,
                        struct err *err)
{
    struct user_room *rooms;
    size_t n;
    *out_n = 0;
    int rc = user_rooms(server_of(rq), rq->arena, rq->who.user_nid, &rooms, &n, err);
    *out = rc == 0 ? arena_array(rq->arena, uint64_t, n) : NULL;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct user_room there = {.membership = MEMBERSHIP_NONE};
        if (rooms[i].membership != MEMBERSHIP_JOIN) {
            continue;
        }
        rc = user_room(server_of(rq), other, rooms[i].room, &there, err);
        if (rc == 0 && there.membership == MEMBERSHIP_JOIN) {
            (*out)[(*out_n)++] = rooms[i].room;
        }
    }
    if (*out_n > 0) {
        qsort(*out, *out_n, sizeof(**out), compare_nids);
    }
    return rc;
}

/* A token is the last room's nid: it never expires, and who joins or leaves meanwhile moves nothing. */
static int read_from(struct str from, uint64_t *out, struct err *err)
{
    *out = 0;
    bool ok = !from.p || (from.n > 1 && from.p[0] == 'm' && str_to_u64(str_from(from, 1), out));
    return ok ? 0 : err_invalid_param(err, "from is not a token of this list");
}

static int reply_page(struct request *rq, const uint64_t *rooms, size_t n, uint64_t after,
                      struct err *err)
{
    json_t *out = json_object(), *joined = json_array();
    size_t i = 0;
    int rc = 0;
    while (i < n && rooms[i] <= after) {
        i++;
    }
    for (; rc == 0 && i < n && json_array_size(joined) < PAGE; i++) {
        struct room *room;
        rc = room_hold_nid(server_of(rq), rq->arena, rooms[i], &room, err);
        if (rc == 0) {
            json_array_append_new(joined, json_new_str(room->room_id));
        }
    }
    json_put(out, STR("joined"), joined);
    json_put_int(out, "count", (int64_t)n);
    if (i < n) {
        json_put_str(out, "next_batch", arena_printf(rq->arena, "m%" PRIu64, rooms[i - 1]));
    }
    return rc == 0 ? reply_json(rq, 200, out) : rc;
}

static int read_user(struct request *rq, uint64_t *out, struct err *err)
{
    struct server *s = server_of(rq);
    struct str user_id = request_query(rq, "user_id");
    struct matrix_id id;
    if (!user_id_parse(user_id, &id)) {
        return err_invalid_param(err, "user_id must be the id of a user");
    }
    if (str_eq(user_id, rq->who.user_id)) {
        return err_invalid_param(err, "user_id must be somebody else's");
    }
    return names_find(s->store, store_reader(s->store), user_id, out, err);
}

static int get_mutual_rooms(struct request *rq, struct err *err)
{
    uint64_t other, after, *rooms = NULL;
    size_t n = 0;
    int rc = read_user(rq, &other, err);
    rc = rc ? rc : read_from(request_query_token(rq, "from"), &after, err);
    if (rc == 0 && other) {
        rc = mutual_rooms(rq, other, &rooms, &n, err);
    }
    return rc == 0 ? reply_page(rq, rooms, n, after, err) : rc;
}

const struct route mutual_rooms_routes[] = {
    {HTTP_GET, "/_matrix/client/v1/mutual_rooms", get_mutual_rooms, .auth = ROUTE_USER,
     .rate = RATE_SEARCH},
    {0},
};
