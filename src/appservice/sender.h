/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends application services what happens in their rooms: PUT /_matrix/app/v1/transactions/{txnId}, one transaction at
 * a time to each, in the order of the stream, at growing distances until it is acknowledged. Nothing is lost and
 * nothing gets another id by a restart. A slow one delays nobody but itself: the thread that forms transactions never
 * waits for an answer, and who sends a message waits for neither.
 *
 * An application service that is new begins with what happens from now on; the queue of one whose registration goes, or
 * loses its URL, is dropped.
 */
#ifndef INGOT_APPSERVICE_SENDER_H
#define INGOT_APPSERVICE_SENDER_H

#include "base/err.h"

struct server;
struct appservice_sender;

/* Starts the thread, also while there are no application services: a reload may bring some. Needs pool, HTTP client
 * and the registrations (appservices_load). */
MUST_USE int appservice_sender_start(struct server *s, struct appservice_sender **out,
                                     struct err *err);
/* Waits for what is under way. After http_client_stop (which ends requests) and before pool_free. NULL is allowed. */
void appservice_sender_stop(struct appservice_sender *s);
/* After pool_free. NULL is allowed. */
void appservice_sender_free(struct appservice_sender *s);

#endif
