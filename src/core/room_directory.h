/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the directories of rooms (store/room_directory.h) true: who writes a room says so, who reads a list has what
 * was said looked up. */
#ifndef INGOT_CORE_ROOM_DIRECTORY_H
#define INGOT_CORE_ROOM_DIRECTORY_H

#include "core/entry.h"

struct txn;

/* Whether a list may show the room otherwise after this event was written, or redacted. */
bool room_directory_shows(const struct event *ev);
/* Brings what has changed up to date; before a list is read. */
MUST_USE int room_directory_catch_up(struct server *s, struct err *err);

#endif
