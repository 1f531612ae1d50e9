/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an application service wants to hear of (application-service-api, "Registration"): events that one of its users
 * sent or is the target of, and all events of rooms in which one of them is joined or that have an id or an alias of
 * its namespaces. Asked in the order of the stream, about the room as it was at each event: what was said while its
 * user was there is not lost because they have left before it is sent. One thread.
 */
#ifndef INGOT_APPSERVICE_INTEREST_H
#define INGOT_APPSERVICE_INTEREST_H

#include "base/map.h"
#include "core/appservice.h"
#include "store/events.h"

struct server;

/* Caches: they may be dropped at any time. */
struct interest {
    struct server *server;
    const struct appservice *as;
    struct imap users; /* user nid -> whether it is one of its users */
    struct imap rooms; /* room nid -> what is known of it, see interest.c */
};

void interest_init(struct interest *in, struct server *s, const struct appservice *as);
void interest_release(struct interest *in);
/* The rooms are to be looked at anew: positions go back, or some were skipped. */
void interest_forget_rooms(struct interest *in);

MUST_USE int interest_in_event(struct interest *in, const struct stream_row *event, bool *out,
                               struct err *err);
/* As it is at this position of the stream, which is not before that of the last event asked for. */
MUST_USE int interest_in_room(struct interest *in, uint64_t room_nid, int64_t position, bool *out,
                              struct err *err);
MUST_USE int interest_has_user(struct interest *in, uint64_t user_nid, bool *out, struct err *err);
/* Whether the user shares a room with one of its users, or is one of them. */
MUST_USE int interest_in_company(struct interest *in, uint64_t user_nid, int64_t position,
                                 bool *out, struct err *err);

#endif
