/* SPDX-License-Identifier: Apache-2.0 */
#include "core/filter.h"

#include "core/server.h"
#include "matrix/canon.h"
#include "matrix/ids.h"
#include "store/events.h"
#include "store/names.h"

/* One table for all kinds of event filters: what a kind does not know is simply absent. */
static const struct jfield event_filter_fields[] = {
    FIELD(struct event_filter, limit, .flags = OPT, .min = 0, .max = INT64_MAX,
          HAS(struct event_filter, has_limit)),
    FIELD(struct event_filter, types, .flags = OPT),
    FIELD(struct event_filter, not_types, .flags = OPT),
    FIELD(struct event_filter, senders, .flags = OPT),
    FIELD(struct event_filter, not_senders, .flags = OPT),
    FIELD(struct event_filter, rooms, .flags = OPT),
    FIELD(struct event_filter, not_rooms, .flags = OPT),
    FIELD(struct event_filter, related_by_rel_types, .flags = OPT),
    FIELD(struct event_filter, related_by_senders, .flags = OPT),
    FIELD(struct event_filter, lazy_load_members, .flags = OPT),
    FIELD(struct event_filter, include_redundant_members, .flags = OPT),
    FIELD(struct event_filter, unread_thread_notifications, .flags = OPT),
    FIELD(struct event_filter, contains_url, .flags = OPT,
          HAS(struct event_filter, has_contains_url)),
    {0},
};

struct room_filter {
    struct str_list rooms, not_rooms;
    bool include_leave;
    const json_t *timeline, *state, *ephemeral, *account_data;
};
static const struct jfield room_filter_fields[] = {
    FIELD(struct room_filter, rooms, .flags = OPT),
    FIELD(struct room_filter, not_rooms, .flags = OPT),
    FIELD(struct room_filter, include_leave, .flags = OPT),
    FIELD(struct room_filter, timeline, .flags = OPT | J_OBJECT),
    FIELD(struct room_filter, state, .flags = OPT | J_OBJECT),
    FIELD(struct room_filter, ephemeral, .flags = OPT | J_OBJECT),
    FIELD(struct room_filter, account_data, .flags = OPT | J_OBJECT),
    {0},
};

struct top_filter {
    struct str event_format;
    struct str_list event_fields;
    const json_t *presence, *account_data, *room;
};
static const struct jfield top_filter_fields[] = {
    FIELD(struct top_filter, event_format, .flags = OPT),
    FIELD(struct top_filter, event_fields, .flags = OPT),
    FIELD(struct top_filter, presence, .flags = OPT | J_OBJECT),
    FIELD(struct top_filter, account_data, .flags = OPT | J_OBJECT),
    FIELD(struct top_filter, room, .flags = OPT | J_OBJECT),
    {0},
};

/* Each pattern is tried on each event: a client needs a handful. */
enum { PATTERNS_MAX = 32, PATTERN_MAX_LEN = 255 };

static int check_patterns(const struct str_list *types, struct err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < types->n; i++) {
        bool is_pattern = str_chr(types->p[i], '*') >= 0;
        if (is_pattern && types->p[i].n > PATTERN_MAX_LEN) {
            return err_invalid_param(err, "A type with * in a filter may have %d bytes",
                                     PATTERN_MAX_LEN);
        }
        n += is_pattern;
    }
    return n > PATTERNS_MAX
               ? err_invalid_param(err, "A list of a filter may have %d types with *", PATTERNS_MAX)
               : 0;
}

static int parse_part(struct arena *a, const json_t *json, struct event_filter *out,
                      struct err *err)
{
    int rc = json ? json_decode(a, json, event_filter_fields, out, err) : 0;
    rc = rc ? rc : check_patterns(&out->types, err);
    return rc ? rc : check_patterns(&out->not_types, err);
}

static int check_ids(const struct str_list *ids, bool (*parse)(struct str, struct matrix_id *),
                     const char *what, struct err *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        struct matrix_id id;
        if (!parse(ids->p[i], &id)) {
            return err_invalid_param(err, "\"%.*s\" in a filter is no %s", STR_ARG(ids->p[i]),
                                     what);
        }
    }
    return 0;
}

static int check_rooms(const struct str_list *yes, const struct str_list *no, struct err *err)
{
    int rc = check_ids(yes, room_id_parse, "room id", err);
    return rc ? rc : check_ids(no, room_id_parse, "room id", err);
}

static int check_part(const struct event_filter *f, struct err *err)
{
    const struct str_list *users[] = {&f->senders, &f->not_senders, &f->related_by_senders};
    int rc = check_rooms(&f->rooms, &f->not_rooms, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(users); i++) {
        rc = check_ids(users[i], user_id_parse, "user id", err);
    }
    return rc;
}

static int check_parts(const struct filter *f, struct err *err)
{
    const struct event_filter *parts[] = {&f->presence, &f->account_data, &f->timeline,
                                          &f->state,    &f->ephemeral,    &f->room_account_data};
    int rc = check_rooms(&f->rooms, &f->not_rooms, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++) {
        rc = check_part(parts[i], err);
    }
    return rc;
}

static void clamp_limit(struct event_filter *f)
{
    f->limit = f->has_limit ? MIN(f->limit, TIMELINE_LIMIT_MAX) : TIMELINE_LIMIT_DEFAULT;
}

void filter_defaults(struct filter *out)
{
    *out = (struct filter){.federation_format = false};
    clamp_limit(&out->timeline);
}

int event_filter_parse(struct arena *a, const json_t *json, struct event_filter *out,
                       struct err *err)
{
    *out = (struct event_filter){.limit = 0};
    int rc = parse_part(a, json, out, err);
    clamp_limit(out);
    return rc ? rc : check_part(out, err);
}

static int parse_room(struct arena *a, const json_t *json, struct filter *out, struct err *err)
{
    struct room_filter room = {.include_leave = false};
    int rc = json ? json_decode(a, json, room_filter_fields, &room, err) : 0;
    if (rc == 0) {
        rc = parse_part(a, room.timeline, &out->timeline, err);
    }
    if (rc == 0) {
        rc = parse_part(a, room.state, &out->state, err);
    }
    if (rc == 0) {
        rc = parse_part(a, room.ephemeral, &out->ephemeral, err);
    }
    if (rc == 0) {
        rc = parse_part(a, room.account_data, &out->room_account_data, err);
    }
    out->rooms = room.rooms;
    out->not_rooms = room.not_rooms;
    out->include_leave = room.include_leave;
    return rc;
}

int filter_load(struct arena *a, const json_t *json, struct filter *out, struct err *err)
{
    struct top_filter top = {.presence = NULL};
    filter_defaults(out);
    int rc = json_decode(a, json, top_filter_fields, &top, err);
    if (rc == 0 && top.event_format.n && !str_eq(top.event_format, STR("client")) &&
        !str_eq(top.event_format, STR("federation"))) {
        rc = err_bad_json(err, "event_format must be \"client\" or \"federation\"");
    }
    if (rc == 0) {
        rc = parse_part(a, top.presence, &out->presence, err);
    }
    if (rc == 0) {
        rc = parse_part(a, top.account_data, &out->account_data, err);
    }
    if (rc == 0) {
        rc = parse_room(a, top.room, out, err);
    }
    out->federation_format = str_eq(top.event_format, STR("federation"));
    out->event_fields = top.event_fields;
    clamp_limit(&out->timeline);
    return rc;
}

int filter_parse(struct arena *a, const json_t *json, struct filter *out, struct err *err)
{
    int rc = filter_load(a, json, out, err);
    return rc ? rc : check_parts(out, err);
}

/* '*' stands for any run of characters. */
static bool glob(struct str pattern, struct str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.n && pattern.p[p] == text.p[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.n;
}

static bool list_has(const struct str_list *list, struct str text, bool globs)
{
    for (size_t i = 0; i < list->n; i++) {
        if (globs ? glob(list->p[i], text) : str_eq(list->p[i], text)) {
            return true;
        }
    }
    return false;
}

/* An absent positive list allows all; the negative list wins. */
static bool lists_allow(const struct str_list *yes, const struct str_list *no, struct str text,
                        bool globs)
{
    return (!yes->p || list_has(yes, text, globs)) && !list_has(no, text, globs);
}

bool filter_allows_room(const struct filter *f, struct str room_id)
{
    return lists_allow(&f->rooms, &f->not_rooms, room_id, false);
}

bool event_filter_allows_parts(const struct event_filter *f, struct str type, struct str sender,
                               struct str room_id)
{
    return lists_allow(&f->types, &f->not_types, type, true) &&
           (!sender.p || lists_allow(&f->senders, &f->not_senders, sender, false)) &&
           (!room_id.p || lists_allow(&f->rooms, &f->not_rooms, room_id, false));
}

/* Whether content has a string "url" at its top. */
static bool has_url(const struct event *ev)
{
    return str_starts(canon_find(ev->content, STR("url")), STR("\""));
}

bool event_filter_allows(const struct event_filter *f, const struct event *ev)
{
    return event_filter_allows_parts(f, ev->type, ev->sender, ev->room_id) &&
           (!f->has_contains_url || has_url(ev) == f->contains_url);
}

bool event_filter_is_shut(const struct event_filter *f)
{
    return (f->types.p && f->types.n == 0) || (f->senders.p && f->senders.n == 0) ||
           (f->rooms.p && f->rooms.n == 0) || list_has(&f->not_types, STR("*"), false);
}

static int related_by(struct server *s, struct arena *a, const struct event_filter *f,
                      const struct relation_row *rel, bool *out, struct err *err)
{
    struct str sender = STR_NONE;
    int rc = 0;
    if (f->related_by_senders.p) {
        rc = names_text(s->store, store_reader(s->store), rel->sender_nid, a, &sender, err);
    }
    *out = rc == 0 &&
           (!f->related_by_senders.p || list_has(&f->related_by_senders, sender, false)) &&
           (!f->related_by_rel_types.p || list_has(&f->related_by_rel_types, rel->rel_type, false));
    return rc;
}

int event_filter_allows_related(const struct event_filter *f, struct server *s, struct arena *a,
                                const struct event *ev, bool *out, struct err *err)
{
    *out = !f->related_by_rel_types.p && !f->related_by_senders.p;
    if (*out) {
        return 0;
    }
    struct relation_row *rows;
    size_t n = 0;
    struct relation_query q = {.room_nid = ev->ids.room,
                               .parent_id = ev->event_id,
                               .from = INT64_MIN,
                               .to = INT64_MAX,
                               .order = EVENTS_NEWEST_FIRST,
                               .limit = 1000};
    int rc = relations_list(store_reader(s->store), a, &q, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n && !*out; i++) {
        rc = related_by(s, a, f, &rows[i], out, err);
    }
    return rc;
}
