/* SPDX-License-Identifier: Apache-2.0 */
/* POST search: full text of the rooms that somebody is or was in. */
#include <inttypes.h>

#include "client/handler.h"
#include "client/routes.h"
#include "core/filter.h"
#include "core/ignored.h"
#include "core/nodes.h"
#include "core/render.h"
#include "core/search_index.h"
#include "core/sync_token.h"
#include "store/epochs.h"
#include "store/names.h"
#include "store/rooms.h"
#include "store/search.h"

enum {
    ANSWER_MAX = 256 << 20,
    LIMIT_MAX = 100,
    CONTEXT_DEFAULT = 5,
    CONTEXT_MAX = 100,
    CONTEXT_BYTES = 2 * HANDLER_PAGE_BYTES, /* with what is found */
    WINDOW = 1000, /* hits that are read at once; also what `count` counts to */
    ROUNDS = 10,   /* of reading on when little of what was found may be seen */
};

/* ---- the request ---- */

struct search_body {
    const json_t *search_categories;
};
static const struct jfield search_fields[] = {
    FIELD(struct search_body, search_categories, .flags = J_OBJECT),
    {0},
};

struct criteria {
    struct str search_term, order_by;
    struct str_list keys;
    const json_t *filter, *event_context, *groupings;
    bool include_state;
};
static const struct jfield criteria_fields[] = {
    FIELD(struct criteria, search_term),
    FIELD(struct criteria, order_by, .flags = OPT),
    FIELD(struct criteria, keys, .flags = OPT),
    FIELD(struct criteria, filter, .flags = OPT | J_OBJECT),
    FIELD(struct criteria, event_context, .flags = OPT | J_OBJECT),
    FIELD(struct criteria, groupings, .flags = OPT | J_OBJECT),
    FIELD(struct criteria, include_state, .flags = OPT),
    {0},
};

struct context_options {
    int64_t before_limit, after_limit;
    bool include_profile;
};
static const struct jfield context_fields[] = {
    FIELD(struct context_options, before_limit, .flags = OPT, .max = INT64_MAX),
    FIELD(struct context_options, after_limit, .flags = OPT, .max = INT64_MAX),
    FIELD(struct context_options, include_profile, .flags = OPT),
    {0},
};

struct groupings {
    const json_t *group_by;
};
static const struct jfield groupings_fields[] = {
    FIELD(struct groupings, group_by, .flags = OPT | J_ARRAY),
    {0},
};

/* Where a page begins; what next_batch says. */
struct cursor {
    int64_t at;     /* by rank: hits to leave out; else the position to begin at */
    int64_t upto;   /* by rank: what was said later does not shift the pages */
    int64_t count;  /* as the first page gave it; 0: this is the first page */
    char group;     /* 'r', 's': only this room or sender; '-': all */
    uint64_t value; /* its nid */
};

/* One of the rooms with hits, and what the caller may see of it. */
struct readable {
    struct room *room;
    struct viewer viewer;
    bool may;
    int64_t upto;
};

struct found {
    struct entry *entry;
    struct readable *in;
    double rank;
};

struct search {
    struct request *rq;
    struct server *server;
    struct criteria want;
    struct context_options context;
    struct event_filter filter;
    struct search_term term;
    struct search_query query;
    struct ignored ignored;
    struct imap readable; /* room nid -> struct readable * */
    bool by_room, by_sender;
    struct cursor cursor;
    struct found *found;
    struct reading reading; /* the page of what is found */
    size_t context_bytes;   /* of what stands around it */
    int64_t count;
    bool more;
};

/* ---- cursors: order.at.upto.count.group.value.epoch ---- */

static struct str cursor_text(const struct search *s, char group, uint64_t value)
{
    const struct cursor *c = &s->cursor;
    return arena_printf(s->rq->arena,
                        "%c.%" PRId64 ".%" PRId64 ".%" PRId64 ".%c.%" PRIu64 ".%" PRId64,
                        s->query.by_rank ? 'k' : 'n', c->at, c->upto, s->count, group, value,
                        store_epoch(s->server->store));
}

static bool next_int(struct str *rest, int64_t *out)
{
    struct str part;
    str_split(*rest, '.', &part, rest);
    return str_to_i64(part, out);
}

/* After a restore the pages go on where both times agree. */
static int cursor_place(struct search *s, int64_t epoch, struct err *err)
{
    int64_t *position = s->query.by_rank ? &s->cursor.upto : &s->cursor.at;
    bool is_foreign;
    return epochs_place(s->server->store, epoch, position, &is_foreign, err);
}

static int cursor_parse(struct search *s, struct err *err)
{
    struct str text = request_query_token(s->rq, "next_batch"), order, group, value, rest;
    int64_t epoch = 0; /* of older programs */
    struct cursor *c = &s->cursor;
    *c = (struct cursor){.upto = INT64_MAX, .group = '-'};
    c->at = s->query.by_rank ? 0 : INT64_MAX;
    if (!text.p) {
        return 0;
    }
    str_split(text, '.', &order, &rest);
    bool ok = str_eq(order, s->query.by_rank ? STR("k") : STR("n")) && next_int(&rest, &c->at) &&
              next_int(&rest, &c->upto) && next_int(&rest, &c->count);
    str_split(rest, '.', &group, &rest);
    bool has_epoch = str_split(rest, '.', &value, &rest);
    ok = ok && group.n == 1 && (!s->query.by_rank || c->at >= 0) && str_to_u64(value, &c->value) &&
         (!has_epoch || str_to_i64(rest, &epoch));
    c->group = ok ? group.p[0] : '-';
    return ok ? cursor_place(s, epoch, err)
              : err_invalid_param(err, "next_batch is not a token of this search");
}

/* ---- what is asked for ---- */

static int read_keys(struct search *s, struct err *err)
{
    static const struct {
        struct str name;
        unsigned key;
    } keys[] = {{STR_INIT("content.body"), SEARCH_BODY},
                {STR_INIT("content.name"), SEARCH_NAME},
                {STR_INIT("content.topic"), SEARCH_TOPIC}};
    s->query.keys = s->want.keys.n ? 0 : SEARCH_ALL_KEYS;
    for (size_t i = 0; i < s->want.keys.n; i++) {
        unsigned key = 0;
        for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
            key |= str_eq(s->want.keys.p[i], keys[k].name) ? keys[k].key : 0;
        }
        if (!key) {
            return err_invalid_param(err, "keys may be content.body, content.name, content.topic");
        }
        s->query.keys |= key;
    }
    return 0;
}

static int read_order(struct search *s, struct err *err)
{
    s->query.by_rank = !s->want.order_by.p || str_eq(s->want.order_by, STR("rank"));
    return s->query.by_rank || str_eq(s->want.order_by, STR("recent"))
               ? 0
               : err_invalid_param(err, "order_by must be \"rank\" or \"recent\"");
}

static int read_groupings(struct search *s, struct err *err)
{
    struct groupings groupings = {.group_by = NULL};
    int rc = s->want.groupings
                 ? json_decode(s->rq->arena, s->want.groupings, groupings_fields, &groupings, err)
                 : 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(groupings.group_by); i++) {
        struct str key = json_str(json_get(json_array_get(groupings.group_by, i), "key"));
        bool room = str_eq(key, STR("room_id")), sender = str_eq(key, STR("sender"));
        s->by_room = s->by_room || room;
        s->by_sender = s->by_sender || sender;
        rc = room || sender ? 0 : err_invalid_param(err, "group_by: room_id or sender");
    }
    return rc;
}

static int read_context(struct search *s, struct err *err)
{
    s->context = (struct context_options){CONTEXT_DEFAULT, CONTEXT_DEFAULT, false};
    int rc = s->want.event_context ? json_decode(s->rq->arena, s->want.event_context,
                                                 context_fields, &s->context, err)
                                   : 0;
    s->context.before_limit = MIN(s->context.before_limit, CONTEXT_MAX);
    s->context.after_limit = MIN(s->context.after_limit, CONTEXT_MAX);
    return rc;
}

static int read_filter(struct search *s, struct err *err)
{
    const json_t *filter = s->want.filter ? s->want.filter : json_object();
    int rc = event_filter_parse(s->rq->arena, filter, &s->filter, err);
    s->reading = handler_reading((size_t)MIN(s->filter.limit, LIMIT_MAX), ROUNDS);
    s->found = arena_array(s->rq->arena, struct found, s->reading.limit);
    return rc;
}

static int read_criteria(struct search *s, const json_t *room_events, struct err *err)
{
    static int (*const steps[])(struct search *, struct err *) = {
        read_keys, read_order, read_groupings, read_context, read_filter, cursor_parse};
    int rc = json_decode(s->rq->arena, room_events, criteria_fields, &s->want, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(steps); i++) {
        rc = steps[i](s, err);
    }
    if (rc == 0) {
        search_term_parse(s->rq->arena, s->want.search_term, &s->term);
        s->query.term = &s->term;
    }
    return rc;
}

/* ---- where is searched ---- */

static int nids_of_rooms(struct search *s, const struct str_list *ids, struct imap *out,
                         struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ids->n; i++) {
        struct room_row row;
        rc = rooms_find(store_reader(s->server->store), s->rq->arena, ids->p[i], &row, err);
        if (rc == 0) {
            imap_at(out, row.nid, NULL);
        }
        rc = rc == E_NOT_FOUND ? 0 : rc;
    }
    return rc;
}

static bool was_there(const struct member_row *m)
{
    return m->membership == MEMBERSHIP_JOIN ||
           (!m->forgotten &&
            (m->membership == MEMBERSHIP_LEAVE || m->membership == MEMBERSHIP_BAN));
}

/* The rooms that the user is or was in, of which the filter and the cursor leave some. */
static int read_rooms(struct search *s, struct err *err)
{
    struct imap only = {0}, not = {0};
    struct member_row *rows;
    size_t n = 0;
    int rc = nids_of_rooms(s, &s->filter.rooms, &only, err);
    if (rc == 0) {
        rc = nids_of_rooms(s, &s->filter.not_rooms, &not, err);
    }
    if (rc == 0) {
        rc = room_members_of_user(store_reader(s->server->store), s->rq->arena, s->rq->who.user_nid,
                                  &rows, &n, err);
    }
    uint64_t *rooms = arena_array(s->rq->arena, uint64_t, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t nid = rows[i].room_nid;
        if (was_there(&rows[i]) && (!s->filter.rooms.p || imap_has(&only, nid)) &&
            !imap_has(&not, nid) && (s->cursor.group != 'r' || s->cursor.value == nid)) {
            rooms[s->query.n_rooms++] = nid;
        }
    }
    s->query.rooms = rooms;
    imap_release(&only);
    imap_release(&not );
    return rc;
}

/* Senders go into the query, since they may be rare among the hits. Without any left nothing can be found. */
static int read_senders(struct search *s, struct err *err)
{
    const struct str_list *ids = &s->filter.senders;
    struct store *store = s->server->store;
    uint64_t *nids = arena_array(s->rq->arena, uint64_t, ids->n + 1);
    bool in_group = s->cursor.group == 's';
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ids->n; i++) {
        uint64_t nid;
        rc = names_find(store, store_reader(store), ids->p[i], &nid, err);
        if (rc == 0 && nid && (!in_group || nid == s->cursor.value)) {
            nids[s->query.n_senders++] = nid;
        }
    }
    if (!ids->p && in_group) {
        nids[s->query.n_senders++] = s->cursor.value;
    }
    s->query.senders = nids;
    if ((ids->p || in_group) && s->query.n_senders == 0) {
        s->query.n_rooms = 0;
    }
    return rc;
}

/* ---- searching ---- */

static int readable_of(struct search *s, uint64_t room_nid, struct readable **out, struct err *err)
{
    bool is_new;
    union map_val *slot = imap_at(&s->readable, room_nid, &is_new);
    if (!is_new) {
        *out = slot->ptr;
        return 0;
    }
    struct readable *in = arena_new(s->rq->arena, struct readable);
    slot->ptr = *out = in;
    int rc = room_hold_nid(s->server, s->rq->arena, room_nid, &in->room, err);
    if (rc != 0) {
        return rc == E_NOT_FOUND ? 0 : rc; /* deleted since */
    }
    viewer_init_history(&in->viewer, s->server, s->rq->arena, in->room, s->rq->who.user_nid);
    rc = viewer_may_read(&in->viewer, &in->upto, err);
    in->may = rc == 0;
    return rc == E_FORBIDDEN ? 0 : rc;
}

/* Whether the user may see it at all; `count` must not tell how often a word stands in what they may not read. */
static int judge(struct search *s, const struct search_hit *hit, struct readable **out_in,
                 bool *out, struct err *err)
{
    struct readable *in;
    struct entry *e;
    *out = false;
    int rc = readable_of(s, hit->room_nid, &in, err);
    if (rc != 0 || !in->may || hit->position > in->upto) {
        return rc;
    }
    *out_in = in;
    const struct room_member *me = &in->viewer.member;
    bool may_expire = s->server->config->retention.enabled;
    if (me->membership == MEMBERSHIP_JOIN && me->position <= hit->position && !may_expire) {
        *out = true; /* without a look at the event */
        return 0;
    }
    rc = entry_hold(s->server, s->rq->arena, hit->event_nid, &e, err);
    if (rc == E_NOT_FOUND) {
        return 0; /* purged since */
    }
    bool prunes = false;
    rc = rc ? rc : viewer_sees(&in->viewer, e, out, err);
    rc = rc || !*out ? rc : viewer_prunes(&in->viewer, e, &prunes, err);
    *out = *out && !prunes; /* what was erased must not be found by its words */
    return rc;
}

/* Puts a hit on the page if the filter lets it. */
static int take(struct search *s, const struct search_hit *hit, struct readable *in,
                struct err *err)
{
    struct entry *e;
    bool ok = false;
    int rc = entry_hold(s->server, s->rq->arena, hit->event_nid, &e, err);
    if (rc == 0 && !e->redacted_by && !ignored_hides(&s->ignored, e->ev) &&
        event_filter_allows(&s->filter, e->ev)) {
        rc = event_filter_allows_related(&s->filter, s->server, s->rq->arena, e->ev, &ok, err);
    }
    if (rc == 0 && ok) {
        s->found[s->reading.n] = (struct found){e, in, hit->rank};
        reading_took(&s->reading, e);
        s->count += s->cursor.count ? 0 : 1;
    }
    return rc == E_NOT_FOUND ? 0 : rc; /* purged since */
}

/* The hits of one window: first onto the page; those behind it are only counted, and only for the first page. */
static int take_window(struct search *s, const struct search_hit *hits, size_t n, struct err *err)
{
    int rc = 0;
    int64_t offset = s->cursor.at;
    for (size_t i = 0; rc == 0 && i < n && !(s->more && s->cursor.count); i++) {
        struct readable *in = NULL;
        bool visible;
        rc = judge(s, &hits[i], &in, &visible, err);
        if (reading_wants(&s->reading) > 0) {
            s->cursor.at = s->query.by_rank ? offset + (int64_t)i + 1 : hits[i].position - 1;
            rc = rc == 0 && visible ? take(s, &hits[i], in, err) : rc;
        } else if (rc == 0 && visible) {
            s->more = true;
            s->count += s->cursor.count ? 0 : 1;
        }
    }
    return rc;
}

static int find_on(void *search, size_t want, struct err *err)
{
    struct search *s = search;
    struct search_hit *hits;
    size_t n = 0;
    (void)want; /* what stands behind the page is counted */
    s->query.limit = WINDOW;
    s->query.upto = s->query.by_rank ? s->cursor.upto : s->cursor.at;
    s->query.offset = s->cursor.at;
    int rc = search_find(store_reader(s->server->store), s->rq->arena, &s->query, &hits, &n, err);
    s->reading.at_end = n < WINDOW;
    return rc ? rc : take_window(s, hits, n, err);
}

static int find(struct search *s, struct err *err)
{
    s->count = s->cursor.count;
    if (s->query.by_rank && s->cursor.upto == INT64_MAX) {
        s->cursor.upto = store_position(s->server->store);
    }
    int rc = reading_go_on(&s->reading, find_on, s, err);
    s->more = s->more || !s->reading.at_end;
    return rc;
}

/* ---- the context of a hit ---- */

struct side {
    struct search *search;
    struct readable *in;
    bool forward;
    struct entry **events;
    struct reading reading;
    int64_t reached;
};

static int side_take(struct side *side, const struct event_row *row, struct err *err)
{
    struct search *s = side->search;
    struct entry *e;
    bool visible = false;
    int rc = entry_hold_row(s->server, s->rq->arena, row, &e, err);
    rc = rc ? rc : viewer_sees(&side->in->viewer, e, &visible, err);
    if (rc == 0 && visible && !ignored_hides(&s->ignored, e->ev)) {
        side->events[side->reading.n] = e;
        reading_took(&side->reading, e);
    }
    side->reached = row->position - !side->forward;
    return rc;
}

static int side_go_on(void *arg, size_t want, struct err *err)
{
    struct side *side = arg;
    struct arena *a = side->search->rq->arena;
    bool forward = side->forward;
    struct event_row *rows;
    size_t n = 0;
    int rc = events_timeline(
        store_reader(side->search->server->store), a, side->in->room->nid,
        forward ? side->reached : INT64_MIN, forward ? side->in->upto : side->reached,
        forward ? EVENTS_OLDEST_FIRST : EVENTS_NEWEST_FIRST, want, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = side_take(side, &rows[i], err);
    }
    side->reading.at_end = n < want;
    return rc;
}

/* Less than was asked for where the answer is large already: `start` and `end` say where it goes on. */
static int read_side(struct side *side, size_t limit, struct err *err)
{
    struct search *s = side->search;
    size_t held = s->reading.bytes + s->context_bytes;
    side->events = arena_array(s->rq->arena, struct entry *, limit);
    side->reading = handler_reading(limit, ROUNDS);
    side->reading.bytes_max = CONTEXT_BYTES - MIN(held, (size_t)CONTEXT_BYTES);
    int rc = reading_go_on(&side->reading, side_go_on, side, err);
    s->context_bytes += side->reading.bytes;
    return rc;
}

/* What the sender of an event was called then. */
static int write_profile(struct renderer *r, struct json_writer *w, const struct entry *e,
                         struct imap *seen, struct err *err)
{
    struct entry *member;
    bool is_new;
    imap_at(seen, e->ev->ids.sender, &is_new);
    if (!is_new) {
        return 0;
    }
    int rc = state_event(r->server, r->arena, e->state_after, NID_MEMBER, e->ev->ids.sender,
                         &member, err);
    if (rc != 0 || !member || !member->ev->member) {
        return rc;
    }
    jw_key(w, e->ev->sender);
    jw_object(w);
    if (member->ev->member->displayname.p) {
        JW_STR(w, "displayname", member->ev->member->displayname);
    }
    if (member->ev->member->avatar_url.p) {
        JW_STR(w, "avatar_url", member->ev->member->avatar_url);
    }
    jw_end(w);
    return 0;
}

static int write_profiles(struct renderer *r, struct json_writer *w, const struct entry *e,
                          const struct side sides[2], struct err *err)
{
    struct imap seen = {0};
    JW_OBJECT(w, "profile_info");
    int rc = write_profile(r, w, e, &seen, err);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; rc == 0 && i < sides[k].reading.n; i++) {
            rc = write_profile(r, w, sides[k].events[i], &seen, err);
        }
    }
    jw_end(w);
    imap_release(&seen);
    return rc;
}

static int write_context(struct search *s, struct renderer *r, struct json_writer *w,
                         const struct found *found, struct err *err)
{
    const struct entry *e = found->entry;
    struct side sides[2] = {
        {.search = s, .in = found->in, .reached = e->position - 1},
        {.search = s, .in = found->in, .reached = e->position, .forward = true}};
    int rc = read_side(&sides[0], (size_t)s->context.before_limit, err);
    if (rc == 0) {
        rc = read_side(&sides[1], (size_t)s->context.after_limit, err);
    }
    if (rc != 0) {
        return rc;
    }
    JW_OBJECT(w, "context");
    JW_STR(w, "start", sync_token_of_position(s->server, r->arena, sides[0].reached));
    JW_STR(w, "end", sync_token_of_position(s->server, r->arena, sides[1].reached));
    JW_KEY(w, "events_before");
    rc = render_events(r, w, sides[0].events, sides[0].reading.n, err);
    JW_KEY(w, "events_after");
    rc = rc == 0 ? render_events(r, w, sides[1].events, sides[1].reading.n, err) : rc;
    if (rc == 0 && s->context.include_profile) {
        rc = write_profiles(r, w, e, sides, err);
    }
    jw_end(w);
    return rc;
}

/* ---- the answer ---- */

static int write_results(struct search *s, struct renderer *r, struct json_writer *w,
                         struct err *err)
{
    int rc = 0;
    JW_ARRAY(w, "results");
    for (size_t i = 0; rc == 0 && i < s->reading.n; i++) {
        jw_object(w);
        if (s->query.by_rank) {
            JW_RAW(w, "rank", arena_printf(s->rq->arena, "%.6f", s->found[i].rank));
        }
        JW_KEY(w, "result");
        rc = render_event(r, w, s->found[i].entry, err);
        if (rc == 0 && s->want.event_context) {
            rc = write_context(s, r, w, &s->found[i], err);
        }
        jw_end(w);
    }
    jw_end(w);
    return rc;
}

struct state_walk {
    struct renderer *render;
    struct json_writer *w;
    struct err *err;
};

static int write_state_entry(void *arg, const struct state_entry *entry)
{
    struct state_walk *walk = arg;
    struct entry *e;
    int rc = entry_hold(walk->render->server, walk->render->arena, entry->event, &e, walk->err);
    return rc == 0 ? render_event(walk->render, walk->w, e, walk->err) : rc;
}

static int write_state_of(struct search *s, struct renderer *r, struct json_writer *w,
                          struct readable *in, struct err *err)
{
    struct state_walk walk = {r, w, err};
    struct node_overlay nodes;
    struct state_id state;
    int rc = viewer_state(&in->viewer, &state, err);
    if (rc != 0) {
        return rc;
    }
    node_overlay_init(&nodes, s->server, s->rq->arena);
    jw_key(w, in->room->room_id);
    jw_array(w);
    rc = s->filter.lazy_load_members
             ? state_each_but_members(&nodes.vtable, state, write_state_entry, &walk, err)
             : state_each(&nodes.vtable, state, write_state_entry, &walk, err);
    jw_end(w);
    node_overlay_release(&nodes);
    return rc;
}

static int write_states(struct search *s, struct renderer *r, struct json_writer *w,
                        struct err *err)
{
    struct imap seen = {0};
    int rc = 0;
    JW_OBJECT(w, "state");
    for (size_t i = 0; rc == 0 && i < s->reading.n; i++) {
        bool is_new;
        imap_at(&seen, s->found[i].in->room->nid, &is_new);
        rc = is_new ? write_state_of(s, r, w, s->found[i].in, err) : 0;
    }
    jw_end(w);
    imap_release(&seen);
    return rc;
}

static uint64_t group_of(const struct found *f, char kind)
{
    return kind == 'r' ? f->entry->ev->ids.room : f->entry->ev->ids.sender;
}

/* The hits that have the same value as the one at `first`, the first of them. */
static void write_group(struct search *s, struct json_writer *w, char kind, size_t first,
                        int64_t order)
{
    uint64_t value = group_of(&s->found[first], kind);
    const struct event *ev = s->found[first].entry->ev;
    jw_key(w, kind == 'r' ? ev->room_id : ev->sender);
    jw_object(w);
    JW_INT(w, "order", order);
    JW_ARRAY(w, "results");
    for (size_t i = first; i < s->reading.n; i++) {
        if (group_of(&s->found[i], kind) == value) {
            jw_str(w, s->found[i].entry->ev->event_id);
        }
    }
    jw_end(w);
    if (s->more) {
        JW_STR(w, "next_batch", cursor_text(s, kind, value));
    }
    jw_end(w);
}

static void write_groups_by(struct search *s, struct json_writer *w, char kind)
{
    struct imap seen = {0};
    int64_t order = 0;
    jw_object(w);
    for (size_t i = 0; i < s->reading.n; i++) {
        bool is_new;
        imap_at(&seen, group_of(&s->found[i], kind), &is_new);
        if (is_new) {
            write_group(s, w, kind, i, ++order);
        }
    }
    jw_end(w);
    imap_release(&seen);
}

static void write_groups(struct search *s, struct json_writer *w)
{
    JW_OBJECT(w, "groups");
    if (s->by_room) {
        JW_KEY(w, "room_id");
        write_groups_by(s, w, 'r');
    }
    if (s->by_sender) {
        JW_KEY(w, "sender");
        write_groups_by(s, w, 's');
    }
    jw_end(w);
}

static int write_found(struct search *s, struct json_writer *w, struct err *err)
{
    struct renderer r;
    renderer_init(&r, s->server, s->rq->arena, RENDER_CLIENT, s->rq->who.user_nid,
                  s->rq->who.device_nid);
    JW_OBJECT(w, "room_events");
    JW_INT(w, "count", s->count);
    JW_ARRAY(w, "highlights");
    for (size_t i = 0; i < s->term.n_words; i++) {
        jw_str(w, s->term.words[i]);
    }
    jw_end(w);
    int rc = write_results(s, &r, w, err);
    if (rc == 0 && s->want.include_state) {
        rc = write_states(s, &r, w, err);
    }
    if (rc == 0 && (s->by_room || s->by_sender)) {
        write_groups(s, w);
    }
    if (s->more) {
        JW_STR(w, "next_batch", cursor_text(s, s->cursor.group, s->cursor.value));
    }
    jw_end(w);
    return rc;
}

static int search_rooms(struct search *s, const json_t *room_events, struct json_writer *w,
                        struct err *err)
{
    int rc = read_criteria(s, room_events, err);
    if (rc == 0) {
        rc = ignored_load(s->server, s->rq->arena, s->rq->who.user_nid, &s->ignored, err);
    }
    if (rc == 0) {
        rc = read_rooms(s, err);
    }
    if (rc == 0) {
        rc = read_senders(s, err);
    }
    if (rc == 0) {
        rc = search_index_catch_up(s->server, err);
    }
    if (rc == 0) {
        rc = find(s, err);
    }
    return rc == 0 ? write_found(s, w, err) : rc;
}

static int post_search(struct request *rq, struct err *err)
{
    const struct search_body *in = rq->in;
    struct search s = {.rq = rq, .server = server_of(rq)};
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&out);
    const json_t *room_events = json_get(in->search_categories, "room_events");
    int rc = 0;
    jw_object(&w);
    JW_OBJECT(&w, "search_categories");
    if (room_events) {
        rc = search_rooms(&s, room_events, &w, err);
    }
    if (rc == 0) {
        jw_end(&w);
        jw_end(&w);
        rc = out.overflow ? err_internal(err, "the answer exceeds %d bytes", ANSWER_MAX)
                          : reply_buf(rq, 200, &out);
    }
    buf_release(&out);
    imap_release(&s.readable);
    return rc;
}

const struct route search_routes[] = {
    {HTTP_POST, "/_matrix/client/v3/search", post_search, .auth = ROUTE_USER, .rate = RATE_SEARCH,
     BODY(struct search_body, search_fields)},
    {0},
};
