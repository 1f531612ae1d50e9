/* SPDX-License-Identifier: Apache-2.0 */
/* The proof in an invite that redeems an m.room.third_party_invite. */
#ifndef INGOT_MATRIX_THIRD_PARTY_INVITE_H
#define INGOT_MATRIX_THIRD_PARTY_INVITE_H

#include "base/arena.h"
#include "wire/json.h"

/* Which key of the invitation's content has signed the block (the "signed" of the invite): the object that holds its
 * "public_key", perhaps with a "key_validity_url"; NULL: none. `flags` are canonical_flags. */
const json_t *third_party_invite_signer(struct arena *a, const json_t *invite_content,
                                        const json_t *block, unsigned flags);

#endif
