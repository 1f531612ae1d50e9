/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which member events a device that loads members lazily has been sent, so that they are not sent again with each
 * message (client-server API, "Lazy-loading room members"). A fixed table: what is overwritten is merely sent once
 * more. An event counts as known only when the client has come back with the token of the answer that held it, so
 * a lost answer loses nothing.
 */
#ifndef INGOT_CORE_LAZY_MEMBERS_H
#define INGOT_CORE_LAZY_MEMBERS_H

#include "base/compiler.h"

struct lazy_members;
struct lazy_members *lazy_members_new(void);
void lazy_members_free(struct lazy_members *l);

/* The device starts anew (an initial sync): it knows nothing. */
void lazy_members_forget(struct lazy_members *l, uint64_t device_nid);
bool lazy_members_known(struct lazy_members *l, uint64_t device_nid, uint64_t event_nid,
                        int64_t since);
void lazy_members_sent(struct lazy_members *l, uint64_t device_nid, uint64_t event_nid,
                       int64_t upto);

#endif
