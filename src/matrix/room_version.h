/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room versions: ONE table, a row per version, a column for each thing that differs between versions. Code asks for
 * the property it is about (`version->has_knock`), never for the version's number, so a new version is a new row.
 *
 * The rows are static: pointers to them may be kept and compared.
 */
#ifndef INGOT_MATRIX_ROOM_VERSION_H
#define INGOT_MATRIX_ROOM_VERSION_H

#include "base/str.h"

#define ROOM_VERSION_DEFAULT "12" /* of new rooms: MSC4304 */

enum event_id_format {
    EVENT_ID_OPAQUE, /* "$opaque:domain", a field of the event; references carry hashes (v1, v2) */
    EVENT_ID_HASH,   /* "$" and the reference hash in standard base64 (v3) */
    EVENT_ID_HASH_URLSAFE, /* the same in URL-safe base64 (v4 and later) */
};
enum state_res_algorithm { STATE_RES_V1, STATE_RES_V2, STATE_RES_V2_1 };
/* What a power level may be written as; each allows what the ones after it do. */
enum power_level_grammar {
    POWER_GRAMMAR_FLOATS,  /* integers, strings that hold one, floats (v1 to v5) */
    POWER_GRAMMAR_STRINGS, /* integers, strings that hold one (v6 to v9) */
    POWER_GRAMMAR_INTEGERS,
};
struct redaction_rules; /* matrix/redaction.h */

struct room_version {
    struct str id;
    enum event_id_format event_id_format;
    enum state_res_algorithm state_res;
    enum power_level_grammar power_level_grammar;
    const struct redaction_rules *redaction; /* which keys survive */
    int64_t max_depth;

    /* Event format and signatures */
    bool is_canonical_json_enforced; /* no floats, integers within +-(2^53-1) */
    bool is_key_validity_enforced;   /* the signing key must be valid at origin_server_ts */
    bool has_redacts_in_content;     /* else `redacts` is a top-level key */
    bool is_room_id_create_hash; /* room id = "!" + hash of create, which is in no auth_events */
    bool signs_event_id_server;  /* the server named in the event id must have signed too */

    /* Authorisation rules */
    bool has_aliases_rule;   /* m.room.aliases: the state key is the sender's server */
    bool has_redaction_rule; /* rule 11 of v1, v2: redactions are authorised like any action */
    bool checks_notification_levels;
    bool has_knock;               /* membership and join rule `knock` */
    bool has_restricted;          /* join rule `restricted` */
    bool has_knock_restricted;    /* join rule `knock_restricted` */
    bool has_creator_in_content;  /* the creator is content.creator, else create's sender */
    bool has_privileged_creators; /* create's sender and additional_creators: infinite power */
};

extern const struct room_version room_versions[]; /* "1" to "12" */
extern const size_t room_versions_n;

/* The row of a version, NULL if it is not known here. */
const struct room_version *room_version_find(struct str id);

#endif
