/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identifiers of the protocol (specification, appendices, "Identifier Grammar"): what is well-formed, and which
 * part of it names the server. Everything here looks at views and allocates nothing unless an arena is given; a
 * parsed id borrows from the text it was parsed from.
 *
 *     struct matrix_id id;
 *     if (!user_id_parse(sender, &id)) return err_invalid_param(err, "That is no user id");
 *     ... id.domain ...
 *
 * User ids of peers may have any local part (the historical grammar); those made here keep to the strict one.
 * All limits are in bytes.
 */
#ifndef INGOT_MATRIX_IDS_H
#define INGOT_MATRIX_IDS_H

#include "base/arena.h"

#define ID_MAX_BYTES         255
#define ROOM_VERSION_MAX_LEN 32
#define SERVER_NAME_MAX_BYTES                                                                      \
    230 /* recommended for our own name; peers' names are bounded by their ids */

struct matrix_id {
    struct str full;   /* with the sigil */
    struct str local;  /* without sigil and domain */
    struct str domain; /* empty for a room id of version 12 and an event id of version 3 and up */
};

/* "@local:domain", at most 255 bytes, any UTF-8 local part (even an empty one) without ':' and NUL, and a
 * well-formed server name: what peers may use. False leaves *out alone, here and below. */
MUST_USE bool user_id_parse(struct str text, struct matrix_id *out);
/* Whether the id keeps to the grammar for ids made today: local part of 1 or more of [a-z0-9._=/+-]. */
bool user_id_is_strict(const struct matrix_id *id);
/* Whether `local` can become the local part of a user id on `server`: characters as above, and the size. */
bool user_localpart_is_valid(struct str local, struct str server);
/* With small letters for the capitals A to Z, in the arena: names are made so ("Mapping from other character sets"), so
 * that nobody can be mistaken for somebody else. */
struct str user_localpart_lower(struct arena *a, struct str local);
/* "!opaque:domain", or "!opaque" as in version 12. */
MUST_USE bool room_id_parse(struct str text, struct matrix_id *out);
/* "#alias:domain"; the alias may not be empty. */
MUST_USE bool room_alias_parse(struct str text, struct matrix_id *out);
/* "$opaque:domain", or "$opaque" as in version 3 and later. */
MUST_USE bool event_id_parse(struct str text, struct matrix_id *out);

/* What stands after the first ':', empty if there is none. Of a server name with a port too: the name is what
 * follows the local part, which has no ':'. No check of the grammar. */
struct str id_domain(struct str id);
/* "@local:domain" in the arena. */
struct str user_id_make(struct arena *a, struct str local, struct str domain);

enum host_kind { HOST_NAME, HOST_IPV4, HOST_IPV6 };
struct server_name {
    struct str host; /* an IPv6 literal without its brackets */
    uint16_t port;   /* 0: none given */
    enum host_kind kind;
};
MUST_USE bool server_name_parse(struct str text, struct server_name *out);
bool server_name_is_valid(struct str text);

/* "mxc://server/media_id"; the media id is 1 to 255 of [A-Za-z0-9_-]. */
MUST_USE bool mxc_parse(struct str uri, struct str *out_server, struct str *out_media_id);

/* Common namespaced identifier: 1 to 255 of [a-z0-9._-], starting with a letter. */
bool namespaced_id_is_valid(struct str text);
/* 1 to 32 of [a-z0-9.-]. Says nothing about whether we know the version (room_version_find). */
bool room_version_id_is_valid(struct str text);

/* What a client is told when another server refused with this error code: the same, but M_FORBIDDEN for what would tell
 * the client that its session here has ended. Empty if it is no error code. */
struct str errcode_passed_on(struct str errcode);

#endif
