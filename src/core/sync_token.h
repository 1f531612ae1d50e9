/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of /sync, /messages and the like: a point in the stream. Events with position <= `position` lie before
 * it. Tokens of /sync also carry the serial of the volatile streams (typing, presence), and, if the answer had
 * messages to the device in it, the position of the last of them: the client that comes back with it has received
 * those, and if there were too many for one answer the next goes on from there.
 *
 *     s123_98765      what /sync gives      s123      what everything else gives
 *     s123_98765_120  what /sync gives with messages to the device up to 120
 */
#ifndef INGOT_CORE_SYNC_TOKEN_H
#define INGOT_CORE_SYNC_TOKEN_H

#include "base/arena.h"
#include "base/err.h"

struct sync_token {
    int64_t position, serial;
    int64_t to_device; /* 0: the answer had none, there are none before `position` */
};

/* 400 M_INVALID_PARAM if it is not one of ours. */
MUST_USE int sync_token_parse(struct str text, struct sync_token *out, struct err *err);
struct str sync_token_format(struct arena *a, struct sync_token token);
/* Without the serial: for timelines. */
struct str sync_token_of_position(struct arena *a, int64_t position);

#endif
