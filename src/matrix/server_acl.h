/* SPDX-License-Identifier: Apache-2.0 */
/* Which servers a room lets in (client-server API, "m.room.server_acl"). */
#ifndef INGOT_MATRIX_SERVER_ACL_H
#define INGOT_MATRIX_SERVER_ACL_H

#include "base/compiler.h"
#include "base/str.h"

/* Whether the server may take part. `content`: canonical JSON of the content of the room's m.room.server_acl with state
 * key "", STR_NONE if it has none. A port of the name does not count. Members of a wrong type count as absent, so a
 * content that says nothing denies everybody. */
bool server_acl_allows(struct str content, struct str server_name);

#endif
