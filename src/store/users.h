/* SPDX-License-Identifier: Apache-2.0 */
/* The accounts of this server. Their ids are interned names; their devices are in devices.h. */
#ifndef INGOT_STORE_USERS_H
#define INGOT_STORE_USERS_H

#include "store/store.h"

struct user_row {
    uint64_t nid;
    struct str localpart;
    struct str password_hash; /* .p == NULL: no password login */
    bool is_admin, is_guest, is_deactivated, is_erased, is_locked, is_suspended;
    int64_t created_ts;
    struct str appservice; /* .p == NULL: none */
};

/* E_CONFLICT (which dooms nothing) if the localpart or the nid is taken. */
MUST_USE int users_insert(struct txn *t, const struct user_row *row, struct err *err);
MUST_USE int users_find(struct db_read *r, struct arena *a, struct str localpart,
                        struct user_row *out, struct err *err);
MUST_USE int users_get(struct db_read *r, struct arena *a, uint64_t nid, struct user_row *out,
                       struct err *err);
/* Users in order of localpart, after this one (empty: from the start). */
MUST_USE int users_list(struct db_read *r, struct arena *a, struct str after, int64_t limit,
                        struct user_row **out, size_t *out_n, struct err *err);
MUST_USE int users_count(struct db_read *r, int64_t *out, struct err *err);
/* Whether there are `n` active accounts of people at least: no guests, no users of appservices. */
MUST_USE int users_are_at_least(struct db_read *r, int64_t n, bool *out, struct err *err);

/* Those of n users who are guests; in the arena. */
MUST_USE int users_guests_among(struct db_read *r, struct arena *a, const uint64_t *users, size_t n,
                                uint64_t **out, size_t *out_n, struct err *err);

/* hash.p == NULL: no password login any more. These: E_NOT_FOUND (which dooms nothing). */
MUST_USE int users_set_password(struct txn *t, uint64_t nid, struct str hash, struct err *err);
/* Whether this is an administrator and no other is left who could act as one. */
MUST_USE int users_is_last_admin(struct db_read *r, uint64_t nid, bool *out, struct err *err);
enum user_flag { USER_ADMIN, USER_LOCKED, USER_SUSPENDED, USER_GUEST };
MUST_USE int users_set_flag(struct txn *t, uint64_t nid, enum user_flag flag, bool value,
                            struct err *err);

/*
 * Ends the account for good: password, tokens, devices with their keys and messages, pushers, account data,
 * key backups, filters, push rules and addresses go; the localpart stays taken. With `erase` the profile goes too.
 * Leaving the rooms is the caller's business. The device ids that ended are not announced here either.
 */
MUST_USE int users_deactivate(struct txn *t, uint64_t nid, bool erase, struct err *err);

#endif
