/* SPDX-License-Identifier: Apache-2.0 */
#include "push/notification.h"

#include "core/room_summary.h"
#include "matrix/names.h"
#include "wire/json_writer.h"

enum { BODY_MAX = 512 * 1024 };

/* Counts that are zero are left out, except that "nothing is unread any more" is what a message of counts alone may
 * have to say. */
static void write_counts(struct json_writer *w, const struct notification *n)
{
    JW_OBJECT(w, "counts");
    if (n->badge.unread > 0 || !n->entry) {
        JW_INT(w, "unread", n->badge.unread);
    }
    if (n->badge.calls > 0) {
        JW_INT(w, "missed_calls", n->badge.calls);
    }
    jw_end(w);
}

/* The tweaks among the actions of a push rule; "highlight" without a value means true ("Actions"). */
static int write_tweaks(struct json_writer *w, struct arena *a, struct str actions, struct err *err)
{
    json_t *list, *one;
    size_t i;
    struct str name;
    int rc = json_parse(a, actions, JPARSE_REALS, &list, err);
    if (rc != 0) {
        return rc;
    }
    JW_OBJECT(w, "tweaks");
    json_array_foreach (list, i, one) {
        const json_t *value = json_get(one, "value");
        if (json_get_str(one, "set_tweak", &name) && (value || str_eq(name, STR("highlight")))) {
            jw_key(w, name);
            value ? jw_json(w, value) : jw_bool(w, true);
        }
    }
    jw_end(w);
    return 0;
}

static int write_device(struct json_writer *w, struct arena *a, const struct notification *n,
                        struct err *err)
{
    const struct pusher_row *row = &n->pusher->row;
    int rc = 0;
    JW_ARRAY(w, "devices");
    jw_object(w);
    JW_STR(w, "app_id", row->app_id);
    JW_STR(w, "pushkey", row->pushkey);
    JW_INT(w, "pushkey_ts", row->created_ts / 1000);
    JW_RAW(w, "data", n->pusher->data);
    if (n->entry && !n->pusher->is_id_only) {
        rc = write_tweaks(w, a, n->result.actions, err);
    }
    jw_end(w);
    jw_end(w);
    return rc;
}

static int write_names(struct json_writer *w, struct server *s, struct arena *a,
                       const struct notification *n, struct err *err)
{
    struct room_summary sum;
    struct entry *sender;
    int rc = room_summary_of(s, a, n->room, &sum, err);
    if (rc == 0) {
        rc = room_state_event(s, a, n->room, NID_MEMBER, n->entry->ev->ids.sender, &sender, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (sender && sender->ev->member && sender->ev->member->displayname.n > 0) {
        JW_STR(w, "sender_display_name", sender->ev->member->displayname);
    }
    if (sum.name.p) {
        JW_STR(w, "room_name", sum.name);
    }
    if (sum.canonical_alias.p) {
        JW_STR(w, "room_alias", sum.canonical_alias);
    }
    return 0;
}

static int write_about(struct json_writer *w, struct server *s, struct arena *a,
                       const struct notification *n, struct err *err)
{
    const struct event *ev = n->entry->ev;
    JW_STR(w, "type", ev->type);
    JW_STR(w, "sender", ev->sender);
    if (ev->is_state && ev->ids.type == NID_MEMBER) {
        JW_BOOL(w, "user_is_target", ev->ids.state_key == n->pusher->user->nid);
    }
    JW_RAW(w, "content", ev->content);
    return write_names(w, s, a, n, err);
}

/* High: what makes a sound or is highlighted; and what is encrypted, since only the client can tell. */
static bool is_urgent(const struct notification *n)
{
    return n->entry && (n->result.highlight || n->result.sound.n > 0 ||
                        n->entry->ev->ids.type == NID_ENCRYPTED);
}

static int write_all(struct json_writer *w, struct server *s, struct arena *a,
                     const struct notification *n, struct err *err)
{
    int rc = 0;
    jw_object(w);
    JW_OBJECT(w, "notification");
    if (n->entry) {
        JW_STR(w, "event_id", n->entry->ev->event_id);
        JW_STR(w, "room_id", n->room->room_id);
        rc = n->pusher->is_id_only ? 0 : write_about(w, s, a, n, err);
    }
    JW_STR(w, "prio", is_urgent(n) ? STR("high") : STR("low"));
    write_counts(w, n);
    if (rc == 0) {
        rc = write_device(w, a, n, err);
    }
    jw_end(w);
    jw_end(w);
    return rc;
}

int notification_json(struct server *s, struct arena *a, const struct notification *n,
                      struct str *out, struct err *err)
{
    struct buf buf = BUF_INIT(BODY_MAX);
    struct json_writer w = jw_over(&buf);
    int rc = write_all(&w, s, a, n, err);
    if (rc == 0 && !jw_is_complete(&w)) {
        rc = err_internal(err, "a notification of more than %d bytes", BODY_MAX);
    }
    if (rc == 0) {
        *out = arena_str(a, buf_str(&buf));
    }
    buf_release(&buf);
    return rc;
}
