/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bundle.h"

#include "core/server.h"

enum { SCAN_MAX = 1000 }; /* relations of one kind that are looked at for one event */

static int list(const struct renderer *r, struct str parent, struct str rel_type, size_t limit,
                struct relation_row **out, size_t *out_n, struct err *err)
{
    struct relation_query q = {.parent_id = parent,
                               .rel_type = rel_type,
                               .from = INT64_MIN,
                               .to = r->upto,
                               .order = EVENTS_NEWEST_FIRST,
                               .limit = limit};
    return relations_list(store_reader(r->server->store), r->arena, &q, out, out_n, err);
}

/* The newest valid edit: same sender, same type, not of a state event, with m.new_content ("Validity of
 * replacement events"). */
static int find_edit(const struct renderer *r, const struct entry *e, struct entry **out,
                     struct err *err)
{
    struct relation_row *rows;
    size_t n = 0;
    *out = NULL;
    if (e->ev->is_state) {
        return 0;
    }
    int rc = list(r, e->ev->event_id, STR("m.replace"), SCAN_MAX, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n && !*out; i++) {
        struct entry *edit;
        if (rows[i].sender_nid != e->ev->ids.sender || rows[i].type_nid != e->ev->ids.type) {
            continue;
        }
        rc = entry_hold(r->server, r->arena, rows[i].event_nid, &edit, err);
        bool encrypted = e->ev->ids.type == NID_ENCRYPTED; /* then m.new_content is inside */
        if (rc == 0 && !edit->redacted_by &&
            (encrypted || str_find(edit->ev->content, STR("\"m.new_content\":{")) >= 0)) {
            *out = edit;
        }
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

static int write_thread(const struct renderer *r, struct json_writer *w, const struct entry *root,
                        const struct relation_row *latest, struct err *err)
{
    struct renderer inner = *r;
    struct entry *e;
    int64_t count;
    bool participated;
    int rc = relations_count(store_reader(r->server->store), root->ev->event_id, STR("m.thread"),
                             r->user_nid, &count, &participated, err);
    if (rc == 0) {
        rc = entry_hold(r->server, r->arena, latest->event_nid, &e, err);
    }
    if (rc != 0) {
        return rc;
    }
    /* The latest event comes with its own edit, but a thread cannot hold a thread. */
    inner.format = RENDER_CLIENT;
    inner.nested = true;
    JW_OBJECT(w, "m.thread");
    JW_KEY(w, "latest_event");
    rc = render_event(&inner, w, e, err);
    JW_INT(w, "count", count);
    JW_BOOL(w, "current_user_participated", participated || root->ev->ids.sender == r->user_nid);
    jw_end(w);
    return rc;
}

int bundle_write(const struct renderer *r, struct json_writer *w, const struct entry *e,
                 struct err *err)
{
    struct relation_row *refs = NULL, *threads = NULL;
    struct entry *edit = NULL;
    size_t n_refs = 0, n_threads = 0, n_any = 0;
    struct relation_row *any;
    /* Nearly all events have no relation at all: one look-up says so. */
    int rc = list(r, e->ev->event_id, STR_NONE, 1, &any, &n_any, err);
    if (rc != 0 || n_any == 0) {
        return rc;
    }
    rc = find_edit(r, e, &edit, err);
    if (rc == 0) {
        rc = list(r, e->ev->event_id, STR("m.reference"), SCAN_MAX, &refs, &n_refs, err);
    }
    if (rc == 0 && !r->nested) {
        rc = list(r, e->ev->event_id, STR("m.thread"), 1, &threads, &n_threads, err);
    }
    if (rc != 0 || (!edit && n_refs == 0 && n_threads == 0)) {
        return rc;
    }
    JW_OBJECT(w, "m.relations");
    if (edit) {
        rc = write_edit(r, w, edit, err);
    }
    if (rc == 0 && n_refs > 0) {
        rc = write_references(r, w, refs, n_refs, err);
    }
    if (rc == 0 && n_threads > 0) {
        rc = write_thread(r, w, e, &threads[0], err);
    }
    jw_end(w);
    return rc;
}
