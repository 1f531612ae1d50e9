/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the administrators of rooms, events and users ("Reporting Content"). What was told is in store/reports.h. */
#include "base/clock.h"
#include "base/log.h"
#include "client/handler.h"
#include "client/routes.h"
#include "store/reports.h"
#include "wire/jfield.h"

enum { REASON_MAX = 4096 };

struct report_body {
    struct str reason;
};
static const struct jfield report_fields[] = {
    FIELD(struct report_body, reason, .max = REASON_MAX),
    {0},
};
/* Of an event one may say nothing. */
static const struct jfield event_report_fields[] = {
    FIELD(struct report_body, reason, .flags = OPT, .max = REASON_MAX),
    {0},
};

static int insert(struct txn *t, void *arg)
{
    return reports_insert(t, arg, txn_err(t));
}

static int keep_report(struct request *rq, struct report_row *row, struct err *err)
{
    const struct report_body *in = rq->in;
    row->reporter_nid = rq->who.user_nid;
    row->reason = in->reason.p ? in->reason : STR("");
    row->received_ts = clock_wall_ms();
    int rc = store_write(server_of(rq)->store, "report", insert, row, err);
    if (rc == 0) {
        log_info("something was reported", LOG_STR("by", rq->who.user_id),
                 LOG_STR("what", rq->path));
    }
    return rc == 0 ? reply_empty_object(rq) : rc;
}

/* Whoever reports a room need not be in it, nor may they learn whether it is there: 200 in any case, which the
 * specification allows (MSC4277). */
static int report_room(struct request *rq, struct err *err)
{
    struct room *room;
    int rc = room_hold(server_of(rq), rq->arena, rq->params[0], &room, err);
    if (rc == E_NOT_FOUND) {
        return reply_empty_object(rq);
    }
    return rc == 0 ? keep_report(rq, &(struct report_row){.room_nid = room->nid}, err) : rc;
}

/* Not found is also what one is not in the room of, or may not see. */
static int reported_event(struct request *rq, struct entry **out, struct err *err)
{
    struct server *s = server_of(rq);
    struct viewer viewer;
    struct room *room;
    bool sees = false;
    int rc = handler_joined_room(rq, 0, &room, err);
    if (rc == E_FORBIDDEN) {
        return err_not_found(err, "Event not found");
    }
    rc = rc ? rc : entry_hold_id(s, rq->arena, rq->params[1], out, err);
    if (rc == 0 && (*out)->ev->ids.room == room->nid) {
        viewer_init_history(&viewer, s, rq->arena, room, rq->who.user_nid);
        rc = viewer_sees(&viewer, *out, &sees, err);
    }
    return rc == 0 && !sees ? err_not_found(err, "Event not found") : rc;
}

static int report_event(struct request *rq, struct err *err)
{
    struct entry *e;
    int rc = reported_event(rq, &e, err);
    return rc == 0 ? keep_report(rq,
                                 &(struct report_row){.room_nid = e->ev->ids.room,
                                                      .event_id = e->ev->event_id,
                                                      .user_nid = e->ev->ids.sender},
                                 err)
                   : rc;
}

/* Nor whether there is such a user. */
static int report_user(struct request *rq, struct err *err)
{
    struct user_row user;
    int rc = handler_account(rq, 0, &user, err);
    if (rc == E_NOT_FOUND) {
        return reply_empty_object(rq);
    }
    return rc == 0 ? keep_report(rq, &(struct report_row){.user_nid = user.nid}, err) : rc;
}

const struct route report_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/report", report_room, .auth = ROUTE_USER,
     BODY(struct report_body, report_fields), .rate = RATE_SEARCH},
    {HTTP_POST, "/_matrix/client/v3/rooms/{roomId}/report/{eventId}", report_event,
     .auth = ROUTE_USER, BODY(struct report_body, event_report_fields), .rate = RATE_SEARCH},
    {HTTP_POST, "/_matrix/client/v3/users/{userId}/report", report_user, .auth = ROUTE_USER,
     BODY(struct report_body, report_fields), .rate = RATE_SEARCH},
    {0},
};
