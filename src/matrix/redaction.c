/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/redaction.h"

#include "matrix/canon.h"
#include "matrix/pdu.h"

struct content_rule {
    struct str type;
    const struct str *keys; /* in canonical order; NULL: all of them */
    size_t n;
};
struct redaction_rules {
    uint32_t top_keys;
    bool keeps_signed; /* of the third-party invite in a member event */
    const struct content_rule *content;
    size_t n_content;
};

#define KEYS(...)                                                                                  \
    .keys = (const struct str[]){__VA_ARGS__},                                                     \
    .n = sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str)

#define TYPE_MEMBER     .type = STR_INIT("m.room.member")
#define TYPE_CREATE     .type = STR_INIT("m.room.create")
#define TYPE_JOIN_RULES .type = STR_INIT("m.room.join_rules")
#define TYPE_POWER      .type = STR_INIT("m.room.power_levels")
#define TYPE_ALIASES    .type = STR_INIT("m.room.aliases")
#define TYPE_VISIBILITY .type = STR_INIT("m.room.history_visibility")
#define TYPE_REDACTION  .type = STR_INIT("m.room.redaction")

#define K(text) STR_INIT(text)

static const struct content_rule content_v1[] = {
    {TYPE_MEMBER, KEYS(K("membership"))},
    {TYPE_CREATE, KEYS(K("creator"))},
    {TYPE_JOIN_RULES, KEYS(K("join_rule"))},
    {TYPE_POWER, KEYS(K("ban"), K("events"), K("events_default"), K("kick"), K("redact"),
                      K("state_default"), K("users"), K("users_default"))},
    {TYPE_VISIBILITY, KEYS(K("history_visibility"))},
    {TYPE_ALIASES, KEYS(K("aliases"))},
};
static const struct content_rule content_v8[] = {
    {TYPE_MEMBER, KEYS(K("membership"))},
    {TYPE_CREATE, KEYS(K("creator"))},
    {TYPE_JOIN_RULES, KEYS(K("allow"), K("join_rule"))},
    {TYPE_POWER, KEYS(K("ban"), K("events"), K("events_default"), K("kick"), K("redact"),
                      K("state_default"), K("users"), K("users_default"))},
    {TYPE_VISIBILITY, KEYS(K("history_visibility"))},
};
static const struct content_rule content_v9[] = {
    {TYPE_MEMBER, KEYS(K("join_authorised_via_users_server"), K("membership"))},
    {TYPE_CREATE, KEYS(K("creator"))},
    {TYPE_JOIN_RULES, KEYS(K("allow"), K("join_rule"))},
    {TYPE_POWER, KEYS(K("ban"), K("events"), K("events_default"), K("kick"), K("redact"),
                      K("state_default"), K("users"), K("users_default"))},
    {TYPE_VISIBILITY, KEYS(K("history_visibility"))},
};
static const struct content_rule content_v11[] = {
    {TYPE_MEMBER, KEYS(K("join_authorised_via_users_server"), K("membership"))},
    {TYPE_CREATE, .keys = NULL},
    {TYPE_JOIN_RULES, KEYS(K("allow"), K("join_rule"))},
    {TYPE_POWER, KEYS(K("ban"), K("events"), K("events_default"), K("invite"), K("kick"),
                      K("redact"), K("state_default"), K("users"), K("users_default"))},
    {TYPE_VISIBILITY, KEYS(K("history_visibility"))},
    {TYPE_REDACTION, KEYS(K("redacts"))},
};

#define TOP_V11                                                                                    \
    (PDU_BIT(EVENT_ID) | PDU_BIT(TYPE) | PDU_BIT(ROOM_ID) | PDU_BIT(SENDER) | PDU_BIT(STATE_KEY) | \
     PDU_BIT(CONTENT) | PDU_BIT(HASHES) | PDU_BIT(SIGNATURES) | PDU_BIT(DEPTH) |                   \
     PDU_BIT(PREV_EVENTS) | PDU_BIT(AUTH_EVENTS) | PDU_BIT(ORIGIN_SERVER_TS))
#define TOP_V1 (TOP_V11 | PDU_BIT(PREV_STATE) | PDU_BIT(ORIGIN) | PDU_BIT(MEMBERSHIP))

const struct redaction_rules redaction_rules_v1 = {
    .top_keys = TOP_V1, .content = content_v1, .n_content = ARRAY_LEN(content_v1)};
/* As v1 without its last row, m.room.aliases. */
const struct redaction_rules redaction_rules_v6 = {
    .top_keys = TOP_V1, .content = content_v1, .n_content = ARRAY_LEN(content_v1) - 1};
const struct redaction_rules redaction_rules_v8 = {
    .top_keys = TOP_V1, .content = content_v8, .n_content = ARRAY_LEN(content_v8)};
const struct redaction_rules redaction_rules_v9 = {
    .top_keys = TOP_V1, .content = content_v9, .n_content = ARRAY_LEN(content_v9)};
const struct redaction_rules redaction_rules_v11 = {.top_keys = TOP_V11,
                                                    .keeps_signed = true,
                                                    .content = content_v11,
                                                    .n_content = ARRAY_LEN(content_v11)};

uint32_t redaction_top_keys(const struct redaction_rules *rules)
{
    return rules->top_keys;
}

static const struct content_rule *rule_for(const struct redaction_rules *rules, struct str type)
{
    for (size_t i = 0; i < rules->n_content; i++) {
        if (str_eq(rules->content[i].type, type)) {
            return &rules->content[i];
        }
    }
    return NULL;
}

static bool keeps_key(const struct content_rule *rule, struct str key)
{
    for (size_t i = 0; i < rule->n; i++) {
        if (str_eq(rule->keys[i], key)) {
            return true;
        }
    }
    return false;
}

static void write_member(struct buf *out, struct str key, struct str value, size_t *n)
{
    buf_add(out, (*n)++ == 0 ? STR("\"") : STR(",\""));
    buf_add(out, key);
    buf_add(out, STR("\":"));
    buf_add(out, value);
}

/* Room version 11: `signed` is all that stays of a third-party invite. An object without it stays an empty object,
 * as the servers that most events come from have it. */
static void write_signed(struct buf *out, struct str invite, size_t *n)
{
    struct str block = canon_find(invite, STR("signed"));
    write_member(out, STR("third_party_invite"), STR("{"), n);
    if (block.p) {
        size_t inner = 0;
        write_member(out, STR("signed"), block, &inner);
    }
    buf_add_char(out, '}');
}

void redaction_content(const struct redaction_rules *rules, struct str type, struct str content,
                       struct buf *out)
{
    const struct content_rule *rule = rule_for(rules, type);
    if (rule && !rule->keys) {
        buf_add(out, content);
        return;
    }
    bool is_signed_kept = rules->keeps_signed && str_eq(type, STR("m.room.member"));
    size_t n = 0;
    buf_add_char(out, '{');
    for (struct canon_iter it = canon_iter(content); rule && canon_next(&it);) {
        if (keeps_key(rule, it.key)) {
            write_member(out, it.key, it.value, &n);
        } else if (is_signed_kept && str_eq(it.key, STR("third_party_invite")) &&
                   canon_is_object(it.value)) {
            write_signed(out, it.value, &n);
        }
    }
    buf_add_char(out, '}');
}
