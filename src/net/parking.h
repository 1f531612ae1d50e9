/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parked requests. libmicrohttpd could hold them as suspended connections, but it keeps their memory, walks
 * all of them at every resume of any connection, and does not notice that a client has gone. So a parked
 * request leaves it: the socket is duplicated, libmicrohttpd closes its own copy without a word (that is
 * what MHD_USE_TURBO is for: otherwise it would shut the connection down), and ours waits in an epoll set
 * that reports nothing but hang-ups (a client that closes only its sending side has gone, too). When the
 * request was answered (by a plain write, for the reply is at hand as a whole) the socket goes back by
 * MHD_add_connection and serves the client's next request. Measured with 18,000 parked: 1 to 3 KiB each
 * instead of 7, and 78,000 instead of 61,000 other requests per second.
 *
 * On a TLS listener that is not possible, because the session lives in libmicrohttpd: there a parked request
 * is a suspended connection with a deadline, and a client that went away is noticed at the deadline.
 *
 * A client that sends its next request before it has the answer to the parked one (pipelining) loses that
 * request if libmicrohttpd had read it already: then the answer says "Connection: close", so that the client knows, and
 * what follows on the connection is not taken for the beginning of a request. No Matrix client and no common proxy
 * pipelines.
 *
 * One thread per server serves deadlines (a heap), hang-ups, and slow receivers, and looks for stragglers.
 */
#ifndef INGOT_NET_PARKING_H
#define INGOT_NET_PARKING_H

#include "net/http_internal.h"

struct parking *parking_new(struct http_server *s);
/* Wakes everything with WOKEN_SHUTDOWN, now and from now on. */
void parking_stop(struct parking *p);
/* Drops replies that are still being sent; nothing may be parked any more. */
void parking_free(struct parking *p);
size_t parking_count(struct parking *p);

/* Worker, after a handler parked. True: run it again at once (rq.woken_by says why). False: it has been
 * passed on and is not ours any more. */
MUST_USE bool parking_begin(struct exchange *ex);
/* The exchange now has no runner: its socket (park.fd) is ours, or it stays suspended. Any thread. */
void parking_commit(struct exchange *ex);
/* Sends the reply of a detached exchange and ends it. */
void parking_send(struct exchange *ex);

#endif
