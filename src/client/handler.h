/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handlers of the client-server API share: getting at the things that a path names, with the errors that the
 * specification wants.
 */
#ifndef INGOT_CLIENT_HANDLER_H
#define INGOT_CLIENT_HANDLER_H

#include "core/reading.h"
#include "core/render.h"
#include "core/room.h"
#include "core/server.h"
#include "core/visibility.h"
#include "net/request.h"
#include "store/users.h"

/* What a page of events stops at whatever its limit, with a token to go on: bytes of events (one may be 64 KiB); and
 * how many events are read at once, so that not much more is held than that. */
enum { HANDLER_PAGE_BYTES = 4 << 20, HANDLER_PAGE_ROWS = 100 };
/* A page of at most `limit` events within these bounds. */
static inline struct reading handler_reading(size_t limit, unsigned rounds)
{
    return (struct reading){.limit = limit,
                            .bytes_max = HANDLER_PAGE_BYTES,
                            .chunk = HANDLER_PAGE_ROWS,
                            .rounds = rounds};
}

/*
 * The room {roomId}, params[index], held by the request. Whether a room exists is nobody's business who has nothing to
 * do with it, so all of these fail alike, err_not_in_room(), for a room that is not there and for one that is not the
 * caller's; and a handler asks for the room before it looks at anything else that the room decides.
 */
/* For what strangers may do as well; the handler itself then says who may, in the same words (viewer_may_read). */
MUST_USE int handler_room(struct request *rq, unsigned index, struct room **out, struct err *err);
/* The caller has or had to do with it: is joined, invited, knocking, banned, or has left. */
MUST_USE int handler_own_room(struct request *rq, unsigned index, struct room **out,
                              struct err *err);
/* The caller may know of it as it is now (member_may_know): is in it or invited, may join, knock or look in. */
MUST_USE int handler_known_room(struct request *rq, unsigned index, struct room **out,
                                struct err *err);
/* The caller is joined to it now. */
MUST_USE int handler_joined_room(struct request *rq, unsigned index, struct room **out,
                                 struct err *err);
/* Whether {userId}, params[index], is the caller: else 403 M_FORBIDDEN. */
MUST_USE int handler_self(struct request *rq, unsigned index, struct err *err);
/* The account of {userId}, params[index]. 400 M_INVALID_PARAM if that is no user id; E_NOT_FOUND (404 M_NOT_FOUND) if
 * it is none of this server. */
MUST_USE int handler_account(struct request *rq, unsigned index, struct user_row *out,
                             struct err *err);
/* The JSON body as canonical bytes for an event's content (strict: M_BAD_JSON for floats and big integers). */
MUST_USE int handler_content(struct request *rq, struct str *out, struct err *err);

/* Answers with what was written to `out`, or fails with rc, or with 500 if `out` overflowed; empties `out`. */
MUST_USE int handler_reply_written(struct request *rq, struct buf *out, int rc, struct err *err);
/* A renderer for the caller: events with their room_id. Lives as long as the request's arena. */
void handler_renderer(struct renderer *r, struct request *rq);

#endif
