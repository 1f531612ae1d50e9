/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding people by a part of their name (client-server API, "User Directory"). Each local user is kept under the parts
 * of their user id and display name (store/user_directory.h), folded (matrix/text_fold.h).
 *
 * A term may have several words; each has to be in the user id or the name. The first names are those that begin a word
 * with the longest of them. The work is bounded: of more than USER_DIRECTORY_SCAN candidates only the first are seen.
 */
#ifndef INGOT_CORE_USER_DIRECTORY_H
#define INGOT_CORE_USER_DIRECTORY_H

#include "base/arena.h"
#include "base/err.h"

struct server;
struct txn;

enum { USER_DIRECTORY_SCAN = 2000, USER_DIRECTORY_TERM = 256 /* bytes */ };

/* The user's display name has changed, or the user is new. After the profile was written, in the same transaction. */
MUST_USE int user_directory_update(struct txn *t, uint64_t user_nid, struct err *err);
/* Puts those in, or in anew, who were there before the directory was as it is: for the table of tasks. How far this has
 * come is kept in the database. */
MUST_USE int user_directory_task(struct server *s, struct err *err);

struct found_user {
    uint64_t nid;
    struct str user_id;
    struct str displayname, avatar_url; /* .p == NULL: none */
};
/* Whom `asker` may find (everybody, if so configured): those who share a room with them or are in a public one, at most
 * `limit`, the best first; in the arena. *out_more: there are others. */
MUST_USE int user_directory_search(struct server *s, struct arena *a, uint64_t asker,
                                   struct str term, size_t limit, struct found_user **out,
                                   size_t *out_n, bool *out_more, struct err *err);

#endif
