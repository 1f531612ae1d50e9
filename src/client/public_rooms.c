/* SPDX-License-Identifier: Apache-2.0 */
/* GET and POST publicRooms: the published directory with search and paging. */
#include <inttypes.h>

#include "client/handler.h"
#include "client/routes.h"
#include "core/room_directory.h"
#include "core/room_summary.h"
#include "matrix/text_fold.h"
#include "store/room_directory.h"
#include "wire/jfield.h"

enum {
    ANSWER_MAX = 64 << 20,
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 500,
    ROWS_AT_ONCE = 500,
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
    struct directory_query rows;
    int64_t limit;
    struct str term;          /* folded, as rows are; empty: all */
    const json_t *room_types; /* NULL: all; an array of strings and null */
};

static bool type_matches(const struct search *q, const struct directory_row *row)
{
    for (size_t i = 0; i < json_array_size(q->room_types); i++) {
        const json_t *type = json_array_get(q->room_types, i);
        if (str_eq(json_is_null(type) ? STR("") : json_str(type), row->room_type)) {
            return true;
        }
    }
    return !q->room_types;
}

/* A page in the making. */
struct page {
    struct request *rq;
    const struct search *search;
    struct directory_query at; /* where the next rows begin */
    struct directory_row *found;
    size_t n;
    bool more; /* there are further matches in this direction */
};

static int take_rows(struct page *p, bool *out_end, struct err *err)
{
    const struct search *q = p->search;
    struct directory_row *rows;
    size_t n = 0;
    p->at.limit = ROWS_AT_ONCE;
    int rc = room_directory_page(store_reader(server_of(p->rq)->store), p->rq->arena, &p->at, &rows,
                                 &n, err);
    for (size_t i = 0; rc == 0 && i < n && !p->more; i++) {
        p->at.joined = rows[i].joined;
        p->at.room_nid = rows[i].room_nid;
        if (!type_matches(q, &rows[i]) || str_find(rows[i].words, q->term) < 0) {
            continue;
        }
        if ((int64_t)p->n == q->limit) {
            p->more = true;
        } else {
            p->found[p->n++] = rows[i];
        }
    }
    *out_end = n < ROWS_AT_ONCE;
    return rc;
}

static int find_matches(struct page *p, struct err *err)
{
    bool end = false;
    int rc = 0;
    p->at = p->search->rows;
    p->found = arena_array(p->rq->arena, struct directory_row, (size_t)p->search->limit);
    while (rc == 0 && !end && !p->more) {
        rc = take_rows(p, &end, err);
    }
    for (size_t i = 0; p->at.backwards && i < p->n / 2; i++) {
        struct directory_row other = p->found[i];
        p->found[i] = p->found[p->n - 1 - i];
        p->found[p->n - 1 - i] = other;
    }
    return rc;
}

static int write_room(struct page *p, struct json_writer *w, uint64_t room_nid, struct err *err)
{
    struct server *s = server_of(p->rq);
    struct room *room;
    struct room_summary sum;
    int rc = room_hold_nid(s, p->rq->arena, room_nid, &room, err);
    rc = rc ? rc : room_summary_of(s, p->rq->arena, room, &sum, err);
    if (rc == 0) {
        jw_object(w);
        room_summary_write(w, &sum);
        jw_end(w);
    }
    return rc == E_NOT_FOUND ? 0 : rc; /* purged in this moment */
}

static struct str token(struct page *p, char direction, const struct directory_row *row)
{
    return arena_printf(p->rq->arena, "%c%" PRId64 ".%" PRIu64, direction, row->joined,
                        row->room_nid);
}

static void write_tokens(struct page *p, struct json_writer *w)
{
    bool backwards = p->search->rows.backwards, is_first = p->search->rows.joined == INT64_MAX;
    if (p->n > 0 && (p->more || backwards)) {
        JW_STR(w, "next_batch", token(p, 'n', &p->found[p->n - 1]));
    }
    if (p->n > 0 && (backwards ? p->more : !is_first)) {
        JW_STR(w, "prev_batch", token(p, 'p', &p->found[0]));
    }
}

static int write_page(struct page *p, struct json_writer *w, struct err *err)
{
    int64_t total = 0;
    int rc = 0;
    jw_object(w);
    JW_ARRAY(w, "chunk");
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        rc = write_room(p, w, p->found[i].room_nid, err);
    }
    jw_end(w);
    write_tokens(p, w);
    rc = rc ? rc
            : room_directory_count(store_reader(server_of(p->rq)->store), &p->search->rows, &total,
                                   err);
    /* Of a search only a bound is known, unless this is all. */
    bool is_all = !p->more && p->search->rows.joined == INT64_MAX;
    JW_INT(w, "total_room_count_estimate", is_all ? (int64_t)p->n : total);
    jw_end(w);
    return rc;
}

static int reply_page(struct request *rq, const struct search *q, struct err *err)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    struct page p = {.rq = rq, .search = q};
    int rc = room_directory_catch_up(server_of(rq), err);
    rc = rc ? rc : find_matches(&p, err);
    rc = rc ? rc : write_page(&p, &w, err);
    return handler_reply_written(rq, &out, rc, err);
}

/* "n" or "p", and the room that the page begins after, or ends before: members.nid */
static int read_since(struct str since, struct directory_query *out, struct err *err)
{
    struct str joined, nid;
    out->joined = INT64_MAX;
    out->room_nid = INT64_MAX;
    if (since.n == 0) {
        return 0;
    }
    out->backwards = since.p[0] == 'p';
    if ((since.p[0] != 'n' && !out->backwards) ||
        !str_split(str_from(since, 1), '.', &joined, &nid) || !str_to_i64(joined, &out->joined) ||
        !str_to_u64(nid, &out->room_nid) || out->room_nid > INT64_MAX) {
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
        rc = read_since(request_query_token(rq, "since"), &q.rows, err);
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
    q->term = text_fold(rq->arena, in.generic_search_term.p ? in.generic_search_term : STR(""));
    q->room_types = in.room_types;
    return rc;
}

/* An instance of a network: "appservice|network" (client/thirdparty.c). */
static void choose_directory(const struct search_body *in, struct directory_query *out)
{
    if (in->include_all_networks) {
        out->which = DIRECTORY_ALL;
    } else if (in->third_party_instance_id.n) {
        out->which = DIRECTORY_NETWORK;
        str_split(in->third_party_instance_id, '|', &out->appservice, &out->network);
    }
}

static int post_public_rooms(struct request *rq, struct err *err)
{
    const struct search_body *in = rq->in;
    struct search q = {.limit = in->limit > 0 ? MIN(in->limit, LIMIT_MAX) : LIMIT_DEFAULT};
    choose_directory(in, &q.rows);
    if (in->include_all_networks && in->third_party_instance_id.n) {
        return err_invalid_param(err,
                                 "A network and all networks together cannot both be asked for");
    }
    int rc = check_server(rq, err);
    if (rc == 0) {
        rc = read_filter(rq, in->filter, &q, err);
    }
    if (rc == 0) {
        rc = read_since(in->since, &q.rows, err);
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
