/* SPDX-License-Identifier: Apache-2.0 */
/* GET and POST publicRooms: the published directory with search and paging. */
#include <inttypes.h>

#include "client/handler.h"
#include "client/routes.h"
#include "core/room_summary.h"
#include "store/appservices.h"
#include "store/rooms.h"
#include "wire/jfield.h"

enum {
    ANSWER_MAX = 64 << 20,
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 500,
    TERM_MAX = 255, /* bytes: a search takes the term's length times that of the texts */
};

struct search_body {
    int64_t limit;
    struct str since, third_party_instance_id;
    bool include_all_networks;
    const json_t *filter;
};
static const struct jfield search_fields[] = {
    FIELD(struct search_body, limit, .flags = OPT),
    FIELD(struct search_body, since, .flags = OPT),
    FIELD(struct search_body, third_party_instance_id, .flags = OPT),
    FIELD(struct search_body, include_all_networks, .flags = OPT),
    FIELD(struct search_body, filter, .flags = OPT | J_OBJECT),
    {0},
};

struct filter_body {
    struct str generic_search_term;
    const json_t *room_types;
};
static const struct jfield filter_fields[] = {
    FIELD(struct filter_body, generic_search_term, .flags = OPT, .max = TERM_MAX),
    FIELD(struct filter_body, room_types, .flags = OPT | J_ARRAY),
    {0},
};

struct search {
    int64_t limit, offset;
    struct str instance;      /* a network's directory (client/thirdparty.c); .p == NULL: our own */
    bool all_networks;        /* our own and those of all networks */
    struct str term;          /* empty: all */
    const json_t *room_types; /* NULL: all; an array of strings and null */
};

static bool contains(struct str text, struct str term)
{
    for (size_t i = 0; i + term.n <= text.n; i++) {
        if (str_eq_nocase(str_n(text.p + i, term.n), term)) {
            return true;
        }
    }
    return term.n == 0;
}

static bool type_matches(const struct search *q, const struct room_summary *sum)
{
    for (size_t i = 0; i < json_array_size(q->room_types); i++) {
        const json_t *type = json_array_get(q->room_types, i);
        if (json_is_null(type) ? !sum->room_type.p : str_eq(json_str(type), sum->room_type)) {
            return true;
        }
    }
    return !q->room_types;
}

static bool matches(const struct search *q, const struct room_summary *sum)
{
    return type_matches(q, sum) && (contains(sum->name, q->term) || contains(sum->topic, q->term) ||
                                    contains(sum->canonical_alias, q->term));
}

static int list_rooms(struct request *rq, const struct search *q, struct published_room **out,
                      size_t *n, struct err *err)
{
    struct db_read *r = store_reader(server_of(rq)->store);
    struct str appservice, network;
    if (q->all_networks) {
        return appservice_rooms_all(r, rq->arena, out, n, err);
    }
    if (q->instance.p) {
        str_split(q->instance, '|', &appservice, &network);
        return appservice_rooms_of(r, rq->arena, appservice, network, out, n, err);
    }
    return rooms_published(r, rq->arena, out, n, err);
}

/* Pages are counted by matches: the directory's order is stable as long as the numbers of members are. */
static int write_matches(struct request *rq, const struct search *q, struct json_writer *w,
                         int64_t *out_total, struct err *err)
{
    struct server *s = server_of(rq);
    struct published_room *rooms;
    size_t n = 0;
    int rc = list_rooms(rq, q, &rooms, &n, err);
    *out_total = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct room *room;
        struct room_summary sum;
        rc = room_hold_nid(s, rq->arena, rooms[i].nid, &room, err);
        if (rc == 0) {
            rc = room_summary_of(s, rq->arena, room, &sum, err);
        }
        if (rc != 0 || !matches(q, &sum)) {
            continue;
        }
        if (*out_total >= q->offset && *out_total < q->offset + q->limit) {
            jw_object(w);
            room_summary_write(w, &sum);
            jw_end(w);
        }
        (*out_total)++;
    }
    return rc;
}

static int reply_page(struct request *rq, const struct search *q, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    int64_t total;
    jw_object(&w);
    JW_ARRAY(&w, "chunk");
    int rc = write_matches(rq, q, &w, &total, err);
    jw_end(&w);
    JW_INT(&w, "total_room_count_estimate", total);
    if (q->offset + q->limit < total) {
        JW_STR(&w, "next_batch", arena_printf(rq->arena, "p%" PRId64, q->offset + q->limit));
    }
    if (q->offset > 0) {
        JW_STR(&w, "prev_batch",
               arena_printf(rq->arena, "p%" PRId64, MAX(q->offset - q->limit, 0)));
    }
    jw_end(&w);
    return handler_reply_written(rq, &out, rc, err);
}

static int read_since(struct str since, int64_t *out, struct err *err)
{
    *out = 0;
    if (since.n == 0) {
        return 0;
    }
    if (since.p[0] != 'p' || !str_to_i64(str_from(since, 1), out) || *out < 0 ||
        *out > INT64_MAX - LIMIT_MAX) {
        return err_invalid_param(err, "since is not a token of this directory");
    }
    return 0;
}

/* `server`: the directory of another one; only our own can be answered without federation. */
static int check_server(struct request *rq, struct err *err)
{
    struct str server = request_query(rq, "server");
    if (server.n && !str_eq(server, server_of(rq)->server_name)) {
        return err_forbidden(
            err, "The directory of %.*s cannot be reached: this server does not federate",
            STR_ARG(server));
    }
    return 0;
}

static int get_public_rooms(struct request *rq, struct err *err)
{
    struct search q = {.term = STR_NONE};
    int rc = check_server(rq, err);
    if (rc == 0) {
        rc = request_query_limit(rq, "limit", LIMIT_DEFAULT, LIMIT_MAX, &q.limit, err);
    }
    if (rc == 0) {
        rc = read_since(request_query(rq, "since"), &q.offset, err);
    }
    return rc == 0 ? reply_page(rq, &q, err) : rc;
}

static int read_filter(struct request *rq, const json_t *filter, struct search *q, struct err *err)
{
    struct filter_body in = {0};
    int rc = filter ? json_decode(rq->arena, filter, filter_fields, &in, err) : 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(in.room_types); i++) {
        const json_t *type = json_array_get(in.room_types, i);
        if (!json_is_string(type) && !json_is_null(type)) {
            rc = err_bad_json(err, "A type of rooms is a string, or null for none");
        }
    }
    q->term = in.generic_search_term;
    q->room_types = in.room_types;
    return rc;
}

static int post_public_rooms(struct request *rq, struct err *err)
{
    const struct search_body *in = rq->in;
    struct search q = {.limit = in->limit > 0 ? MIN(in->limit, LIMIT_MAX) : LIMIT_DEFAULT,
                       .instance = in->third_party_instance_id,
                       .all_networks = in->include_all_networks};
    if (q.all_networks && q.instance.p) {
        return err_invalid_param(err,
                                 "A network and all networks together cannot both be asked for");
    }
    int rc = check_server(rq, err);
    if (rc == 0) {
        rc = read_filter(rq, in->filter, &q, err);
    }
    if (rc == 0) {
        rc = read_since(in->since, &q.offset, err);
    }
    return rc == 0 ? reply_page(rq, &q, err) : rc;
}

const struct route public_rooms_routes[] = {
    {HTTP_GET, "/_matrix/client/v3/publicRooms", get_public_rooms, .auth = ROUTE_NONE,
     .rate = RATE_SEARCH},
    {HTTP_POST, "/_matrix/client/v3/publicRooms", post_public_rooms, .auth = ROUTE_USER,
     BODY(struct search_body, search_fields), .rate = RATE_SEARCH},
    {0},
};
