/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an event looks to one client: the stored JSON spliced in as it is, and `unsigned` made for the reader
 * (age, transaction_id, prev_content, membership, redacted_because, bundled relations).
 */
#ifndef INGOT_CORE_RENDER_H
#define INGOT_CORE_RENDER_H

#include "core/entry.h"
#include "wire/jfield.h"
#include "wire/json_writer.h"

struct bundle_reader;

enum render_format {
    RENDER_CLIENT, /* with room_id */
    RENDER_SYNC,   /* without room_id: the place in the answer says it */
    RENDER_PDU,    /* event_format "federation" */
};

struct renderer {
    struct server *server;
    struct arena *arena; /* for what is looked up on the way */
    enum render_format format;
    uint64_t user_nid, device_nid; /* the reader */
    int64_t now_ms;
    bool bundle; /* with m.relations (not inside of bundled events) */
    bool
        nested; /* inside another event's unsigned: neither threads nor redactions once more, since each of
                   * either may point at the next one, without end */
    const struct str_list *fields; /* only these parts of each event; NULL: all */
    int64_t upto;                  /* relations up to this position count; INT64_MAX: all */
    struct bundle_reader
        *reader; /* what the reader may see of relations; of bundle.c, in the arena */
};

void renderer_init(struct renderer *r, struct server *s, struct arena *a, enum render_format format,
                   uint64_t user_nid, uint64_t device_nid);
/* Writes one JSON object. */
MUST_USE int render_event(const struct renderer *r, struct json_writer *w, const struct entry *e,
                          struct err *err);
/* For events that are rendered soon: what can be looked up for all at once is not looked up for each. */
MUST_USE int render_expect(const struct renderer *r, struct entry *const *events, size_t n,
                           struct err *err);
/* An array of events. */
MUST_USE int render_events(const struct renderer *r, struct json_writer *w,
                           struct entry *const *events, size_t n, struct err *err);
/* One event as a JSON text in the arena. */
MUST_USE int render_to_str(const struct renderer *r, const struct entry *e, struct str *out,
                           struct err *err);
/* "join", "leave", … ; "leave" for MEMBERSHIP_NONE. */
struct str membership_name(enum membership membership);
/* Stripped state: sender, type, state_key, content ("Stripped state"). */
void render_stripped(struct json_writer *w, const struct entry *e);

#endif
