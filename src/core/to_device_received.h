/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To-device messages that a device has received: a sync with a newer token says so. They are deleted without anybody
 * waiting for that commit; until it is durable, what they are is remembered here. Any thread.
 */
#ifndef INGOT_CORE_TO_DEVICE_RECEIVED_H
#define INGOT_CORE_TO_DEVICE_RECEIVED_H

#include "base/compiler.h"

struct server;
struct to_device_received;

struct to_device_received *to_device_received_new(void);
/* After the store was closed. NULL is allowed. */
void to_device_received_free(struct to_device_received *r);

/* The device has everything with position <= upto: has it deleted. */
void to_device_received_delete(struct server *s, uint64_t device_nid, int64_t upto);
/* Up to which position messages that are still stored count as deleted; 0: none do. */
int64_t to_device_received_upto(struct server *s, uint64_t device_nid);

#endif
