/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/power_levels.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "matrix/canon.h"
#include "matrix/event.h"
#include "matrix/ids.h"
#include "matrix/room_version.h"

#define LEVEL_OF_CREATOR     100 /* before there is a power levels event, up to v11 */
#define LEVEL_TO_NOTIFY      50
#define LEVEL_TEXT_MAX_BYTES 512 /* of a level written as string or float; nobody needs more */

const struct str power_action_keys[POWER_ACTIONS] = {
    [POWER_BAN] = STR_INIT("ban"),
    [POWER_EVENTS_DEFAULT] = STR_INIT("events_default"),
    [POWER_INVITE] = STR_INIT("invite"),
    [POWER_KICK] = STR_INIT("kick"),
    [POWER_REDACT] = STR_INIT("redact"),
    [POWER_STATE_DEFAULT] = STR_INIT("state_default"),
    [POWER_USERS_DEFAULT] = STR_INIT("users_default"),
};

/* m.room.power_levels schema: the same whether a key or the whole event is missing. */
static const struct power_levels defaults = {
    .level = {[POWER_BAN] = 50, [POWER_KICK] = 50, [POWER_REDACT] = 50, [POWER_STATE_DEFAULT] = 50},
};

/* ---- one level ---- */

/* Digits with an optional sign. Out of range saturates: such levels only have to compare the right way. */
static bool parse_digits(struct str s, int64_t *out)
{
    bool is_negative = s.n > 0 && s.p[0] == '-';
    struct str digits = str_from(s, is_negative || (s.n > 0 && s.p[0] == '+'));
    int64_t value = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9') {
            return false;
        }
        int64_t digit = is_negative ? '0' - digits.p[i] : digits.p[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            value = is_negative ? INT64_MIN : INT64_MAX;
        }
    }
    *out = value;
    return digits.n > 0;
}

/* Room version 1, "m.room.power_levels events accept values as strings": white space around, one sign, digits. The
 * text comes from canonical JSON, where white space other than the blank stands as an escape. */
static bool parse_string(struct str json, int64_t *out)
{
    char text[LEVEL_TEXT_MAX_BYTES];
    struct str inner = canon_inner(json);
    if (inner.n > sizeof(text)) {
        return false;
    }
    struct str s = str_n(text, canon_unescape(inner, text));
    while (s.n > 0 && isspace((unsigned char)s.p[0])) {
        s = str_from(s, 1);
    }
    while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1])) {
        s.n--;
    }
    return parse_digits(s, out);
}

/* "Floats": apply the exponent, cut at the point. Out of the range of a double: no level. */
static bool parse_float(struct str json, int64_t *out)
{
    char text[LEVEL_TEXT_MAX_BYTES];
    if (json.n >= sizeof(text)) {
        return false;
    }
    memcpy(text, json.p, json.n);
    text[json.n] = '\0';
    char *end;
    double value = strtod(text, &end);
    if (end != text + json.n || !isfinite(value)) {
        return false;
    }
    if (value >= 0x1p63 || value <= -0x1p63) {
        *out = value > 0 ? INT64_MAX : INT64_MIN;
    } else {
        *out = (int64_t)value;
    }
    return true;
}

static bool is_number(struct str json)
{
    return json.n > 0 && (json.p[0] == '-' || (json.p[0] >= '0' && json.p[0] <= '9'));
}

bool power_level_parse(const struct room_version *version, struct str json, int64_t *out)
{
    if (canon_is_str(json)) {
        return version->power_level_grammar != POWER_GRAMMAR_INTEGERS && parse_string(json, out);
    }
    if (!is_number(json)) {
        return false;
    }
    return canon_int(json, out) ||
           (version->power_level_grammar == POWER_GRAMMAR_FLOATS && parse_float(json, out));
}

/* ---- the whole content ---- */

/* Where the entries and unescaped keys of the object under construction go. */
struct filling {
    const struct room_version *version;
    struct power_entry *entry;
    char *text;
};

struct need {
    size_t entries, text;
};

static void measure(struct str map, struct need *need)
{
    for (struct canon_iter it = canon_iter(map); canon_next(&it);) {
        need->entries++;
        need->text += str_chr(it.key, '\\') < 0 ? 0 : it.key.n;
    }
}

static struct str take_key(struct filling *f, struct str key)
{
    if (str_chr(key, '\\') < 0) {
        return key;
    }
    struct str plain = str_n(f->text, canon_unescape(key, f->text));
    f->text += plain.n;
    return plain;
}

/* One of `users`, `events`, `notifications`. Canonical order is the order of the unescaped keys, so the map is
 * sorted as it comes. */
static int fill_map(struct filling *f, struct str name, struct str json, struct power_map *out,
                    struct err *err)
{
    out->p = f->entry;
    if (!json.p) {
        return 0;
    }
    if (!canon_is_object(json)) {
        return err_bad_json(err, "%.*s in the power levels is not an object", STR_ARG(name));
    }
    for (struct canon_iter it = canon_iter(json); canon_next(&it);) {
        f->entry->key = take_key(f, it.key);
        if (!power_level_parse(f->version, it.value, &f->entry->level)) {
            return err_bad_json(err, "A level under %.*s in the power levels is not an integer",
                                STR_ARG(name));
        }
        f->entry++;
        out->n++;
    }
    return 0;
}

static int fill_actions(const struct room_version *version, struct str content,
                        struct power_levels *pl, struct err *err)
{
    for (int i = 0; i < POWER_ACTIONS; i++) {
        struct str json = canon_find(content, power_action_keys[i]);
        if (!json.p) {
            continue;
        }
        if (!power_level_parse(version, json, &pl->level[i])) {
            return err_bad_json(err, "%.*s in the power levels is not an integer",
                                STR_ARG(power_action_keys[i]));
        }
        pl->given |= 1U << i;
    }
    return 0;
}

static int check_users(const struct power_levels *pl, struct err *err)
{
    struct matrix_id id;
    for (size_t i = 0; i < pl->users.n; i++) {
        if (!user_id_parse(pl->users.p[i].key, &id)) {
            return err_bad_json(err, "A key under users in the power levels is not a user id");
        }
    }
    return 0;
}

static int fill(struct filling *f, struct str content, struct power_levels *pl, struct err *err)
{
    struct str users = STR("users"), events = STR("events"), notes = STR("notifications");
    int rc = fill_actions(f->version, content, pl, err);
    rc = rc ? rc : fill_map(f, users, canon_find(content, users), &pl->users, err);
    rc = rc ? rc : fill_map(f, events, canon_find(content, events), &pl->events, err);
    rc = rc ? rc : fill_map(f, notes, canon_find(content, notes), &pl->notifications, err);
    return rc ? rc : check_users(pl, err);
}

int power_levels_parse(const struct room_version *version, struct str content,
                       struct power_levels **out, struct err *err)
{
    struct need need = {0};
    measure(canon_find(content, STR("users")), &need);
    measure(canon_find(content, STR("events")), &need);
    measure(canon_find(content, STR("notifications")), &need);
    size_t bytes =
        sizeof(struct power_levels) + need.entries * sizeof(struct power_entry) + need.text;
    struct power_levels *pl = xmalloc(bytes);
    *pl = defaults;
    pl->bytes = bytes;
    struct filling f = {.version = version, .entry = (struct power_entry *)(pl + 1)};
    f.text = (char *)(f.entry + need.entries);
    int rc = fill(&f, content, pl, err);
    if (rc) {
        free(pl);
        return rc;
    }
    *out = pl;
    return 0;
}

void power_levels_free(struct power_levels **pl)
{
    free(*pl);
    *pl = NULL;
}

/* ---- questions ---- */

static const struct power_entry *find(const struct power_map *map, struct str key)
{
    size_t low = 0, high = map->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(map->p[middle].key, key);
        if (order == 0) {
            return &map->p[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static bool is_additional_creator(const struct create_content *create, struct str user)
{
    for (size_t i = 0; create && i < create->n_additional; i++) {
        if (str_eq(create->additional_creators[i], user)) {
            return true;
        }
    }
    return false;
}

bool room_is_creator(const struct event *create, const struct room_version *version,
                     struct str user)
{
    if (!create) {
        return false;
    }
    if (version->has_creator_in_content) {
        return create->create && create->create->creator.n > 0 &&
               str_eq(create->create->creator, user);
    }
    return str_eq(create->sender, user) ||
           (version->has_privileged_creators && is_additional_creator(create->create, user));
}

int64_t power_level_of(const struct power_levels *pl, const struct event *create,
                       const struct room_version *version, struct str user)
{
    bool is_privileged = version->has_privileged_creators;
    if ((is_privileged || !pl) && room_is_creator(create, version, user)) {
        return is_privileged ? POWER_INFINITE : LEVEL_OF_CREATOR;
    }
    const struct power_entry *entry = pl ? find(&pl->users, user) : NULL;
    return entry ? entry->level : power_required(pl, POWER_USERS_DEFAULT);
}

int64_t power_required(const struct power_levels *pl, enum power_action action)
{
    return (pl ? pl : &defaults)->level[action];
}

int64_t power_required_event(const struct power_levels *pl, struct str type, bool is_state)
{
    const struct power_entry *entry = pl ? find(&pl->events, type) : NULL;
    return entry ? entry->level
                 : power_required(pl, is_state ? POWER_STATE_DEFAULT : POWER_EVENTS_DEFAULT);
}

int64_t power_required_notification(const struct power_levels *pl, struct str kind)
{
    const struct power_entry *entry = pl ? find(&pl->notifications, kind) : NULL;
    return entry ? entry->level : LEVEL_TO_NOTIFY;
}
