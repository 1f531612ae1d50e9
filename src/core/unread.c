/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unread.h"

#include <stdlib.h>

#include "base/clock.h"
#include "core/cache.h"
#include "core/server.h"
#include "core/unread_internal.h"
#include "matrix/relation.h"
#include "store/receipts.h"
#include "store/unread_counts.h"

enum {
    /* client-server API, "Threading": how far a relation is followed to a thread */
    THREAD_HOPS = 3,
    /* events that are counted again after a restart, at most twice as many; they cost a write for each reader */
    SAVE_EVERY = 400,
};

/* ---- what is remembered of a user in a room ---- */

/* Immutable, one block. */
struct memo {
    struct refcount refs;
    struct count_epochs epochs;
    int64_t upto;    /* events up to here are counted */
    size_t unsaved;  /* of them, how many the store's row does not know */
    struct str body; /* tallies, encoded; behind this */
};

static void memo_ref(void *obj)
{
    ref_take(&((struct memo *)obj)->refs);
}

static void memo_unref(void *obj)
{
    struct memo *m = obj;
    if (ref_drop(&m->refs)) {
        free(m);
    }
}

/* Counting, from what is remembered (if anything) to now. */
struct counting {
    struct server *server;
    struct arena *arena;
    struct room *room;
    uint64_t user;
    struct reader *reader;
    struct count_epochs epochs;
    int64_t from, upto; /* from: events up to here are counted */
    size_t unsaved;
    bool is_anew; /* nothing was remembered */
    struct tallies tallies;
    bool has_name;
    struct str display_name; /* that the reader goes by in the room */
};

struct save {
    struct store_job job;
    struct unread_counts_row row;
};

static int write_save(struct txn *t, void *arg)
{
    const struct save *save = arg;
    return unread_counts_put(t, &save->row, txn_err(t));
}

/* Nobody minds a failure: then it is counted again. */
static void saved(struct store_job *job)
{
    free(container_of(job, struct save, job));
}

static void save_later(struct counting *c, struct str body)
{
    struct save *save = xmalloc(sizeof(*save) + body.n);
    save->row = (struct unread_counts_row){.user_nid = c->user,
                                           .room_nid = c->room->nid,
                                           .rules_version = c->reader->version,
                                           .upto = c->upto,
                                           .body = str_n((char *)(save + 1), body.n)};
    memcpy(save + 1, body.p, body.n);
    save->job =
        (struct store_job){.name = "unread-counts", .body = write_save, .done = saved, .arg = save};
    store_write_async(c->server->store, &save->job);
}

static void remember(struct counting *c)
{
    struct buf body = BUF_INIT(SIZE_MAX);
    tallies_encode(&c->tallies, c->upto, &body);
    /* Not all readers of a room with the same event. */
    if (c->unsaved >= SAVE_EVERY + c->user % SAVE_EVERY) {
        save_later(c, buf_str(&body));
        c->unsaved = 0;
    }
    size_t n = buf_str(&body).n;
    struct memo *m = xmalloc(sizeof(*m) + n);
    *m = (struct memo){.epochs = c->epochs,
                       .upto = c->upto,
                       .unsaved = c->unsaved,
                       .body = str_n((char *)(m + 1), n)};
    ref_init(&m->refs);
    memcpy(m + 1, buf_str(&body).p, n);
    buf_release(&body);
    cache_replace(c->server->unread->memos, (struct cache_key){c->user, c->room->nid}, m,
                  sizeof(*m) + n);
    memo_unref(m);
}

/* ---- where counting starts ---- */

static bool is_join(const struct entry *e)
{
    return e->ev->member && e->ev->member->membership == MEMBERSHIP_JOIN;
}

/* Whether somebody joins by this member event; it might change a profile only. */
static int begins_membership(struct counting *c, const struct entry *e, bool *out, struct err *err)
{
    struct entry *before;
    *out = is_join(e);
    if (!*out || !e->replaces) {
        return 0;
    }
    int rc = entry_hold(c->server, c->arena, e->replaces, &before, err);
    *out = rc == 0 && !is_join(before);
    return rc;
}

/* A change of the profile replaces the join by another one. */
static int find_join(struct counting *c, int64_t *out, struct err *err)
{
    struct room_member member = room_member_of(c->room, c->user);
    struct entry *e;
    bool begins = false;
    *out = member.position;
    int rc = entry_hold(c->server, c->arena, member.event_nid, &e, err);
    while (rc == 0 && is_join(e) && !begins) {
        *out = e->position;
        rc = begins_membership(c, e, &begins, err);
        if (rc == 0 && !begins) {
            rc = entry_hold(c->server, c->arena, e->replaces, &e, err);
        }
    }
    return rc;
}

static int apply_receipts(struct counting *c, struct err *err)
{
    struct receipt_row *rows;
    size_t n = 0;
    int rc = receipts_of_user(store_reader(c->server->store), c->arena, c->room->nid, c->user,
                              &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool is_main = str_eq(rows[i].thread, STR("main"));
        if (rows[i].thread.n == 0) {
            tallies_read_all(&c->tallies, rows[i].event_position);
        } else if (rows[i].event_position > c->tallies.floor) {
            tallies_read(&c->tallies, is_main ? STR("") : rows[i].thread, rows[i].event_position);
        }
    }
    return rc;
}

static int begin_anew(struct counting *c, struct err *err)
{
    int64_t join;
    int rc = find_join(c, &join, err);
    if (rc == 0) {
        c->tallies = (struct tallies){.arena = c->arena, .floor = join};
        rc = apply_receipts(c, err);
        c->from = c->tallies.floor;
        c->unsaved = 0;
        c->is_anew = true;
    }
    return rc;
}

/* What the store knows, if it was counted by the rules of today. */
static int begin_stored(struct counting *c, bool *out_found, struct err *err)
{
    struct unread_counts_row row;
    int rc = unread_counts_find(store_reader(c->server->store), c->arena, c->user, c->room->nid,
                                &row, out_found, err);
    *out_found = rc == 0 && *out_found && row.rules_version == c->reader->version;
    if (*out_found) {
        rc = tallies_decode(c->arena, row.body, &c->tallies, err);
        rc = rc ? rc : apply_receipts(c, err);
        c->from = row.upto;
    }
    return rc;
}

static int begin(struct counting *c, const struct memo *m, struct err *err)
{
    bool found = false;
    int rc = 0;
    if (m && m->epochs.rules == c->epochs.rules) {
        rc = tallies_decode(c->arena, m->body, &c->tallies, err);
        c->from = m->upto;
        c->unsaved = m->unsaved;
        found = true;
        if (rc == 0 && m->epochs.receipts != c->epochs.receipts) {
            rc = apply_receipts(c, err);
        }
    } else {
        rc = begin_stored(c, &found, err);
    }
    if (rc == 0 && !found) {
        rc = begin_anew(c, err);
    }
    c->upto = MAX(c->upto, c->from);
    return rc;
}

/* ---- events ---- */

/* No default rule asks for the name that the reader goes by. */
static int read_name(struct counting *c, struct err *err)
{
    struct entry *member;
    if (c->has_name || c->reader->rules == push_ruleset_default()) {
        return 0;
    }
    int rc =
        entry_hold(c->server, c->arena, room_member_of(c->room, c->user).event_nid, &member, err);
    if (rc == 0 || rc == E_NOT_FOUND) {
        c->display_name = rc == 0 && member->ev->member ? member->ev->member->displayname : STR("");
        c->has_name = true;
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int ask(struct counting *c, struct unread_range *range, struct arena *scratch, size_t i,
               const struct event *ev, struct push_result *out, struct err *err)
{
    int rc = read_name(c, err);
    struct push_reader who = {.user_id = c->reader->user_id, .display_name = c->display_name};
    struct unread *u = c->server->unread;
    int64_t now = clock_mono_ms(), budget = unread_work_left(u, c->user, now), left = budget;
    rc = rc ? rc : unread_range_ask(range, scratch, i, ev, c->reader->rules, &who, &left, out, err);
    unread_work_done(u, c->user, now, budget - left);
    return rc;
}

/* Whether it is one that the reader's rules are asked about at all. */
static bool may_notify(const struct counting *c, const struct entry *e)
{
    return !e->redacted_by && !(e->flags & (EVENT_REJECTED | EVENT_SOFT_FAILED)) &&
           e->ev->ids.sender != c->user &&
           (c->reader->ignored.n == 0 || !smap_find(&c->reader->ignored, e->ev->sender));
}

int unread_thread_of(struct server *s, struct arena *a, const struct entry *e, struct str *out_root,
                     bool *out_is_sure, struct err *err)
{
    struct relation rel;
    int rc = 0;
    *out_root = STR("");
    for (int hop = 0; hop < THREAD_HOPS && relation_of_content(a, e->ev->content, &rel); hop++) {
        struct entry *parent;
        if (str_eq(rel.rel_type, STR("m.thread"))) {
            *out_root = rel.event_id;
            break;
        }
        rc = entry_hold_id(s, a, rel.event_id, &parent, err);
        if (rc != 0 || parent->ev->ids.room != e->ev->ids.room) {
            break; /* what goes on in another room is nobody's business here */
        }
        e = parent;
    }
    if (out_is_sure) {
        *out_is_sure = !e->redacted_by;
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* Reactions and edits need not follow reading, and a change of the profile sends state to all rooms. */
bool unread_reads(struct arena *a, const struct entry *e, struct str *out_root)
{
    struct relation rel;
    if (e->ev->is_state || e->ev->ids.type == NID_REDACTION || e->redacted_by) {
        return false;
    }
    bool relates = relation_of_content(a, e->ev->content, &rel);
    bool in_thread = relates && str_eq(rel.rel_type, STR("m.thread"));
    *out_root = in_thread ? rel.event_id : STR("");
    return in_thread || !relates;
}

static int count_own(struct counting *c, struct arena *scratch, const struct entry *e,
                     struct err *err)
{
    struct str root;
    bool joins = false;
    int rc = 0;
    if (unread_reads(scratch, e, &root)) {
        tallies_read(&c->tallies, root, e->position);
    } else if (e->ev->is_state && e->ev->ids.state_key == c->user) {
        rc = begins_membership(c, e, &joins, err);
        if (joins) {
            tallies_read_all(&c->tallies, e->position);
        }
    }
    return rc;
}

static int uncount_redacted(struct counting *c, struct arena *scratch, const struct entry *e,
                            struct err *err)
{
    struct entry *target;
    if (e->ev->ids.type != NID_REDACTION || e->ev->redacts.n == 0) {
        return 0;
    }
    int rc = entry_hold_id(c->server, scratch, e->ev->redacts, &target, err);
    if (rc == 0 && target->redacted_by && target->ev->ids.room == c->room->nid) {
        tallies_unmark(&c->tallies, target->position);
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int count_notifying(struct counting *c, struct unread_range *range, struct arena *scratch,
                           size_t i, struct err *err)
{
    const struct entry *e = range->entries[i];
    struct push_result result;
    struct str root;
    int rc = ask(c, range, scratch, i, e->ev, &result, err);
    if (rc != 0 || (!result.notify && !result.highlight)) {
        return rc;
    }
    rc = unread_thread_of(c->server, scratch, e, &root, NULL, err);
    if (rc == 0) {
        bool is_call = str_eq(e->ev->type, STR("m.call.invite"));
        tallies_mark(&c->tallies, root, e->position,
                     (result.highlight ? MARK_HIGHLIGHT : 0) | (is_call ? MARK_CALL : 0));
    }
    return rc;
}

static int count_event(struct counting *c, struct unread_range *range, struct arena *scratch,
                       size_t i, struct err *err)
{
    const struct entry *e = range->entries[i];
    int rc = uncount_redacted(c, scratch, e, err);
    if (rc == 0 && e->ev->ids.sender == c->user && !(e->flags & EVENT_REJECTED)) {
        rc = count_own(c, scratch, e, err);
    }
    return rc == 0 && may_notify(c, e) ? count_notifying(c, range, scratch, i, err) : rc;
}

static int count_entries(struct counting *c, struct unread_range *range, struct err *err)
{
    struct arena scratch;
    int rc = 0;
    arena_init(&scratch, 0);
    for (size_t i = range->n; rc == 0 && i-- > 0;) {
        if (range->entries[i]->position > c->from) {
            rc = count_event(c, range, &scratch, i, err);
            c->unsaved++;
            arena_reset(&scratch);
        }
    }
    arena_release(&scratch);
    return rc;
}

/* What is new since c->from. If that is more than can be looked at, what was counted before is as old as what is left
 * out: then counting begins anew with the newest. */
static int count_range(struct counting *c, struct arena *held, struct err *err)
{
    struct unread_range range;
    int rc = unread_range_init(&range, c->server, held, c->room, c->from, c->upto, false, err);
    if (rc == 0 && range.more && !c->is_anew) {
        rc = begin_anew(c, err);
    }
    return rc == 0 ? count_entries(c, &range, err) : rc;
}

static int count_events(struct counting *c, struct unread_range *shared, struct err *err)
{
    if (c->from >= c->upto) {
        return 0;
    }
    if (shared && shared->from <= c->from && shared->upto >= c->upto && !shared->more) {
        c->upto = shared->upto;
        return count_entries(c, shared, err);
    }
    /* A thousand rows are a megabyte: an initial sync asks for hundreds of rooms. */
    struct arena held;
    arena_init(&held, 0);
    int rc = count_range(c, &held, err);
    arena_release(&held);
    return rc;
}

/* ---- answers ---- */

static void sum_up(struct unread_count *sum, struct unread_count more)
{
    sum->notify += more.notify;
    sum->highlight += more.highlight;
    sum->calls += more.calls;
}

static void answer(struct arena *a, const struct tallies *all, bool by_thread,
                   struct unread_counts *out)
{
    *out = (struct unread_counts){
        .threads = by_thread ? arena_array(a, struct unread_thread, all->n) : NULL};
    for (size_t i = 0; i < all->n; i++) {
        const struct tally *t = &all->p[i];
        struct unread_count n = tally_count(t);
        if (t->root.n == 0 || !by_thread) {
            sum_up(&out->main, n);
        } else if (t->n > 0) {
            out->threads[out->n_threads++] = (struct unread_thread){.root_id = t->root, .count = n};
        }
    }
}

/* Brings the tallies up to date, and remembers them. */
static int bring_up(struct counting *c, struct unread_range *shared, struct err *err)
{
    struct unread *u = c->server->unread;
    c->epochs = unread_epochs_now(u, c->user, c->room->nid);
    struct memo *m = cache_get(u->memos, (struct cache_key){c->user, c->room->nid});
    if (m) {
        arena_defer(c->arena, memo_unref, m);
    }
    int rc = unread_reader_get(c->server, c->arena, c->user, &c->reader, err);
    if (rc == 0) {
        rc = begin(c, m, err);
    }
    if (rc == 0) {
        rc = count_events(c, shared, err);
    }
    if (rc == 0 &&
        !(m && m->upto == c->upto && memcmp(&m->epochs, &c->epochs, sizeof(c->epochs)) == 0)) {
        remember(c);
    }
    return rc;
}

int unread_count(struct server *s, struct arena *a, uint64_t user_nid, struct room *room,
                 int64_t upto, bool by_thread, struct unread_counts *out, struct err *err)
{
    struct counting c = {.server = s, .arena = a, .room = room, .user = user_nid, .upto = upto};
    int rc = bring_up(&c, NULL, err);
    if (rc == 0) {
        answer(a, &c.tallies, by_thread, out);
    }
    return rc;
}

int unread_has(struct server *s, struct arena *a, uint64_t user_nid, struct room *room,
               int64_t position, bool *out, struct err *err)
{
    struct counting c = {.server = s, .arena = a, .room = room, .user = user_nid};
    c.upto = MAX(position, room_view_hold(a, room)->position);
    int rc = bring_up(&c, NULL, err);
    *out = rc == 0 && tallies_has(&c.tallies, position);
    return rc;
}

int unread_evaluate(struct server *s, struct arena *a, uint64_t user_nid, struct room *room,
                    const struct entry *e, struct push_result *out, struct err *err)
{
    struct counting c = {.server = s, .arena = a, .room = room, .user = user_nid};
    struct unread_range range = {.server = s, .arena = a, .room = room};
    *out = (struct push_result){0};
    int rc = unread_reader_get(s, a, user_nid, &c.reader, err);
    return rc == 0 && may_notify(&c, e) ? ask(&c, &range, a, SIZE_MAX, e->ev, out, err) : rc;
}

/* ---- for many readers ---- */

int unread_range_read(struct server *s, struct arena *a, struct room *room, int64_t from,
                      int64_t upto, struct unread_range **out, struct err *err)
{
    *out = arena_new(a, struct unread_range);
    return unread_range_init(*out, s, a, room, from, upto, true, err);
}

/* The positions of marks after `since`. */
static size_t marks_after(struct arena *a, const struct tallies *all, int64_t since,
                          const int64_t **out)
{
    int64_t *positions = arena_array(a, int64_t, all->n_marks);
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        for (size_t k = all->p[i].n; k-- > 0 && all->p[i].marks[k] >> MARK_BITS > since;) {
            positions[n++] = all->p[i].marks[k] >> MARK_BITS;
        }
    }
    *out = positions;
    return n;
}

int unread_range_count(struct unread_range *range, struct arena *a, uint64_t user_nid,
                       int64_t since, struct unread_since *out, struct err *err)
{
    struct counting c = {.server = range->server,
                         .arena = a,
                         .room = range->room,
                         .user = user_nid,
                         .upto = range->upto};
    struct unread_counts counts;
    int rc = bring_up(&c, range, err);
    if (rc == 0) {
        answer(a, &c.tallies, false, &counts);
        out->count = counts.main;
        out->n = marks_after(a, &c.tallies, since, &out->positions);
    }
    return rc;
}

/* ---- event by event ---- */

struct unread_scan {
    struct counting counting;
    struct unread_range range; /* for what its rules ask of the room */
    int64_t join;
};

int unread_scan_new(struct server *s, struct arena *a, uint64_t user_nid, struct room *room,
                    struct unread_scan **out, struct err *err)
{
    struct unread_scan *scan = arena_new(a, struct unread_scan);
    scan->counting = (struct counting){.server = s,
                                       .arena = a,
                                       .room = room,
                                       .user = user_nid,
                                       .upto = room_view_hold(a, room)->position};
    scan->range = (struct unread_range){.server = s, .arena = a, .room = room};
    int rc = bring_up(&scan->counting, NULL, err);
    rc = rc ? rc : find_join(&scan->counting, &scan->join, err);
    *out = scan;
    return rc;
}

int unread_scan_look(struct unread_scan *scan, const struct entry *e, struct unread_event *out,
                     struct err *err)
{
    struct counting *c = &scan->counting;
    struct push_result result;
    *out = (struct unread_event){.actions = STR("[]")};
    out->is_before_join = e->position <= scan->join;
    if (out->is_before_join || !may_notify(c, e)) {
        return 0;
    }
    int rc = ask(c, &scan->range, c->arena, SIZE_MAX, e->ev, &result, err);
    if (rc == 0 && result.notify) {
        out->notify = true;
        out->highlight = result.highlight;
        out->actions = result.actions;
        out->is_read = !tallies_has(&c->tallies, e->position);
    }
    return rc;
}

struct unread *unread_new(struct server *s)
{
    static const struct cache_ops memo_ops = {.ref = memo_ref, .unref = memo_unref};
    struct unread *u = xcalloc(1, sizeof(*u));
    u->memos = cache_new(server_share(s, SHARE_UNREAD), &memo_ops);
    u->readers = unread_readers_new(server_share(s, SHARE_READERS));
    return u;
}

void unread_age(struct unread *u, size_t keep_memos, size_t keep_readers)
{
    cache_age(u->memos, keep_memos);
    cache_age(u->readers, keep_readers);
}

void unread_free(struct unread *u)
{
    if (u) {
        cache_free(u->memos);
        cache_free(u->readers);
        free(u);
    }
}
