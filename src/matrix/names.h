/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: user ids, event types and state keys are interned to 64-bit integers (nids) when they enter the
 * server. The ones that the protocol itself speaks of have fixed nids, so that rules compare integers.
 * The numbers are stored in databases: never change or reuse one, only add below NID_FIRST_FREE.
 */
#ifndef INGOT_MATRIX_NAMES_H
#define INGOT_MATRIX_NAMES_H

#include "base/str.h"

#define WELL_KNOWN_NAMES(X)                                                                        \
    X(1, NID_EMPTY, "")                                                                            \
    X(2, NID_CREATE, "m.room.create")                                                              \
    X(3, NID_MEMBER, "m.room.member")                                                              \
    X(4, NID_POWER_LEVELS, "m.room.power_levels")                                                  \
    X(5, NID_JOIN_RULES, "m.room.join_rules")                                                      \
    X(6, NID_HISTORY_VISIBILITY, "m.room.history_visibility")                                      \
    X(7, NID_GUEST_ACCESS, "m.room.guest_access")                                                  \
    X(8, NID_THIRD_PARTY_INVITE, "m.room.third_party_invite")                                      \
    X(9, NID_NAME, "m.room.name")                                                                  \
    X(10, NID_TOPIC, "m.room.topic")                                                               \
    X(11, NID_AVATAR, "m.room.avatar")                                                             \
    X(12, NID_CANONICAL_ALIAS, "m.room.canonical_alias")                                           \
    X(13, NID_ALIASES, "m.room.aliases")                                                           \
    X(14, NID_ENCRYPTION, "m.room.encryption")                                                     \
    X(15, NID_TOMBSTONE, "m.room.tombstone")                                                       \
    X(16, NID_SERVER_ACL, "m.room.server_acl")                                                     \
    X(17, NID_PINNED_EVENTS, "m.room.pinned_events")                                               \
    X(18, NID_REDACTION, "m.room.redaction")                                                       \
    X(19, NID_MESSAGE, "m.room.message")                                                           \
    X(20, NID_ENCRYPTED, "m.room.encrypted")                                                       \
    X(21, NID_REACTION, "m.reaction")                                                              \
    X(22, NID_STICKER, "m.sticker")                                                                \
    X(23, NID_SPACE_CHILD, "m.space.child")                                                        \
    X(24, NID_SPACE_PARENT, "m.space.parent")                                                      \
    X(25, NID_POLICY, "m.room.policy")                                                             \
    X(26, NID_RETENTION, "m.room.retention")                                                       \
    X(27, NID_CALL_MEMBER, "org.matrix.msc3401.call.member")

enum name_nid {
#define X(number, symbol, text) symbol = (number),
    WELL_KNOWN_NAMES(X)
#undef X
        NID_FIRST_FREE = 1000 /* nids of everything else start here */
};

struct well_known_name {
    uint64_t nid;
    struct str text;
};
extern const struct well_known_name well_known_names[];
extern const size_t well_known_names_n;

/* The nid of a well-known name, or 0. */
uint64_t name_well_known(struct str text);

#endif
