/* SPDX-License-Identifier: Apache-2.0 */
#include "core/device_list.h"

#include "core/changes.h"
#include "store/device_lists.h"

int device_list_announce(struct txn *t, struct server *s, uint64_t user_nid, struct err *err)
{
    int64_t position = txn_position(t);
    changes_add(t, s, (struct change){CHANGE_DEVICES, position, .user = user_nid});
    return device_lists_changed(t, user_nid, position, err);
}
