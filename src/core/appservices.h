/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application services of the live server: the set of registrations in force, replaced as a whole by a reload.
 * Old sets live until the server ends, since requests and transactions under way point into them.
 */
#ifndef INGOT_CORE_APPSERVICES_H
#define INGOT_CORE_APPSERVICES_H

#include "core/appservice.h"

struct server;
struct appservices;
struct request;

struct appservices *appservices_new(void);
void appservices_free(struct appservices *a); /* NULL is allowed */

/* Reads the registrations that the configuration names, makes the accounts of their senders, and puts them in force.
 * On an error, with a sentence for the operator, the old set stays. Not by two threads at a time. */
MUST_USE int appservices_load(struct server *s, const struct config *config, struct err *err);
/* The set in force: any thread, never NULL, valid until the server ends. */
const struct appservice_set *appservices_now(const struct server *s);

/* For the sender of transactions: called after each load, and with the id of one that has just answered a ping.
 * NULL: nobody any more. */
enum appservices_change { APPSERVICES_RELOADED, APPSERVICES_REACHED };
void appservices_watch(struct server *s,
                       void (*fn)(void *arg, enum appservices_change change, struct str id),
                       void *arg);
void appservices_tell(struct server *s, enum appservices_change change, struct str id);

#endif
