/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PDU as the list of its top-level members, each value still canonical JSON text: the form in which events are
 * hashed, redacted, signed, split and merged. Internal to src/matrix: others use event.h.
 */
#ifndef INGOT_MATRIX_PDU_H
#define INGOT_MATRIX_PDU_H

#include "base/arena.h"
#include "base/buf.h"

struct room_version;

/* The keys that the event formats and the redaction algorithm speak of, in canonical order. */
#define PDU_KEYS(X)                                                                                \
    X(AUTH_EVENTS, "auth_events")                                                                  \
    X(CONTENT, "content")                                                                          \
    X(DEPTH, "depth")                                                                              \
    X(EVENT_ID, "event_id")                                                                        \
    X(HASHES, "hashes")                                                                            \
    X(MEMBERSHIP, "membership")                                                                    \
    X(ORIGIN, "origin")                                                                            \
    X(ORIGIN_SERVER_TS, "origin_server_ts")                                                        \
    X(PREV_EVENTS, "prev_events")                                                                  \
    X(PREV_STATE, "prev_state")                                                                    \
    X(REDACTS, "redacts")                                                                          \
    X(ROOM_ID, "room_id")                                                                          \
    X(SENDER, "sender")                                                                            \
    X(SIGNATURES, "signatures")                                                                    \
    X(STATE_KEY, "state_key")                                                                      \
    X(TYPE, "type")                                                                                \
    X(UNSIGNED, "unsigned")

enum pdu_key {
#define X(symbol, text) PDU_##symbol,
    PDU_KEYS(X)
#undef X
        PDU_OTHER /* anything else */
};
#define PDU_BIT(symbol) (UINT32_C(1) << PDU_##symbol)
#define PDU_ALL         UINT32_MAX

struct pdu_member {
    enum pdu_key id;
    struct str key, value; /* as they stand in the JSON text; the key without quotes */
};
struct pdu {
    struct pdu_member *members; /* in canonical order */
    size_t n;
};

enum pdu_key pdu_key_of(struct str key);
extern const struct str pdu_key_names[PDU_OTHER];

/* Members of an object in canonical JSON; the list is in the arena, the values are views. */
struct pdu pdu_scan(struct arena *a, struct str canonical);
/* The raw value of a known key; .p == NULL if absent. */
struct str pdu_find(const struct pdu *pdu, enum pdu_key id);
/* Takes the members whose bits are in `keys` out of the list. */
void pdu_remove(struct pdu *pdu, uint32_t keys);
/* Sets the value of a known key, in its place. The list must have room for one more member. */
void pdu_put(struct pdu *pdu, enum pdu_key id, struct str value);

/* Appends the members whose bits are in `keep`, as an object. */
void pdu_write(struct buf *out, const struct pdu *pdu, uint32_t keep);
/* The same of the redacted form. */
void pdu_write_redacted(struct buf *out, const struct pdu *pdu, const struct room_version *version,
                        uint32_t keep);
/* What signatures and the reference hash cover (server-server API, "Signing Events"): the redacted form without
 * signatures and unsigned. */
void pdu_write_signed(struct buf *out, const struct pdu *pdu, const struct room_version *version);
/* SHA-256 over everything but hashes, signatures and unsigned. */
void pdu_content_hash(const struct pdu *pdu, unsigned char out[32]);
/* Bytes of the PDU as canonical JSON. */
size_t pdu_size(const struct pdu *pdu);

#endif
