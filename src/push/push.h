/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push notifications (client-server API, "Push Notifications"; push gateway API): follows the change log and tells
 * the gateways of users with pushers of kind "http" of events that their push rules notify of, of invitations, and
 * of changed counts of unread rooms.
 *
 * Accounts that are locked or suspended are left out. A gateway that fails is asked again, at growing distances; an
 * event that it has not taken after push.give_up_after is dropped.
 *
 * The senders of messages are not involved: everything happens after their commit, on a thread of its own. How far a
 * pusher is, is stored (pushers.pushed_position), so that after a restart what was missed is sent; what was sent in
 * the last moments before a crash may be sent once more, which gateways recognise by the event id.
 */
#ifndef INGOT_PUSH_PUSH_H
#define INGOT_PUSH_PUSH_H

#include "base/err.h"

struct server;
struct push;

/* Loads the pushers and starts the thread; sets server->push. Needs pool and HTTP client. */
int push_start(struct server *s, struct err *err) MUST_USE;
/* Waits for what is under way and stores how far everybody is. After http_client_stop (which ends requests) and
 * before pool_free. NULL is allowed. */
void push_stop(struct push *p);
/* After pool_free. NULL is allowed. */
void push_free(struct push *p);

#endif
