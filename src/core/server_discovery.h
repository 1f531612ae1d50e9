/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where to reach another server (server-server API, "Resolving server names"): an address or a port in its name, else
 * what its /.well-known/matrix/server says, else port 8448. SRV records are not looked up.
 *
 * What a .well-known said is remembered as long as it asks for, within bounds; also that there is none.
 */
#ifndef INGOT_CORE_SERVER_DISCOVERY_H
#define INGOT_CORE_SERVER_DISCOVERY_H

#include "base/arena.h"
#include "base/err.h"

struct server_discovery;
struct http_client;

/* Borrows the client. private_ok: servers in private address ranges may be asked. */
struct server_discovery *server_discovery_new(struct http_client *client, bool private_ok);
void server_discovery_free(struct server_discovery *d); /* NULL is allowed */

/* *out: "host:port" for a URL, in the arena; the server's certificate must be for that host. May block as long as
 * the other server's web server takes to answer, at most some seconds. E_INVALID if it is no server name. */
MUST_USE int server_discovery_find(struct server_discovery *d, struct arena *a, struct str name,
                                   struct str *out, struct err *err);

#endif
