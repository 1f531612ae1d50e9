/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bundle.h"

#include "core/ignored.h"
#include "core/server.h"
#include "core/visibility.h"
#include "matrix/canon.h"
#include "matrix/relation.h"
#include "store/threads.h"

enum {
    SCAN_MAX = 1000, /* relations of one kind that are looked at for one event */
    SCAN_FIRST =
        4, /* edits that are looked at before as many as that: nearly always the newest is good */
};

/* ---- the reader ---- */

struct bundle_reader {
    struct viewer viewer; /* of the room read last; .room NULL: none yet */
    bool knows_ignored;
    struct ignored ignored;
    struct imap related; /* nids of the events that were expected: whether they have relations */
};

static void release_reader(void *arg)
{
    struct bundle_reader *reader = arg;
    imap_release(&reader->related);
}

struct bundle_reader *bundle_reader_new(struct arena *a)
{
    struct bundle_reader *reader = arena_calloc(a, 1, sizeof(struct bundle_reader));
    arena_defer(a, release_reader, reader);
    return reader;
}

static int load_ignored(const struct renderer *r, struct err *err)
{
    int rc = ignored_load(r->server, r->arena, r->user_nid, &r->reader->ignored, err);
    r->reader->knows_ignored = rc == 0;
    return rc;
}

int bundle_viewer(const struct renderer *r, const struct entry *e, struct viewer **out,
                  struct err *err)
{
    struct viewer *v = &r->reader->viewer;
    struct room *room;
    int rc = 0;
    if (!v->room || v->room->nid != e->ev->ids.room) {
        rc = room_hold_nid(r->server, r->arena, e->ev->ids.room, &room, err);
        if (rc == 0) {
            viewer_init(v, r->server, r->arena, room, r->user_nid);
        }
    }
    *out = v;
    return rc;
}

/* Makes the reader ready for the room of an event. */
static int meet_reader(const struct renderer *r, const struct entry *e, struct err *err)
{
    struct viewer *v;
    int rc = bundle_viewer(r, e, &v, err);
    return rc == 0 && !r->reader->knows_ignored ? load_ignored(r, err) : rc;
}

/* Whether all that ever relates to the event is for the reader: then nothing need be looked at one by one. */
static int sees_all(const struct renderer *r, const struct entry *e, bool *out, struct err *err)
{
    struct viewer *v = &r->reader->viewer;
    int64_t came = v->member.position; /* a change of the profile moves it */
    *out = false;
    if (v->member.membership != MEMBERSHIP_JOIN || json_object_size(r->reader->ignored.users) > 0) {
        return 0;
    }
    int rc = came > e->position ? viewer_came(v, &came, err) : 0;
    *out = rc == 0 && came <= e->position;
    return rc;
}

static int sees(const struct renderer *r, const struct entry *e, bool *out, struct err *err)
{
    *out = false;
    return ignored_has(&r->reader->ignored, e->ev->sender)
               ? 0
               : viewer_sees(&r->reader->viewer, e, out, err);
}

/* ---- what relates to an event ---- */

static int list(const struct renderer *r, const struct entry *e, struct str rel_type, size_t limit,
                struct relation_row **out, size_t *out_n, struct err *err)
{
    struct relation_query q = {.room_nid = e->ev->ids.room,
                               .parent_id = e->ev->event_id,
                               .rel_type = rel_type,
                               .from = INT64_MIN,
                               .to = r->upto,
                               .order = EVENTS_NEWEST_FIRST,
                               .limit = limit};
    return relations_list(store_reader(r->server->store), r->arena, &q, out, out_n, err);
}

/* The same, without what the reader may not see. */
static int list_seen(const struct renderer *r, const struct entry *e, struct str rel_type,
                     struct relation_row **out, size_t *out_n, struct err *err)
{
    size_t n = 0;
    bool all;
    *out_n = 0;
    int rc = sees_all(r, e, &all, err);
    rc = rc ? rc : list(r, e, rel_type, SCAN_MAX, out, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct entry *child;
        bool ok = all;
        if (!ok) {
            rc = entry_hold(r->server, r->arena, (*out)[i].event_nid, &child, err);
            rc = rc == 0 ? sees(r, child, &ok, err) : rc;
            rc = rc == E_NOT_FOUND ? 0 : rc; /* purged since its row was read; so below */
        }
        if (rc == 0 && ok) {
            (*out)[(*out_n)++] = (*out)[i];
        }
    }
    return rc;
}

/* Whether an event of the right sender and type is an edit that the reader may see: with m.new_content, which is inside
 * of what is encrypted. */
static int is_edit(const struct renderer *r, const struct entry *edit, bool *out, struct err *err)
{
    int rc = viewer_sees(&r->reader->viewer, edit, out, err);
    bool has_content = edit->ev->ids.type == NID_ENCRYPTED ||
                       canon_is_object(canon_find(edit->ev->content, STR("m.new_content")));
    *out = *out && !edit->redacted_by && has_content;
    return rc;
}

/* The first of the edits that is one, newest first. */
static int pick_edit(const struct renderer *r, const uint64_t *nids, size_t n, struct entry **out,
                     struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n && !*out; i++) {
        struct entry *edit;
        bool ok = false;
        rc = entry_hold(r->server, r->arena, nids[i], &edit, err);
        rc = rc ? rc : is_edit(r, edit, &ok, err);
        rc = rc == E_NOT_FOUND ? 0 : rc; /* purged since its row was read */
        *out = ok ? edit : NULL;
    }
    return rc;
}

/* The newest valid edit: same room, same sender, same type, not of a state event nor of an edit, with m.new_content
 * ("Validity of replacement events"). */
static int find_edit(const struct renderer *r, const struct entry *e, struct entry **out,
                     struct err *err)
{
    struct edit_query q = {.parent_id = e->ev->event_id,
                           .room_nid = e->ev->ids.room,
                           .sender_nid = e->ev->ids.sender,
                           .type_nid = e->ev->ids.type,
                           .to = r->upto,
                           .limit = SCAN_FIRST};
    uint64_t *nids;
    size_t n = 0;
    *out = NULL;
    int rc = relations_edits(store_reader(r->server->store), r->arena, &q, &nids, &n, err);
    rc = rc ? rc : pick_edit(r, nids, n, out, err);
    if (rc == 0 && !*out && n == q.limit) {
        q.limit = SCAN_MAX;
        rc = relations_edits(store_reader(r->server->store), r->arena, &q, &nids, &n, err);
        rc = rc ? rc : pick_edit(r, nids, n, out, err);
    }
    return rc;
}

static int write_edit(const struct renderer *r, struct json_writer *w, const struct entry *edit,
                      struct err *err)
{
    struct renderer inner = *r;
    inner.bundle = false;
    inner.nested = true;
    inner.format = RENDER_CLIENT;
    JW_KEY(w, "m.replace");
    return render_event(&inner, w, edit, err);
}

static int write_references(const struct renderer *r, struct json_writer *w,
                            const struct relation_row *rows, size_t n, struct err *err)
{
    JW_OBJECT(w, "m.reference");
    JW_ARRAY(w, "chunk");
    for (size_t i = n; i-- > 0;) {
        struct entry *e;
        int rc = entry_hold(r->server, r->arena, rows[i].event_nid, &e, err);
        if (rc == E_NOT_FOUND) {
            continue;
        }
        if (rc != 0) {
            return rc;
        }
        jw_object(w);
        JW_STR(w, "event_id", e->ev->event_id);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
    return 0;
}

struct thread {
    struct relation_row *latest; /* NULL: no thread */
    int64_t count;
    bool participated;
};

static int find_thread(const struct renderer *r, const struct entry *root, struct thread *out,
                       struct err *err)
{
    struct relation_row *rows;
    size_t n = 0;
    *out = (struct thread){.participated = root->ev->ids.sender == r->user_nid};
    bool all, sent = false;
    int rc = sees_all(r, root, &all, err);
    if (rc != 0) {
        return rc;
    }
    rc = all ? list(r, root, STR("m.thread"), 1, &rows, &n, err)
             : list_seen(r, root, STR("m.thread"), &rows, &n, err);
    if (rc != 0 || n == 0) {
        return rc;
    }
    out->latest = &rows[0];
    out->count = (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        sent = sent || rows[i].sender_nid == r->user_nid;
    }
    if (all) {
        struct thread_key key = {root->ev->ids.room, root->ev->event_id};
        rc = threads_count(store_reader(r->server->store), &key, r->user_nid, &out->count, &sent,
                           err);
    }
    out->participated = out->participated || sent;
    return rc;
}

static int write_thread(const struct renderer *r, struct json_writer *w,
                        const struct thread *thread, struct err *err)
{
    struct renderer inner = *r;
    struct entry *e;
    int rc = entry_hold(r->server, r->arena, thread->latest->event_nid, &e, err);
    if (rc != 0) {
        return rc;
    }
    /* The latest event comes with its own edit, but a thread cannot hold a thread. */
    inner.format = RENDER_CLIENT;
    inner.nested = true;
    JW_OBJECT(w, "m.thread");
    JW_KEY(w, "latest_event");
    rc = render_event(&inner, w, e, err);
    JW_INT(w, "count", thread->count);
    JW_BOOL(w, "current_user_participated", thread->participated);
    jw_end(w);
    return rc;
}

int bundle_expect(const struct renderer *r, struct entry *const *events, size_t n, struct err *err)
{
    uint64_t *nids = arena_array(r->arena, uint64_t, n), *related;
    size_t n_related = 0;
    for (size_t i = 0; i < n; i++) {
        nids[i] = events[i]->ev->ids.event;
    }
    int rc = relations_among(store_reader(r->server->store), r->arena, nids, n, &related,
                             &n_related, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        imap_set(&r->reader->related, nids[i], (union map_val){.u = false});
    }
    for (size_t i = 0; rc == 0 && i < n_related; i++) {
        imap_set(&r->reader->related, related[i], (union map_val){.u = true});
    }
    return rc;
}

static int has_relations(const struct renderer *r, const struct entry *e, bool *out,
                         struct err *err)
{
    const union map_val *known = imap_find(&r->reader->related, e->ev->ids.event);
    struct relation_row *any;
    size_t n = 0;
    int rc = known ? 0 : list(r, e, STR_NONE, 1, &any, &n, err);
    *out = known ? known->u : n > 0;
    return rc;
}

int bundle_write(const struct renderer *r, struct json_writer *w, const struct entry *e,
                 struct err *err)
{
    struct relation_row *refs = NULL;
    struct thread thread = {0};
    struct entry *edit = NULL;
    struct relation own;
    size_t n_refs = 0;
    bool related;
    int rc = has_relations(r, e, &related, err); /* nearly no event has */
    if (rc != 0 || !related) {
        return rc;
    }
    rc = meet_reader(r, e, err);
    bool relates = relation_of_content(r->arena, e->ev->content, &own);
    bool is_edit_itself = relates && str_eq(own.rel_type, STR("m.replace"));
    if (rc == 0 && !e->ev->is_state && !is_edit_itself) {
        rc = find_edit(r, e, &edit, err);
    }
    if (rc == 0) {
        rc = list_seen(r, e, STR("m.reference"), &refs, &n_refs, err);
    }
    if (rc == 0 && !r->nested && !relates) { /* no thread starts on what relates to something */
        rc = find_thread(r, e, &thread, err);
    }
    if (rc != 0 || (!edit && n_refs == 0 && !thread.latest)) {
        return rc;
    }
    JW_OBJECT(w, "m.relations");
    if (edit) {
        rc = write_edit(r, w, edit, err);
    }
    if (rc == 0 && n_refs > 0) {
        rc = write_references(r, w, refs, n_refs, err);
    }
    if (rc == 0 && thread.latest) {
        rc = write_thread(r, w, &thread, err);
    }
    jw_end(w);
    return rc;
}
