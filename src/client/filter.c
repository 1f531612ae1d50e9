/* SPDX-License-Identifier: Apache-2.0 */
/* Filters kept for later use ("Filtering"): the same filter gets the same id. */
#include "client/filter.h"
#include "client/handler.h"
#include "client/routes.h"
#include "core/filter.h"
#include "crypto/hash.h"
#include "store/filters.h"
#include "wire/canonical.h"

enum {
    FILTER_MAX = 64 * 1024, /* bytes */
    FILTERS_MAX =
        1000, /* of one user: clients have a handful each, and get the same id for the same filter */
    ID_HASH = 4, /* bytes of the hash in an id */
};

/* ---- ids ---- */

static struct str hash_part(struct arena *a, struct str json)
{
    unsigned char hash[SHA256_LEN];
    sha256(json, hash);
    return hex_encode(a, str_n((const char *)hash, ID_HASH));
}

static struct str id_of_filter(struct arena *a, int64_t number, struct str json)
{
    return arena_printf(a, "%lld.%.*s", (long long)number, STR_ARG(hash_part(a, json)));
}

int filter_of_id(struct request *rq, struct str id, struct str *out, bool *out_lost,
                 struct err *err)
{
    struct str number, hash, json = STR_NONE, bytes;
    int64_t n;
    bool has_hash = str_split(id, '.', &number, &hash);
    *out_lost = false;
    if (!str_to_i64(number, &n)) {
        return err_not_found(err, "There is no filter %.*s", STR_ARG(id));
    }
    int rc =
        filters_get(store_reader(server_of(rq)->store), rq->arena, rq->who.user_nid, n, &json, err);
    bool is_same = !has_hash || str_eq(hash, hash_part(rq->arena, json));
    if (rc == E_NOT_FOUND || (rc == 0 && !is_same)) {
        *out_lost = has_hash && hash.n == 2 * ID_HASH && hex_decode(rq->arena, hash, &bytes);
        return err_not_found(err, "There is no filter %.*s", STR_ARG(id));
    }
    *out = json;
    return rc;
}

/* ---- POST and GET filter ---- */

struct new_filter {
    uint64_t user;
    struct str json;
    int64_t id;
};

static int write_filter(struct txn *t, void *arg)
{
    struct new_filter *f = arg;
    return filters_put(t, f->user, f->json, FILTERS_MAX, &f->id, txn_err(t));
}

static int post_filter(struct request *rq, struct err *err)
{
    struct new_filter f = {.user = rq->who.user_nid};
    struct filter parsed;
    int rc = handler_self(rq, 0, err);
    if (rc == 0) {
        rc = filter_parse(rq->arena, rq->json, &parsed, err);
    }
    if (rc == 0) {
        rc = canonical_encode(rq->arena, rq->json, 0, &f.json, err);
    }
    if (rc == 0) {
        rc = store_write(server_of(rq)->store, "filter", write_filter, &f, err);
    }
    if (rc != 0) {
        return rc;
    }
    json_t *out = json_object();
    json_put_str(out, "filter_id", id_of_filter(rq->arena, f.id, f.json));
    return reply_json(rq, 200, out);
}

static int get_filter(struct request *rq, struct err *err)
{
    struct str json;
    bool is_lost;
    int rc = handler_self(rq, 0, err);
    rc = rc ? rc : filter_of_id(rq, rq->params[1], &json, &is_lost, err);
    return rc == 0 ? reply_bytes(rq, 200, "application/json", json) : rc;
}

const struct route filter_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/user/{userId}/filter", post_filter, .auth = ROUTE_USER,
     .body = ROUTE_BODY_JSON, .body_max = FILTER_MAX, .rate = RATE_DEFAULT},
    {HTTP_GET, "/_matrix/client/v3/user/{userId}/filter/{filterId}", get_filter, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {0},
};
