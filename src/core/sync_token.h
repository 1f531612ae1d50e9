/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of /sync, /messages and the like: a point in the stream. Events with position <= `position` lie before
 * it. Tokens of /sync also carry the serial of the volatile streams (typing, presence), and, if the answer had
 * messages to the device in it, the position of the last of them: the client that comes back with it has received
 * those, and if there were too many for one answer the next goes on from there. Each names its epoch, because
 * positions are given out again after a restore (store/epochs.h); tokens of older programs name none.
 *
 *     s123_98765.77      what /sync gives      s123.77      what everything else gives
 *     s123_98765_120.77  what /sync gives with messages to the device up to 120
 */
#ifndef INGOT_CORE_SYNC_TOKEN_H
#define INGOT_CORE_SYNC_TOKEN_H

#include "base/arena.h"
#include "base/err.h"

struct server;

struct sync_token {
    int64_t position, serial;
    int64_t to_device; /* 0: the answer had none, there are none before `position` */
    int64_t epoch;     /* 0: none is named */
    bool is_foreign;   /* of a time that this database does not know; only `position` can be used */
};

/*
 * Reads a token that a client brings and places it in the time of this database: the position of a foreign one is
 * moved to where both agree, so that pages go on there. 400 M_INVALID_PARAM if it is no token.
 */
MUST_USE int sync_token_read(struct server *s, struct str text, struct sync_token *out,
                             struct err *err);
/* The same without looking what it is worth. */
MUST_USE int sync_token_parse(struct str text, struct sync_token *out, struct err *err);

/* As of now: in the epoch that goes on. */
struct str sync_token_format(const struct server *s, struct arena *a, struct sync_token token);
/* Without the serial: for timelines. */
struct str sync_token_of_position(const struct server *s, struct arena *a, int64_t position);

#endif
