/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Application services (bridges, bots): what their registration files say, in Synapse's format
 * (application-service-api, "Registration"), and whose users, aliases and rooms are whose.
 *
 *     struct appservice_set *set;
 *     if (appservice_set_load(config, &set, err) == 0) …
 *     const struct appservice *as = appservice_set_by_token(set, token);
 *     if (as && appservice_has_user(as, user_id)) …
 *
 * A set is immutable and may be read by all threads. The set in force is that of core/appservices.h.
 */
#ifndef INGOT_CORE_APPSERVICE_H
#define INGOT_CORE_APPSERVICE_H

#include "core/config.h"
#include "crypto/hash.h"

struct regex;

enum appservice_space { APPSERVICE_USERS, APPSERVICE_ALIASES, APPSERVICE_ROOMS, APPSERVICE_SPACES };

struct appservice_namespace {
    struct regex *regex;
    bool is_exclusive;
};

struct appservice {
    struct str id;
    struct str url; /* without a slash at the end; empty: it wants no traffic */
    struct str hs_token;
    unsigned char token_hash[SHA256_LEN]; /* of the as_token */
    struct str sender_localpart, sender_id;
    struct str server_name; /* ours */
    bool receives_ephemeral;
    /* The names that `receive_ephemeral` and `ephemeral` had before Matrix 1.13; libraries still want them. */
    bool receives_old_ephemeral;
    bool is_rate_limited;
    struct {
        struct appservice_namespace *p;
        size_t n;
    } spaces[APPSERVICE_SPACES];
    struct config_strs protocols;
    struct str file; /* where it came from */
};

struct appservice_set {
    struct appservice *p;
    size_t n;
    struct arena arena; /* of all strings and arrays */
};

/* Reads the files that the configuration names. E_INVALID with "FILE, line L: what is wrong" for what cannot be read,
 * is no registration, or has an id or an as_token that another file has too. *out is the caller's. */
MUST_USE int appservice_set_load(const struct config *config, struct appservice_set **out,
                                 struct err *err);
void appservice_set_free(struct appservice_set *set); /* NULL is allowed */

/* Whose as_token has this SHA-256, whose id this is; NULL: nobody's. */
const struct appservice *appservice_set_by_hash(const struct appservice_set *set,
                                                const unsigned char hash[SHA256_LEN]);
const struct appservice *appservice_set_by_id(const struct appservice_set *set, struct str id);

/* Whether the id is one of its namespaces. Users must be local ("Registration"); its sender is one of them. */
bool appservice_has_user(const struct appservice *as, struct str user_id);
bool appservice_has_alias(const struct appservice *as, struct str alias);
bool appservice_has_room(const struct appservice *as, struct str room_id);
/* Whether another one than `except` (NULL: nobody is excepted) has it for itself alone. */
bool appservice_user_is_taken(const struct appservice_set *set, struct str user_id,
                              const struct appservice *except);
bool appservice_alias_is_taken(const struct appservice_set *set, struct str alias,
                               const struct appservice *except);

#endif
