/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What belongs together: the server name of the configuration, the signing key, the data directory, the media
 * directory and the database. The database remembers the others (store/owner.h), the directories remember the
 * database (core/data_mark.h); what is made, or is of an older program, takes them as they are at its first start.
 * Mixed up, a server would speak with a wrong name or key, or answer for media that it does not have.
 */
#ifndef INGOT_CORE_DATA_OWNER_H
#define INGOT_CORE_DATA_OWNER_H

#include "base/err.h"

struct config;
struct server;

/* Changes nothing. E_CONFLICT with a sentence that names both sides if something does not belong here. */
MUST_USE int data_owner_check(const struct config *c, struct err *err);

/* After the check, on the opened store: what is not remembered yet is from now on. If the database is older than what
 * this directory knows of it, its one-time keys are not trusted any more. */
MUST_USE int data_owner_keep(struct server *s, struct err *err);
/* The same for the media directory, which must be there. */
MUST_USE int data_owner_keep_media(struct server *s, struct err *err);
/* Writes into the data directory how far the database has come. */
MUST_USE int data_owner_note(struct server *s, struct err *err);

/* The administrator says that key, directories and database belong together. The name of a database stays. */
MUST_USE int data_owner_adopt(const struct config *c, struct err *err);

/* The administrator has put an older copy back, together with this directory, which therefore could not notice it:
 * what data_owner_keep does then. */
MUST_USE int data_owner_restored(const struct config *c, struct err *err);

#endif
