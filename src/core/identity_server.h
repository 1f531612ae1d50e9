/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity servers, as their client (identity service API, v2): publishing who has an address, taking that back,
 * finding who has one, and leaving an invitation for who has none yet. All of these block: slow lane, no lock held.
 *
 * Which servers may be asked is configured (identity_servers.*); an answer of theirs that is an error becomes ours, but
 * none that a client would take for the end of its own session. 504 M_CONNECTION_TIMEOUT if there is no answer.
 */
#ifndef INGOT_CORE_IDENTITY_SERVER_H
#define INGOT_CORE_IDENTITY_SERVER_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/json.h"

struct server;

struct identity_server {
    struct str name;  /* host[:port], as the client named it */
    struct str token; /* the user's access token there (id_access_token); not for identity_unbind */
};
struct threepid {
    struct str medium, address; /* the address in its one form */
};

/* Publishes the address that the session `sid` there has proved. *out is in the arena. */
MUST_USE int identity_bind(struct server *s, struct arena *a, const struct identity_server *is,
                           struct str sid, struct str client_secret, struct str user_id,
                           struct threepid *out, struct err *err);
/* Takes it back, with a signature of ours. *out_done is false if the server does not support that. */
MUST_USE int identity_unbind(struct server *s, struct arena *a, const struct identity_server *is,
                             const struct threepid *who, struct str user_id, bool *out_done,
                             struct err *err);
/* Who has the address; empty if nobody has. The server learns a hash if it wants no more. */
MUST_USE int identity_lookup(struct server *s, struct arena *a, const struct identity_server *is,
                             const struct threepid *who, struct str *out_user_id, struct err *err);
/* Leaves an invitation. `invite`: members of the request besides medium and address. The answer's token is checked:
 * *out is an object with token, display_name and public_keys. */
MUST_USE int identity_store_invite(struct server *s, struct arena *a,
                                   const struct identity_server *is, const struct threepid *who,
                                   json_t *invite, const json_t **out, struct err *err);
/* Asks a key_validity_url whether the key is valid still. */
MUST_USE int identity_key_is_valid(struct server *s, struct arena *a, struct str url,
                                   struct str public_key, bool *out, struct err *err);

/* The path under which a server tells whether its keys are valid. */
struct str identity_key_validity_url(struct server *s, struct arena *a, struct str id_server);

#endif
