/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a live server: data_dir/control.sock. A command connects, sends one JSON text, closes its
 * sending side, and reads one JSON text.
 *
 *     {"operation": "user.add", "arguments": {"name": "bob", …}}
 *     {"result": {…}}   or   {"error": "a sentence"}
 *
 * Who may ask: processes of the same user as the server, and root; the kernel tells who is there. One thread
 * serves one command after the other.
 */
#ifndef INGOT_ADMIN_CONTROL_H
#define INGOT_ADMIN_CONTROL_H

#include <sys/types.h>

#include "wire/json.h"

struct control;
struct server;

/* Starts listening; needs the data directory's lock, since it replaces the socket of a dead server. */
MUST_USE int control_start(struct server *s, struct control **out, struct err *err);
/* Waits for a command under way. NULL is allowed. Before server_free. */
void control_stop(struct control *c);

/* The other side. The error of the operation comes back as err; E_BUSY if nobody answers. */
MUST_USE int control_call(const char *data_dir, struct arena *a, struct str operation,
                          struct str arguments, const json_t **out_result, struct err *err);

/* A user of this machine as the log names them: "alice (uid 1000)"; in the arena. */
struct str control_user(struct arena *a, uid_t uid);

#endif
