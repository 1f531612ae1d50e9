/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections for reading that are shared: a thread has a reader of its own, but that has a connection only while one
 * of its statements or snapshots runs. So connections follow the work of the database, not the number of threads, and
 * who waits for something else holds none. Who finds none free waits for one; whoever has one waits for nothing but
 * the database.
 *
 * The connection that was used last is used first: its prepared statements and pages are warm, and a quiet server has
 * few.
 */
#ifndef INGOT_DB_READERS_H
#define INGOT_DB_READERS_H

#include "db/db.h"

struct db_readers;

/* most: connections, at least 1. Opens none yet; config is borrowed. */
struct db_readers *db_readers_new(const struct db_config *config, unsigned most);
/* After all that came from db_readers_get was closed. Accepts NULL and nulls the pointer. */
void db_readers_free(struct db_readers **readers);

/* A reader for one thread; db_close ends it. */
struct db_read *db_readers_get(struct db_readers *readers);
/* Whether it has a connection now: then its thread must not wait for others. */
bool db_readers_is_leased(const struct db_read *r);
/* For a clock: connections that were not used since the last call are closed, for each keeps pages in memory. */
void db_readers_give_back(struct db_readers *readers);
/* Connections that are there. */
unsigned db_readers_open(struct db_readers *readers);

#endif
