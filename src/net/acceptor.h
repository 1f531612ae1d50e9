/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes new connections from the listening sockets and gives them to libmicrohttpd's threads. libmicrohttpd could do
 * that itself, but when there are no file descriptors left it either spins, or stops listening until one of the
 * connections of the same thread ends, which a proxy's may never do. Here it waits a moment, says so in the log and
 * tries again; and it counts what is open over all listeners, parked ones too, so that it hardly comes to that.
 *
 * One thread per server. Who comes when all places are taken is told to come back later (503), not left without a word.
 */
#ifndef INGOT_NET_ACCEPTOR_H
#define INGOT_NET_ACCEPTOR_H

#include "net/http_internal.h"

/* Once all listeners have their daemons. */
struct acceptor *acceptor_new(struct http_server *s);
/* Ends the thread; those who knock wait or are refused by the system from now on. NULL is allowed. */
void acceptor_free(struct acceptor *a);
/* A socket becomes libmicrohttpd's: a new one, or one that was parked. Any thread. */
void acceptor_hand_over(struct http_listener *l, int fd, const struct sockaddr *peer, socklen_t n);

#endif
