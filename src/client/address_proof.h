/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proving that one reads the mail of an address ("Adding Account Administrative Contact Information"): a client begins
 * a session, the person follows the link in the letter, the client then names the session with its secret.
 *
 * What a proof is for stands in the letter, and it is good for nothing else and only once. Whether an address belongs
 * to an account is not told to who asks, unless the configuration says so: its owner learns it by the letter.
 */
#ifndef INGOT_CLIENT_ADDRESS_PROOF_H
#define INGOT_CLIENT_ADDRESS_PROOF_H

#include "store/threepid_sessions.h"
#include "wire/json.h"

struct request;

struct proof_wish {
    enum threepid_purpose purpose;
    struct str address; /* as the person typed it */
    struct str client_secret;
    struct str next_link; /* .p == NULL: none */
    int64_t send_attempt;
};

/*
 * Begins or goes on, and sends the letter. *out_session: its id, in the request's arena. Slow lane. Errors: 400
 * M_THREEPID_MEDIUM_NOT_SUPPORTED (no e-mail here), M_INVALID_PARAM, M_THREEPID_IN_USE, M_THREEPID_NOT_FOUND; 403
 * M_THREEPID_DENIED; 429; 502 when the letter could not be sent.
 */
MUST_USE int address_proof_begin(struct request *rq, const struct proof_wish *wish,
                                 struct str *out_session, struct err *err);

/*
 * The session that `credentials` ({sid, client_secret}) name, if it has been proved: strings in the arena. E_FORBIDDEN
 * (403 M_THREEPID_AUTH_FAILED) if not, or if it is for another purpose. It is not used up: threepid_sessions_use does
 * that, in the transaction that the proof is for.
 */
MUST_USE int address_proof_check(struct request *rq, const json_t *credentials,
                                 enum threepid_purpose purpose, struct threepid_session *out,
                                 struct err *err);

/* Whether people who followed a letter's link may be sent on to this one without being asked. */
struct config;
bool address_proof_may_redirect(const struct config *c, struct str link);

#endif
