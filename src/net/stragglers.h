/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that take too long: whoever sends a body or takes an answer below the minimum rate, and whoever does not
 * finish a head. They are looked at every few seconds, by what the kernel says about their sockets (libmicrohttpd tells
 * of no byte it sends, and of silence only after a minute, which one byte ends), and cut off.
 *
 * All connections are on one list. Network threads only note which phase theirs is in, so that a request costs nothing
 * here. Answers that parking.c sends are judged there.
 */
#ifndef INGOT_NET_STRAGGLERS_H
#define INGOT_NET_STRAGGLERS_H

#include "net/http_internal.h"

void stragglers_init(struct http_server *s);
void stragglers_release(struct http_server *s); /* no connection may be left */
void stragglers_set(struct http_server *s, const struct min_rate_rule *rule);
struct min_rate_rule stragglers_rule(struct http_server *s);

/* Network threads: a connection begins and ends (its socket is still open), and what it does now. */
void stragglers_add(struct http_server *s, struct conn *c);
void stragglers_remove(struct http_server *s, struct conn *c);
void stragglers_note(struct conn *c, enum conn_phase phase);

/* One thread: looks at all of them if it is time to. */
void stragglers_look(struct http_server *s);
/* Milliseconds until then. */
int64_t stragglers_due(struct http_server *s);

#endif
