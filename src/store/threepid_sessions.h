/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs in progress that somebody reads the mail of an address. Tokens and client secrets are kept as SHA-256. */
#ifndef INGOT_STORE_THREEPID_SESSIONS_H
#define INGOT_STORE_THREEPID_SESSIONS_H

#include "store/store.h"

/* The letter says what the proof is for, so it is good for nothing else. Stored: the numbers stay. */
enum threepid_purpose {
    THREEPID_REGISTER = 1,
    THREEPID_PASSWORD = 2,
    THREEPID_ADD = 3,
};

struct threepid_session {
    struct str session_id;
    int purpose; /* enum threepid_purpose */
    struct str medium, address;
    struct str secret_hash;
    struct str token_hash; /* .p == NULL: nothing was sent that could prove anything */
    int64_t send_attempt;
    struct str next_link; /* .p == NULL: none */
    int64_t validated_ts; /* 0: not yet */
    int64_t expires_ts;
};

/*
 * Begins a session, or goes on with the one that has the same address, secret and purpose: then its id comes back in
 * row->session_id, and a greater send_attempt replaces attempt, token, link and expiry; *out_send says whether there is
 * a mail to be sent. The id is in the transaction's arena or the caller's.
 */
MUST_USE int threepid_sessions_begin(struct txn *t, struct threepid_session *row, bool *out_send,
                                     struct err *err);
/* The mail of this attempt was not sent after all: the client may ask for it again with the same number. */
MUST_USE int threepid_sessions_unsend(struct txn *t, struct str session_id, int64_t send_attempt,
                                      struct err *err);
/* E_NOT_FOUND also if it has expired at now. */
MUST_USE int threepid_sessions_find(struct db_read *r, struct arena *a, struct str session_id,
                                    int64_t now, struct threepid_session *out, struct err *err);
/* Only if the token is that of the newest mail; E_NOT_FOUND (which dooms nothing) if it is not, or if the session has
 * expired at now. Again is no error: the first time stays. */
MUST_USE int threepid_sessions_validate(struct txn *t, struct str session_id, struct str token_hash,
                                        int64_t now, struct err *err);
/* E_NOT_FOUND (which dooms nothing) if it is gone: a proof is good once. */
MUST_USE int threepid_sessions_use(struct txn *t, struct str session_id, struct err *err);
MUST_USE int threepid_sessions_delete_expired(struct txn *t, int64_t now, struct err *err);

#endif
