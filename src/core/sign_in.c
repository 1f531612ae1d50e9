/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sign_in.h"

#include "base/clock.h"
#include "base/rand.h"
#include "core/device_list.h"
#include "core/limits.h"
#include "core/server.h"
#include "crypto/token.h"
#include "store/devices.h"
#include "store/tokens.h"
#include "store/users.h"

enum { MADE_UP_DEVICE_ID = 10 }; /* characters: unique within one user is enough */

/* ---- tokens ----------------------------------------------------------------------------------- */

struct pair {
    unsigned char hash[SHA256_LEN], refresh_hash[SHA256_LEN];
    struct new_token row;
};

static struct str make_token(struct arena *a, enum token_kind kind, unsigned char hash[SHA256_LEN],
                             struct str *out_hash)
{
    struct str token = token_new(a, kind);
    token_hash(token, hash);
    *out_hash = str_n((char *)hash, SHA256_LEN);
    return token;
}

/* The tokens as the client gets them and as they are stored. Only what can be refreshed expires. */
static void make_pair(const struct server *s, struct arena *a, bool with_refresh,
                      struct signed_in *out, struct pair *pair)
{
    int64_t lifetime = with_refresh ? s->config->access_tokens.lifetime_ms : 0;
    out->access_token = make_token(a, TOKEN_ACCESS, pair->hash, &pair->row.hash);
    if (with_refresh) {
        out->refresh_token =
            make_token(a, TOKEN_REFRESH, pair->refresh_hash, &pair->row.refresh_hash);
    }
    pair->row.expires_ts = lifetime ? clock_wall_ms() + lifetime : 0;
    out->expires_in_ms = lifetime;
}

/* ---- signing in ------------------------------------------------------------------------------- */

struct entering {
    struct server *server;
    const struct sign_in *who;
    struct str device_id;
    struct pair pair;
};

/* The account may have ended since the password was checked. */
static int check_open(struct txn *t, uint64_t user_nid, struct err *err)
{
    struct user_row user;
    int rc = users_get(txn_read(t), txn_arena(t), user_nid, &user, err);
    return rc == 0 && user.is_deactivated ? err_set(err, E_FORBIDDEN, 403, "M_USER_DEACTIVATED",
                                                    "This account has been deactivated")
                                          : rc;
}

/* A device with this id that is there already is none more. */
static int check_devices(struct txn *t, const struct entering *e, struct err *err)
{
    int64_t most = e->server->config->limits.devices_per_user, n = 0;
    struct device_row device;
    if (most == 0) {
        return 0;
    }
    int rc = devices_count(txn_read(t), e->who->user_nid, &n, err);
    if (rc != 0 || n < most) {
        return rc;
    }
    rc = devices_find(txn_read(t), txn_arena(t), e->who->user_nid, e->device_id, &device, err);
    return rc == E_NOT_FOUND
               ? limit_of_user(e->server, err,
                               "You are signed in on %lld devices: sign one out first",
                               (long long)n)
               : rc;
}

static int enter(struct txn *t, void *arg)
{
    struct entering *e = arg;
    struct err *err = txn_err(t);
    uint64_t user = e->who->user_nid, device;
    bool is_new;
    int rc = check_open(t, user, err);
    rc = rc ? rc : check_devices(t, e, err);
    rc = rc ? rc : devices_put(t, user, e->device_id, e->who->display_name, &device, &is_new, err);
    if (rc == 0 && !is_new) {
        rc = tokens_delete_of_device(t, user, device, err);
    }
    return rc ? rc : tokens_insert(t, user, device, &e->pair.row, err);
}

struct str sign_in_new_device_id(struct arena *a)
{
    return rand_alnum(a, MADE_UP_DEVICE_ID);
}

int sign_in(struct server *s, struct arena *a, const struct sign_in *who, struct signed_in *out,
            struct err *err)
{
    struct entering e = {
        .server = s,
        .who = who,
        .device_id = who->device_id.n ? who->device_id : sign_in_new_device_id(a),
    };
    *out = (struct signed_in){.device_id = e.device_id};
    make_pair(s, a, who->wants_refresh, out, &e.pair);
    return store_write(s->store, "sign-in", enter, &e, err);
}

void sign_in_put(json_t *reply, const struct signed_in *in)
{
    if (in->device_id.n) {
        json_put_str(reply, "device_id", in->device_id);
    }
    json_put_str(reply, "access_token", in->access_token);
    if (in->refresh_token.p) {
        json_put_str(reply, "refresh_token", in->refresh_token);
    }
    if (in->expires_in_ms) {
        json_put_int(reply, "expires_in_ms", in->expires_in_ms);
    }
}

/* ---- refreshing ------------------------------------------------------------------------------- */

struct exchange_of_tokens {
    struct str hash;
    struct pair pair;
    bool is_refused;
};

/* Anybody can send tokens that are not valid: that must not fail the transaction, which others share. */
static int exchange(struct txn *t, void *arg)
{
    struct exchange_of_tokens *x = arg;
    int rc = tokens_refresh(t, x->hash, &x->pair.row, clock_wall_ms(), txn_err(t));
    x->is_refused = rc == E_NOT_FOUND;
    return x->is_refused ? 0 : rc;
}

static int unknown_refresh_token(struct err *err)
{
    return err_set(err, E_FORBIDDEN, 401, "M_UNKNOWN_TOKEN",
                   "This refresh token is not valid any more");
}

int sign_in_refresh(struct server *s, struct arena *a, struct str refresh_token,
                    struct signed_in *out, struct err *err)
{
    unsigned char hash[SHA256_LEN];
    struct exchange_of_tokens x = {.hash = str_n((char *)hash, sizeof(hash))};
    if (!token_is_plausible(refresh_token)) {
        return unknown_refresh_token(err);
    }
    token_hash(refresh_token, hash);
    *out = (struct signed_in){0};
    make_pair(s, a, true, out, &x.pair);
    int rc = store_write(s->store, "refresh", exchange, &x, err);
    return rc == 0 && x.is_refused ? unknown_refresh_token(err) : rc;
}

/* ---- signing out ------------------------------------------------------------------------------ */

int sign_out(struct txn *t, struct server *s, uint64_t user_nid, uint64_t device_nid,
             struct err *err)
{
    int rc = devices_delete(t, user_nid, device_nid, err);
    return rc ? rc : device_list_announce(t, s, user_nid, err);
}

int sign_out_all(struct txn *t, struct server *s, uint64_t user_nid, uint64_t keep_device,
                 struct err *err)
{
    struct device_row *devices;
    size_t n;
    int rc = devices_of_user(txn_read(t), txn_arena(t), user_nid, &devices, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (devices[i].nid != keep_device) {
            rc = devices_delete(t, user_nid, devices[i].nid, err);
        }
    }
    rc = rc ? rc : tokens_delete_of_user(t, user_nid, keep_device, err);
    return rc ? rc : device_list_announce(t, s, user_nid, err);
}
