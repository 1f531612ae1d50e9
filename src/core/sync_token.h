/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of /sync, /messages and the like: a point in the stream. Events with position <= `position` lie before
 * it. Tokens of /sync also carry the serial of the volatile streams (typing, presence).
 *
 *     s123_98765      what /sync gives      s123      what everything else gives
 */
#ifndef INGOT_CORE_SYNC_TOKEN_H
#define INGOT_CORE_SYNC_TOKEN_H

#include "base/arena.h"
#include "base/err.h"

struct sync_token {
    int64_t position, serial;
};

/* 400 M_INVALID_PARAM if it is not one of ours. */
MUST_USE int sync_token_parse(struct str text, struct sync_token *out, struct err *err);
struct str sync_token_format(struct arena *a, struct sync_token token);
/* Without the serial: for timelines. */
struct str sync_token_of_position(struct arena *a, int64_t position);

#endif
