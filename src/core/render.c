/* SPDX-License-Identifier: Apache-2.0 */
#include "core/render.h"

#include "base/clock.h"
#include "core/bundle.h"
#include "core/erasure.h"
#include "core/event_fields.h"
#include "core/room.h"
#include "core/server.h"
#include "core/visibility.h"

enum { EVENT_JSON_MAX = 4 << 20 }; /* one rendered event: 64 KiB, a few bundled ones, escapes */

void renderer_init(struct renderer *r, struct server *s, struct arena *a, enum render_format format,
                   uint64_t user_nid, uint64_t device_nid)
{
    *r = (struct renderer){.server = s,
                           .arena = a,
                           .format = format,
                           .user_nid = user_nid,
                           .device_nid = device_nid,
                           .now_ms = clock_wall_ms(),
                           .bundle = true,
                           .upto = INT64_MAX,
                           .reader = bundle_reader_new(a)};
}

static const struct str membership_names[] = {
    [MEMBERSHIP_NONE] = STR_INIT("leave"),  [MEMBERSHIP_INVITE] = STR_INIT("invite"),
    [MEMBERSHIP_JOIN] = STR_INIT("join"),   [MEMBERSHIP_KNOCK] = STR_INIT("knock"),
    [MEMBERSHIP_LEAVE] = STR_INIT("leave"), [MEMBERSHIP_BAN] = STR_INIT("ban"),
};

struct str membership_name(enum membership membership)
{
    return membership_names[membership];
}

/* The reader's membership at the event (MSC4115, "unsigned.membership"). */
static int write_membership(const struct renderer *r, struct json_writer *w, const struct entry *e,
                            struct err *err)
{
    struct entry *member;
    if (!r->user_nid || state_id_is_empty(e->state_after)) {
        return 0;
    }
    int rc =
        state_event(r->server, r->arena, e->state_after, NID_MEMBER, r->user_nid, &member, err);
    if (rc == 0) {
        enum membership membership =
            member && member->ev->member ? member->ev->member->membership : MEMBERSHIP_NONE;
        JW_STR(w, "membership", membership_name(membership));
    }
    return rc;
}

static void drop_event(void *arg)
{
    struct event *ev = arg;
    event_unref(&ev);
}

/* A look-alike of the entry with the event as a redaction would leave it; in the arena, no longer than the entry. */
static int prune(const struct renderer *r, const struct entry *e, const struct entry **out,
                 struct err *err)
{
    struct entry *pruned = arena_new(r->arena, struct entry);
    *pruned = *e;
    int rc = event_redacted(e->ev, &pruned->ev, err);
    if (rc == 0) {
        pruned->ev->ids = e->ev->ids;
        arena_defer(r->arena, drop_event, pruned->ev);
        *out = pruned;
    }
    return rc;
}

/* What the reader gets of an event that they may see: the entry itself, or if its sender was erased perhaps less. */
static int as_seen(const struct renderer *r, const struct entry *e, const struct entry **out,
                   struct err *err)
{
    struct viewer *viewer;
    int64_t erased;
    bool prunes = false;
    *out = e;
    if (!erasure_of(r->server, e->ev->ids.sender, &erased)) {
        return 0;
    }
    int rc = bundle_viewer(r, e, &viewer, err);
    rc = rc ? rc : viewer_prunes(viewer, e, &prunes, err);
    return rc == 0 && prunes ? prune(r, e, out, err) : rc;
}

static int write_replaced(const struct renderer *r, struct json_writer *w, const struct entry *e,
                          struct err *err)
{
    struct entry *stored;
    const struct entry *before;
    if (!e->replaces) {
        return 0;
    }
    int rc = entry_hold(r->server, r->arena, e->replaces, &stored, err);
    rc = rc ? rc : as_seen(r, stored, &before, err);
    if (rc == 0) {
        JW_RAW(w, "prev_content", before->ev->content);
        JW_STR(w, "prev_sender", before->ev->sender);
        JW_STR(w, "replaces_state", before->ev->event_id);
    }
    return rc;
}

static int write_redaction(const struct renderer *r, struct json_writer *w, const struct entry *e,
                           struct err *err)
{
    struct entry *redaction;
    if (!e->redacted_by) {
        return 0;
    }
    int rc = entry_hold(r->server, r->arena, e->redacted_by, &redaction, err);
    if (rc == 0) {
        struct renderer inner = *r;
        inner.format = RENDER_CLIENT;
        inner.bundle = false;
        inner.nested = true;
        JW_STR(w, "redacted_by", redaction->ev->event_id);
        JW_KEY(w, "redacted_because");
        rc = render_event(&inner, w, redaction, err);
    }
    return rc == E_NOT_FOUND ? 0 : rc; /* the redaction may have been purged before its target */
}

static int write_unsigned(const struct renderer *r, struct json_writer *w, const struct entry *e,
                          struct err *err)
{
    JW_OBJECT(w, "unsigned");
    JW_INT(w, "age", MAX(r->now_ms - e->ev->origin_server_ts, 0));
    if (e->txn_device && e->txn_device == r->device_nid) {
        JW_STR(w, "transaction_id", e->txn_id);
    }
    int rc = write_membership(r, w, e, err);
    if (rc == 0) {
        rc = write_replaced(r, w, e, err);
    }
    if (rc == 0 && !r->nested) {
        rc = write_redaction(r, w, e, err);
    }
    if (rc == 0 && r->bundle && !e->redacted_by) {
        rc = bundle_write(r, w, e, err);
    }
    jw_end(w);
    return rc;
}

/* client_json without its "room_id" member. It stands after content, and no earlier value after content (an event
 * id, a number) can hold the quoted key. */
static void write_without_room(struct json_writer *w, const struct event *ev)
{
    struct str all = ev->client_json;
    size_t after_content = (size_t)(ev->content.p + ev->content.n - all.p);
    ptrdiff_t at = str_find(str_from(all, after_content), STR(",\"room_id\":\""));
    if (at < 0) {
        jw_members(w, all);
        return;
    }
    size_t from = after_content + (size_t)at;
    size_t to = from + strlen(",\"room_id\":\"");
    while (to < all.n && all.p[to] != '"') {
        to += all.p[to] == '\\' ? 2 : 1;
    }
    jw_members_raw(w, str_n(all.p + 1, from - 1));
    jw_members_raw(
        w, str_n(all.p + to + 2, all.n - to - 3)); /* after `",` and before the last brace */
}

/* The whole event as a tree, and of that what the client asked for. */
static int render_selected(const struct renderer *r, struct json_writer *w, const struct entry *e,
                           struct err *err)
{
    struct renderer whole = *r;
    struct str text;
    json_t *event;
    whole.fields = NULL;
    int rc = render_to_str(&whole, e, &text, err);
    if (rc == 0) {
        rc = json_parse(r->arena, text, JPARSE_REALS, &event, err);
    }
    if (rc == 0) {
        jw_json(w, event_fields_select(r->arena, event, r->fields));
    }
    return rc;
}

int render_event(const struct renderer *r, struct json_writer *w, const struct entry *e,
                 struct err *err)
{
    if (r->fields) {
        return render_selected(r, w, e, err);
    }
    int rc = as_seen(r, e, &e, err);
    if (rc != 0) {
        return rc;
    }
    jw_object(w);
    if (r->format == RENDER_PDU) {
        jw_members(w, event_pdu(r->arena, e->ev));
    } else if (r->format == RENDER_SYNC) {
        write_without_room(w, e->ev);
    } else {
        jw_members(w, e->ev->client_json);
    }
    rc = write_unsigned(r, w, e, err);
    jw_end(w);
    return rc;
}

int render_expect(const struct renderer *r, struct entry *const *events, size_t n, struct err *err)
{
    return r->bundle && n > 1 ? bundle_expect(r, events, n, err) : 0;
}

int render_events(const struct renderer *r, struct json_writer *w, struct entry *const *events,
                  size_t n, struct err *err)
{
    int rc = render_expect(r, events, n, err);
    jw_array(w);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = render_event(r, w, events[i], err);
    }
    jw_end(w);
    return rc;
}

int render_to_str(const struct renderer *r, const struct entry *e, struct str *out, struct err *err)
{
    struct buf b = BUF_INIT(EVENT_JSON_MAX);
    struct json_writer w = jw_over(&b);
    int rc = render_event(r, &w, e, err);
    if (rc == 0 && b.overflow) {
        rc = err_internal(err, "an event with what is bundled exceeds %d bytes", EVENT_JSON_MAX);
    }
    if (rc == 0) {
        *out = arena_str(r->arena, buf_str(&b));
    }
    buf_release(&b);
    return rc;
}

void render_stripped(struct json_writer *w, const struct entry *e)
{
    jw_object(w);
    JW_RAW(w, "content", e->ev->content);
    JW_STR(w, "sender", e->ev->sender);
    JW_STR(w, "state_key", e->ev->state_key);
    JW_STR(w, "type", e->ev->type);
    jw_end(w);
}
