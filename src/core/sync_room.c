/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/vec.h"
#include "core/lazy_members.h"
#include "core/nodes.h"
#include "core/reading.h"
#include "core/server.h"
#include "core/sync_internal.h"
#include "core/unread.h"
#include "core/visibility.h"

/* ---- timeline ---- */

enum {
    TIMELINE_ROUNDS = 20, /* of looking further back when the filter lets little through */
    TIMELINE_CHUNK = 100, /* events read at once */
    TIMELINE_BYTES =
        1 << 20, /* past it the timeline is limited; the client can read on backwards */
};

struct timeline {
    struct sync_room *room;
    struct viewer *viewer;
    struct entry **events; /* newest first */
    struct reading reading;
    bool limited;
    bool skipped;       /* state events were left out, by the filter or for want of visibility */
    int64_t prev_batch; /* position before the oldest one */
};

/* Appends the events of a chunk that the client may and wants to see. */
static int take_wanted(struct timeline *t, struct entry **chunk, size_t n, struct err *err)
{
    struct sync_room *r = t->room;
    const struct event_filter *f = &r->sync->filter.timeline;
    for (size_t i = 0; i < n; i++) {
        bool ok;
        int rc = viewer_sees(t->viewer, chunk[i], &ok, err);
        if (rc == 0 && ok) {
            ok = event_filter_allows(f, chunk[i]->ev) &&
                 !sync_is_ignored_event(r->sync, chunk[i]->ev);
        }
        if (rc == 0 && ok) {
            rc = event_filter_allows_related(f, r->sync->server, r->sync->arena, chunk[i]->ev, &ok,
                                             err);
        }
        if (rc != 0) {
            return rc;
        }
        if (ok) {
            t->events[t->reading.n] = chunk[i];
            reading_took(&t->reading, chunk[i]);
        } else {
            t->skipped = t->skipped || chunk[i]->ev->is_state;
        }
    }
    return 0;
}

/* The next older events. */
static int read_older(void *timeline, size_t n, struct err *err)
{
    struct timeline *t = timeline;
    struct sync_room *r = t->room;
    struct sync *s = r->sync;
    struct entry **chunk;
    bool more;
    int rc = room_timeline(s->server, s->arena, r->room, r->from, t->prev_batch, n, &chunk, &n,
                           &more, err);
    t->reading.at_end = rc == 0 && !more;
    rc = rc ? rc : take_wanted(t, chunk, n, err);
    if (rc == 0 && n > 0) {
        t->prev_batch = chunk[n - 1]->position - 1;
    }
    return rc;
}

static struct timeline timeline_of(struct sync_room *r, struct viewer *viewer, size_t limit,
                                   int64_t position)
{
    return (struct timeline){.room = r,
                             .viewer = viewer,
                             .events = arena_array(r->sync->arena, struct entry *, limit),
                             .reading = {.limit = limit,
                                         .bytes_max = TIMELINE_BYTES,
                                         .chunk = TIMELINE_CHUNK,
                                         .rounds = TIMELINE_ROUNDS},
                             .prev_batch = position};
}

/* For whether there is any: as many as one look takes. */
static int read_far(void *timeline, size_t n, struct err *err)
{
    (void)n;
    return read_older(timeline, TIMELINE_CHUNK, err);
}

/* The timeline is full: whether there is something older that the client wants ("limited"). If there is not, all of
 * the time since the last /sync was looked through, and what was left out on the way counts like the rest. */
static int find_older(struct timeline *t, bool *out_found, struct err *err)
{
    struct timeline older = timeline_of(t->room, t->viewer, TIMELINE_CHUNK, t->prev_batch);
    older.reading.limit = 1;
    int rc = read_older(&older, 1, err); /* nearly always enough */
    rc = rc ? rc : reading_go_on(&older.reading, read_far, &older, err);
    *out_found = older.reading.n > 0 || !older.reading.at_end;
    t->skipped = t->skipped || (!*out_found && older.skipped);
    return rc;
}

static int read_timeline(struct sync_room *r, struct timeline *t, struct err *err)
{
    struct sync *s = r->sync;
    struct viewer viewer;
    bool more = false;
    viewer_init(&viewer, s->server, s->arena, r->room, s->user_nid);
    *t = timeline_of(r, &viewer, (size_t)s->filter.timeline.limit, r->to);
    int rc = reading_go_on(&t->reading, read_older, t, err);
    if (rc == 0 && !t->reading.at_end) {
        rc = find_older(t, &more, err);
    }
    t->viewer = NULL;
    t->limited = more || r->is_back || s->catches_up;
    return rc;
}

static int write_timeline(struct sync_room *r, const struct timeline *t, struct err *err)
{
    struct sync *s = r->sync;
    int rc = render_expect(&s->render, t->events, t->reading.n, err);
    JW_OBJECT(&s->w, "timeline");
    JW_ARRAY(&s->w, "events");
    for (size_t i = t->reading.n; rc == 0 && i-- > 0;) {
        rc = render_event(&s->render, &s->w, t->events[i], err);
    }
    jw_end(&s->w);
    JW_BOOL(&s->w, "limited", t->limited);
    JW_STR(&s->w, "prev_batch", sync_token_of_position(s->server, s->arena, t->prev_batch));
    jw_end(&s->w);
    return rc;
}

/* ---- state ---- */

/* Nids of the state events to send. */
struct state_list {
    struct sync_room *room;
    VEC(uint64_t) nids;
    struct imap
        senders; /* members a lazy loading client needs: those who speak in the timeline, and the user */
    bool lazy;
    bool summary_due; /* what the summary is made of changed: memberships, the name */
};

static void list_release(struct state_list *l)
{
    vec_release(&l->nids);
    imap_release(&l->senders);
}

static bool is_of_summary(uint64_t type)
{
    return type == NID_MEMBER || type == NID_NAME || type == NID_CANONICAL_ALIAS;
}

/* In a gap all members that changed count, for a lazy loading client too ("Lazy-loading room members"). */
static int list_entry(void *arg, const struct state_entry *e)
{
    struct state_list *l = arg;
    l->summary_due = l->summary_due || is_of_summary(e->type);
    vec_push(&l->nids, e->event);
    return 0;
}

static int list_change(void *arg, uint64_t type, uint64_t key, UNUSED uint64_t before,
                       uint64_t after)
{
    return after ? list_entry(arg, &(struct state_entry){type, key, after}) : 0;
}

/* The state of the room after the newest timeline event that is not after `position`. */
static int state_at(struct sync_room *r, int64_t position, struct state_id *out, struct err *err)
{
    struct entry **entries;
    size_t n;
    bool more;
    *out = STATE_EMPTY;
    int rc = room_timeline(r->sync->server, r->sync->arena, r->room, INT64_MIN, position, 1,
                           &entries, &n, &more, err);
    if (rc == 0 && n > 0) {
        *out = entries[0]->state_after;
    }
    return rc;
}

/*
 * Up to which point `state` (or state_after) leads: the start of the timeline, or its end. If the timeline leaves
 * state events out, `state` must lead to the end as well, or they would never be told; what the timeline does show
 * is left out of it later.
 */
static int state_target(struct sync_room *r, const struct timeline *t, struct state_id *out,
                        struct err *err)
{
    const struct entry *oldest = t->reading.n ? t->events[t->reading.n - 1] : NULL;
    if (r->sync->use_state_after || t->skipped || !oldest || oldest->position > r->state_to) {
        return state_at(r, MIN(r->to, r->state_to), out, err);
    }
    return entry_state_before(r->sync->server, oldest, out, err);
}

static int list_whole(struct state_list *l, struct node_overlay *nodes, struct state_id target,
                      struct err *err)
{
    l->summary_due = true;
    if (!l->lazy) {
        return state_each(&nodes->vtable, target, list_entry, l, err);
    }
    return state_each_but_members(&nodes->vtable, target, list_entry, l, err);
}

static int list_delta(struct state_list *l, struct node_overlay *nodes, struct state_id target,
                      struct err *err)
{
    struct state_id since;
    int rc = state_at(l->room, l->room->from, &since, err);
    if (rc != 0 || state_id_eq(since, target)) {
        return rc;
    }
    return state_diff(&nodes->vtable, since, target, list_change, l, err);
}

/* Lazy loading: the member events of whoever speaks in the timeline, unless this device has them already. */
static int list_senders(struct state_list *l, struct node_overlay *nodes, struct state_id target,
                        struct err *err)
{
    struct sync *s = l->room->sync;
    size_t pos = 0;
    uint64_t user;
    while (imap_next(&l->senders, &pos, &user, NULL)) {
        uint64_t nid;
        int rc = state_get(&nodes->vtable, target, NID_MEMBER, user, &nid, err);
        if (rc != 0) {
            return rc;
        }
        bool known = !l->room->whole && !s->filter.state.include_redundant_members &&
                     lazy_members_known(s->server->lazy, s->device_nid, nid, s->since.position);
        if (nid && !known) {
            vec_push(&l->nids, nid);
            lazy_members_sent(s->server->lazy, s->device_nid, nid, s->upto.position);
        }
    }
    return 0;
}

static int has_name(struct sync_room *r, bool *out, struct err *err)
{
    static const uint64_t naming[] = {NID_NAME, NID_CANONICAL_ALIAS};
    *out = false;
    for (size_t i = 0; i < ARRAY_LEN(naming) && !*out; i++) {
        struct entry *e;
        int rc = room_state_event(r->sync->server, r->sync->arena, r->room, naming[i], NID_EMPTY,
                                  &e, err);
        if (rc != 0) {
            return rc;
        }
        *out = e && !str_eq(e->ev->content, STR("{}"));
    }
    return 0;
}

/* Nids of the heroes: members to name the room after; none if it has a name ("m.heroes"). */
static int find_heroes(struct sync_room *r, uint64_t heroes[ROOM_HEROES], size_t *out_n,
                       struct err *err)
{
    bool named;
    *out_n = 0;
    int rc = has_name(r, &named, err);
    if (rc == 0 && !named) {
        *out_n = room_heroes(r->room, r->sync->user_nid, heroes);
    }
    return rc;
}

/* A lazy loading client that gets a new summary also needs the members whom it names ("m.heroes"). */
static int note_heroes(struct state_list *l, struct err *err)
{
    uint64_t heroes[ROOM_HEROES];
    size_t n = 0;
    bool due = l->summary_due && !l->room->is_left;
    int rc = due ? find_heroes(l->room, heroes, &n, err) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        imap_set(&l->senders, heroes[i], (union map_val){.u = 1});
    }
    return rc;
}

/* What lies between `since` and the timeline. */
static int list_between(struct state_list *l, struct node_overlay *nodes, struct state_id target,
                        struct err *err)
{
    return l->room->whole ? list_whole(l, nodes, target, err) : list_delta(l, nodes, target, err);
}

static int collect_state(struct state_list *l, const struct timeline *t, struct err *err)
{
    struct sync *s = l->room->sync;
    struct node_overlay nodes;
    struct state_id target;
    if (l->room->only_membership_event) {
        vec_push(&l->nids, l->room->only_membership_event);
        return 0;
    }
    bool nothing_between = !l->room->whole && !t->limited && !t->skipped && !s->use_state_after;
    if (nothing_between && (!l->lazy || t->reading.n == 0)) {
        return 0;
    }
    int rc = state_target(l->room, t, &target, err);
    node_overlay_init(&nodes, s->server, s->arena);
    if (rc == 0 && !nothing_between) {
        rc = list_between(l, &nodes, target, err);
    }
    if (rc == 0 && l->lazy) {
        rc = note_heroes(l, err);
    }
    if (rc == 0 && l->lazy) {
        rc = list_senders(l, &nodes, target, err);
    }
    node_overlay_release(&nodes);
    return rc;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Nids [from, to) of the list; it is sorted. */
struct state_slice {
    struct state_list *list;
    const struct timeline *timeline;
    size_t from, to;
};

/* An event that the timeline shows as well is left out of `state`; state_after has it. */
static bool is_shown(const struct state_slice *slice, size_t i)
{
    const uint64_t *nids = slice->list->nids.p;
    const struct timeline *t = slice->timeline;
    bool shown = i > 0 && nids[i] == nids[i - 1];
    for (size_t k = 0; k < t->reading.n && !shown && !slice->list->room->sync->use_state_after;
         k++) {
        shown = t->events[k]->ev->ids.event == nids[i];
    }
    return shown;
}

static int pick_state_events(const struct state_slice *slice, struct entry **out, size_t *out_n,
                             struct err *err)
{
    struct sync *s = slice->list->room->sync;
    int rc = 0;
    *out_n = 0;
    for (size_t i = slice->from; rc == 0 && i < slice->to; i++) {
        struct entry *e = NULL;
        rc = is_shown(slice, i) ? 0
                                : entry_hold(s->server, s->arena, slice->list->nids.p[i], &e, err);
        if (rc == 0 && e && event_filter_allows(&s->filter.state, e->ev)) {
            out[(*out_n)++] = e;
        }
    }
    return rc;
}

static int write_state_slice(const struct state_slice *slice, size_t *out_n, struct err *err)
{
    struct sync *s = slice->list->room->sync;
    struct sync_scope scope;
    size_t n = 0;
    sync_scope_begin(s, &scope);
    struct entry **events = arena_array(s->arena, struct entry *, slice->to - slice->from);
    int rc = pick_state_events(slice, events, &n, err);
    rc = rc ? rc : render_expect(&s->render, events, n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = render_event(&s->render, &s->w, events[i], err);
    }
    sync_scope_end(s, &scope);
    *out_n += n;
    return rc;
}

/* Each once, oldest first, a slice at a time: the members of a large room are more than should be held at once. */
static int write_state(struct state_list *l, const struct timeline *t, size_t *out_n,
                       struct err *err)
{
    enum { SLICE = 500 };
    struct sync *s = l->room->sync;
    int rc = 0;
    if (l->nids.n > 0) {
        qsort(l->nids.p, l->nids.n, sizeof(*l->nids.p), by_value);
    }
    jw_key(&s->w, s->use_state_after ? STR("state_after") : STR("state"));
    jw_object(&s->w);
    JW_ARRAY(&s->w, "events");
    for (size_t from = 0; rc == 0 && from < l->nids.n; from += SLICE) {
        struct state_slice slice = {l, t, from, MIN(from + SLICE, l->nids.n)};
        rc = write_state_slice(&slice, out_n, err);
        /* A room that is told as a whole is never taken back. */
        rc = rc == 0 && l->room->whole ? sync_pass_on(s, err) : rc;
    }
    jw_end(&s->w);
    jw_end(&s->w);
    return rc;
}

static void note_senders(struct state_list *l, const struct timeline *t)
{
    for (size_t i = 0; i < t->reading.n; i++) {
        imap_set(&l->senders, t->events[i]->ev->ids.sender, (union map_val){.u = 1});
    }
    if (l->room->whole) {
        imap_set(&l->senders, l->room->sync->user_nid, (union map_val){.u = 1});
    }
}

/* ---- summary and counts ---- */

static int write_summary(struct sync_room *r, const uint64_t *heroes, size_t n, struct err *err)
{
    struct sync *s = r->sync;
    struct room_counts counts = room_counts_now(r->room);
    struct str names[ROOM_HEROES];
    int rc = sync_names(s, heroes, n, names, err);
    if (rc != 0) {
        return rc;
    }
    JW_OBJECT(&s->w, "summary");
    JW_ARRAY(&s->w, "m.heroes");
    for (size_t i = 0; i < n; i++) {
        jw_str(&s->w, names[i]);
    }
    jw_end(&s->w);
    JW_INT(&s->w, "m.joined_member_count", counts.joined);
    JW_INT(&s->w, "m.invited_member_count", counts.invited);
    jw_end(&s->w);
    return 0;
}

static void write_count(struct json_writer *w, const struct unread_count *c)
{
    JW_INT(w, "highlight_count", c->highlight);
    JW_INT(w, "notification_count", c->notify);
}

static int write_unread(struct sync_room *r, struct err *err)
{
    struct sync *s = r->sync;
    bool by_thread = s->filter.timeline.unread_thread_notifications;
    struct unread_counts counts;
    int rc =
        unread_count(s->server, s->arena, s->user_nid, r->room, r->to, by_thread, &counts, err);
    if (rc != 0) {
        return rc;
    }
    JW_OBJECT(&s->w, "unread_notifications");
    write_count(&s->w, &counts.main);
    jw_end(&s->w);
    if (!by_thread) {
        return 0;
    }
    JW_OBJECT(&s->w, "unread_thread_notifications");
    for (size_t i = 0; i < counts.n_threads; i++) {
        jw_key(&s->w, counts.threads[i].root_id);
        jw_object(&s->w);
        write_count(&s->w, &counts.threads[i].count);
        jw_end(&s->w);
    }
    jw_end(&s->w);
    return 0;
}

/* ---- the room ---- */

static int write_joined_extras(struct sync_room *r, const struct state_list *l, size_t *out_n,
                               struct err *err)
{
    uint64_t heroes[ROOM_HEROES];
    size_t n_heroes;
    int rc = 0;
    if (l->summary_due) {
        rc = find_heroes(r, heroes, &n_heroes, err);
        if (rc == 0) {
            rc = write_summary(r, heroes, n_heroes, err);
        }
    }
    if (rc == 0) {
        rc = sync_write_ephemeral(r, out_n, err);
    }
    return rc != 0 ? rc : write_unread(r, err);
}

static int write_sections(struct sync_room *r, struct state_list *l, const struct timeline *t,
                          bool *out_found, struct err *err)
{
    size_t n_state = 0, n_ephemeral = 0, n_account = 0;
    int rc = write_timeline(r, t, err);
    if (rc == 0) {
        rc = write_state(l, t, &n_state, err);
    }
    if (rc == 0 && !r->is_left) {
        rc = write_joined_extras(r, l, &n_ephemeral, err);
    }
    if (rc == 0) {
        rc = sync_write_room_account_data(r, &n_account, err);
    }
    /* A gap is told even if nothing of what was looked at passed the filter: further back there may be more. */
    *out_found = t->reading.n + n_state + n_ephemeral + n_account > 0 || t->limited || r->is_left ||
                 (r->sync->log_reaches && r->changed & SYNC_RECEIPTS);
    return rc;
}

static bool timeline_changes_summary(const struct timeline *t)
{
    for (size_t i = 0; i < t->reading.n; i++) {
        if (t->events[i]->ev->is_state && is_of_summary(t->events[i]->ev->ids.type)) {
            return true;
        }
    }
    return false;
}

int sync_write_room(struct sync_room *r, struct err *err)
{
    struct sync *s = r->sync;
    struct timeline t;
    struct state_list l = {.room = r, .lazy = s->filter.state.lazy_load_members};
    bool found = false;
    int rc = read_timeline(r, &t, err);
    if (rc != 0) {
        return rc;
    }
    note_senders(&l, &t);
    l.summary_due = timeline_changes_summary(&t);
    rc = collect_state(&l, &t, err);
    size_t start = s->w.out->n;
    struct json_writer before = s->w;
    if (rc == 0) {
        jw_key(&s->w, r->room->room_id);
        jw_object(&s->w);
        rc = write_sections(r, &l, &t, &found, err);
        jw_end(&s->w);
    }
    if (rc == 0 && !found && !r->whole) {
        /* It was looked at because something might have changed, and nothing had for this client. */
        s->w = before;
        s->w.out->n = start;
    }
    s->found = s->found || found;
    list_release(&l);
    return rc;
}
