/* SPDX-License-Identifier: Apache-2.0 */
/* Who somebody is by name and password: the same for POST /login and for the m.login.password stage. */
#ifndef INGOT_CLIENT_PASSWORD_PROOF_H
#define INGOT_CLIENT_PASSWORD_PROOF_H

#include "store/users.h"
#include "wire/json.h"

struct request;

/*
 * The account that `identifier` (m.id.user, m.id.thirdparty), or the deprecated `user`, and `password` of this object
 * stand for; strings in the arena. 403 M_FORBIDDEN for a wrong password as for an unknown name, in the same time; 403
 * M_USER_DEACTIVATED; 429 after too many failures for this name; 400 for what is malformed. Hashes: slow lane.
 */
MUST_USE int password_proof(struct request *rq, const json_t *credentials, struct user_row *out,
                            struct err *err);

#endif
