/* SPDX-License-Identifier: Apache-2.0 */
/* Registration tokens: those of the configuration, which are good for ever, and those of the database. */
#ifndef INGOT_CLIENT_REGISTRATION_TOKEN_H
#define INGOT_CLIENT_REGISTRATION_TOKEN_H

#include "core/server.h"

/* Whether the token is valid now; *out_is_stored: it is one whose uses the database counts. */
MUST_USE int registration_token_check(struct server *s, struct arena *a, struct str token,
                                      bool *out_valid, bool *out_is_stored, struct err *err);

#endif
