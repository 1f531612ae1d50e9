/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/event_content.h"

#include "matrix/canon.h"
#include "matrix/ids.h"

/* Index of the value in the list, or n. The words have no escapes, so the raw text is compared. */
static unsigned word_index(struct str raw, const struct str *words, unsigned n)
{
    struct str word = canon_inner(raw);
    unsigned i = 0;
    while (i < n && !(word.p && str_eq(words[i], word))) {
        i++;
    }
    return i;
}

static enum membership membership_load(struct str raw)
{
    static const struct str words[] = {
        [MEMBERSHIP_NONE] = STR_INIT("\\"), /* no JSON string is this */
        [MEMBERSHIP_INVITE] = STR_INIT("invite"), [MEMBERSHIP_JOIN] = STR_INIT("join"),
        [MEMBERSHIP_KNOCK] = STR_INIT("knock"),   [MEMBERSHIP_LEAVE] = STR_INIT("leave"),
        [MEMBERSHIP_BAN] = STR_INIT("ban"),
    };
    unsigned i = word_index(raw, words, ARRAY_LEN(words));
    return i == ARRAY_LEN(words) ? MEMBERSHIP_NONE : (enum membership)i;
}

enum join_rule join_rule_load(struct str content)
{
    static const struct str words[] = {
        [JOIN_RULE_INVITE] = STR_INIT("invite"),
        [JOIN_RULE_PUBLIC] = STR_INIT("public"),
        [JOIN_RULE_KNOCK] = STR_INIT("knock"),
        [JOIN_RULE_RESTRICTED] = STR_INIT("restricted"),
        [JOIN_RULE_KNOCK_RESTRICTED] = STR_INIT("knock_restricted"),
        [JOIN_RULE_PRIVATE] = STR_INIT("private"),
    };
    struct str raw = canon_find(content, STR("join_rule"));
    unsigned i = word_index(raw, words, ARRAY_LEN(words));
    if (!raw.p) {
        return JOIN_RULE_INVITE;
    }
    return i == ARRAY_LEN(words) ? JOIN_RULE_OTHER : (enum join_rule)i;
}

enum history_visibility history_visibility_load(struct str content)
{
    static const struct str words[] = {
        [HISTORY_SHARED] = STR_INIT("shared"),
        [HISTORY_INVITED] = STR_INIT("invited"),
        [HISTORY_JOINED] = STR_INIT("joined"),
        [HISTORY_WORLD_READABLE] = STR_INIT("world_readable"),
    };
    struct str raw = canon_find(content, STR("history_visibility"));
    unsigned i = word_index(raw, words, ARRAY_LEN(words));
    return i == ARRAY_LEN(words) ? HISTORY_SHARED : (enum history_visibility)i;
}

/* A string that must be told apart from an absent one even if it is of another type. */
static struct str str_if_given(struct arena *a, struct str raw)
{
    return raw.p && !canon_is_str(raw) ? STR("") : canon_str(a, raw);
}

void member_content_load(struct arena *a, struct str content, struct member_content *out)
{
    struct str invite = canon_find(content, STR("third_party_invite"));
    struct str block = canon_find(invite, STR("signed"));
    *out = (struct member_content){
        .membership = membership_load(canon_find(content, STR("membership"))),
        .join_authorised_via =
            str_if_given(a, canon_find(content, STR("join_authorised_via_users_server"))),
        .has_third_party_invite = invite.p != NULL,
        .third_party_token = canon_str(a, canon_find(block, STR("token"))),
        .third_party_mxid = canon_str(a, canon_find(block, STR("mxid"))),
        .displayname = canon_str(a, canon_find(content, STR("displayname"))),
        .avatar_url = canon_str(a, canon_find(content, STR("avatar_url"))),
        .is_direct = str_eq(canon_find(content, STR("is_direct")), STR("true")),
    };
}

static void load_additional_creators(struct arena *a, struct str raw, struct create_content *out)
{
    struct matrix_id id;
    struct str *users = arena_array(a, struct str, canon_count(raw));
    out->additional_creators = users;
    out->is_additional_valid = !raw.p || canon_is_array(raw);
    for (struct canon_iter it = canon_iter(raw); canon_is_array(raw) && canon_next(&it);) {
        struct str user = canon_str(a, it.value);
        if (user_id_parse(user, &id)) {
            users[out->n_additional++] = user;
        } else {
            out->is_additional_valid = false;
        }
    }
}

void create_content_load(struct arena *a, struct str content, struct create_content *out)
{
    struct str version = canon_find(content, STR("room_version"));
    *out = (struct create_content){
        .creator = str_if_given(a, canon_find(content, STR("creator"))),
        .room_version = version.p ? canon_str(a, version) : STR("1"),
        .room_type = canon_str(a, canon_find(content, STR("type"))),
        .federate = !str_eq(canon_find(content, STR("m.federate")), STR("false")),
    };
    load_additional_creators(a, canon_find(content, STR("additional_creators")), out);
}
