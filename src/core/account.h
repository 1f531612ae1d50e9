/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to accounts, whoever asks for it: the person through the client API, or the operator. Each call is
 * durable when it returns 0. They hash passwords and commit to rooms: slow lane, no lock held.
 */
#ifndef INGOT_CORE_ACCOUNT_H
#define INGOT_CORE_ACCOUNT_H

#include "base/arena.h"
#include "base/err.h"

struct db_read;
struct server;
struct txn;
struct user_row;

enum { DISPLAYNAME_MAX = 256 }; /* bytes; our own limit */

struct new_account {
    struct str localpart;
    struct str password; /* .p == NULL: none, nobody can sign in with one */
    bool is_admin, is_guest;
    bool is_own_wish;       /* somebody registers on their own: registration.max_accounts applies */
    struct str appservice;  /* .p == NULL: none */
    struct str displayname; /* empty: the localpart */
    struct str
        registration_token; /* one of the database, a use of which this is; .p == NULL: none */
    struct str email;       /* its proved address; .p == NULL: none */
    int64_t email_validated_ts;
    int (*also)(struct txn *t, void *arg); /* written with it; NULL: nothing */
    void *also_arg;
};
/* E_INVALID M_INVALID_USERNAME or M_WEAK_PASSWORD, E_CONFLICT (400 M_USER_IN_USE, M_THREEPID_IN_USE), 401
 * M_UNAUTHORIZED when the registration token is used up. *out_nid may be NULL. */
MUST_USE int account_create(struct server *s, struct arena *a, const struct new_account *account,
                            uint64_t *out_nid, struct err *err);

/* A guest becomes a user: takes password, address, registration token and is_own_wish of `account`, keeps name, devices
 * and rooms. Errors as account_create; E_NOT_FOUND if it is no guest any more. */
MUST_USE int account_upgrade_guest(struct server *s, struct arena *a, uint64_t user_nid,
                                   const struct new_account *account, struct err *err);

/* A new password; with `sign_out` all devices end but keep_device (0: none is kept). */
MUST_USE int account_set_password(struct server *s, struct arena *a, uint64_t user_nid,
                                  struct str password, bool sign_out, uint64_t keep_device,
                                  struct err *err);
/* This and all that follow but signing out refuse (403) to take away the last administrator who is able to act. */
MUST_USE int account_set_admin(struct server *s, uint64_t user_nid, bool is_admin, struct err *err);
/* What moderation does to an account (client-server API, "Account locking", "Account suspension"). */
MUST_USE int account_set_locked(struct server *s, uint64_t user_nid, bool is_locked,
                                struct err *err);
MUST_USE int account_set_suspended(struct server *s, uint64_t user_nid, bool is_suspended,
                                   struct err *err);
/* All devices end. */
MUST_USE int account_sign_out(struct server *s, uint64_t user_nid, struct err *err);

/* Ends the account for good and leaves its rooms (invitations and knocks too). With `erase` the profile goes, and
 * newcomers get what the user said only as a redaction would leave it (erasure.h). May be called again for what an
 * interruption left. A room that cannot be left is logged and does not stop the rest. */
MUST_USE int account_deactivate(struct server *s, struct arena *a, uint64_t user_nid, bool erase,
                                struct err *err);

/* 403 if this is the last administrator. `r` may be a transaction's reader. */
MUST_USE int account_check_not_last_admin(struct db_read *r, uint64_t user_nid, struct err *err);
/* 403 M_RESOURCE_LIMIT_EXCEEDED if nobody may register any more (registration.max_accounts). `r` may be a
 * transaction's reader. */
MUST_USE int account_check_room_for_one(struct server *s, struct db_read *r, struct err *err);
/* What a new name must fulfil: 400 M_INVALID_USERNAME, M_USER_IN_USE. */
MUST_USE int account_check_name(struct server *s, struct arena *a, struct str localpart,
                                struct err *err);
/* What a new password must fulfil: E_INVALID M_WEAK_PASSWORD or M_INVALID_PARAM. */
MUST_USE int account_check_password(struct server *s, struct str password, struct err *err);
/* Whether this is the account's password. row == NULL: there is no such account; saying no takes as long. A hash of
 * another kind or cost than the configured one is replaced. */
bool account_has_password(struct server *s, struct arena *a, const struct user_row *row,
                          struct str password);

#endif
