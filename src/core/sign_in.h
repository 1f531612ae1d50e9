/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices coming and going: giving out tokens for a user whose identity was proved, exchanging refresh tokens, ending
 * devices. A device has at most one access token: signing in with the id of a known device replaces it.
 */
#ifndef INGOT_CORE_SIGN_IN_H
#define INGOT_CORE_SIGN_IN_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/json.h"

enum { DEVICE_ID_MAX = 255, DEVICE_NAME_MAX = 256 }; /* bytes; our own limits */

struct server;
struct txn;

struct sign_in {
    uint64_t user_nid;
    struct str device_id;    /* empty: one is made up */
    struct str display_name; /* of the device if it is new; .p == NULL: none */
    bool wants_refresh;      /* a refresh token, and an access token that expires */
};

struct signed_in {
    struct str device_id, access_token;
    struct str refresh_token; /* .p == NULL: none */
    int64_t expires_in_ms;    /* 0: the access token does not expire */
};

/* An id for a new device. */
struct str sign_in_new_device_id(struct arena *a);

/* Durable when it returns 0; strings in the arena. 403 M_USER_DEACTIVATED if the account has just ended, 403
 * M_USER_LIMIT_EXCEEDED if it would be a device too many. */
MUST_USE int sign_in(struct server *s, struct arena *a, const struct sign_in *who,
                     struct signed_in *out, struct err *err);
/* A new pair for a refresh token, without device_id. 401 M_UNKNOWN_TOKEN. */
MUST_USE int sign_in_refresh(struct server *s, struct arena *a, struct str refresh_token,
                             struct signed_in *out, struct err *err);
/* Members of the answer to login and registration. */
void sign_in_put(json_t *reply, const struct signed_in *in);

/* Ends a device with everything that belongs to it, and announces it. */
MUST_USE int sign_out(struct txn *t, struct server *s, uint64_t user_nid, uint64_t device_nid,
                      struct err *err);
/* All devices and tokens of a user but keep_device (0: none is kept). */
MUST_USE int sign_out_all(struct txn *t, struct server *s, uint64_t user_nid, uint64_t keep_device,
                          struct err *err);

#endif
