/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sync.h"

#include "core/changes.h"
#include "core/echo.h"
#include "core/lazy_members.h"
#include "core/server.h"
#include "core/sync_internal.h"

/* ---- what has changed ---- */

static void mark(struct sync *s, uint64_t room, unsigned bit)
{
    if (room) {
        imap_at(&s->changed, room, NULL)->u |= bit;
    } else {
        s->user_changed |= bit;
    }
}

static void note_change(void *arg, const struct change *c)
{
    struct sync *s = arg;
    bool mine = c->user == s->user_nid;
    switch (c->kind) {
    case CHANGE_EVENT:
        mark(s, c->room, SYNC_EVENTS);
        if (c->user) {
            s->user_changed |=
                SYNC_DEVICES; /* a membership: whom the user shares a room with may have changed */
        }
        break;
    case CHANGE_RECEIPT:
        if (mine || !c->only_user) {
            mark(s, c->room, SYNC_RECEIPTS);
        }
        break;
    case CHANGE_ACCOUNT_DATA:
        if (mine) {
            mark(s, c->room, SYNC_ACCOUNT_DATA);
        }
        break;
    case CHANGE_TO_DEVICE:
        s->user_changed |= mine && c->device == s->device_nid ? SYNC_TO_DEVICE : 0;
        break;
    case CHANGE_DEVICES:
        s->user_changed |= SYNC_DEVICES;
        break;
    case CHANGE_OWN_KEYS:
        s->user_changed |= mine ? SYNC_DEVICES : 0;
        break;
    case CHANGE_KEY_COUNTS:
        s->user_changed |= mine && c->device == s->device_nid ? SYNC_KEY_COUNTS : 0;
        break;
    case CHANGE_ROOM_GONE:
        s->user_changed |= mine ? SYNC_ROOM_GONE : 0;
        break;
    case CHANGE_PUSHERS:
        break;
    case CHANGE_TYPING:
        mark(s, c->room, SYNC_TYPING);
        break;
    case CHANGE_PRESENCE:
        s->user_changed |= SYNC_PRESENCE;
        break;
    }
}

static void find_changes(struct sync *s)
{
    struct server *srv = s->server;
    if (s->is_initial) {
        lazy_members_forget(srv->lazy, s->device_nid);
        return;
    }
    s->log_reaches = changes_each(srv, s->since.position, s->upto.position, note_change, s) &&
                     changes_each_volatile(srv, s->since.serial, s->upto.serial, note_change, s);
}

static void begin_anew_if_lost(struct sync *s)
{
    if (s->since.is_foreign) {
        s->catches_up = s->is_initial = true;
        s->since = (struct sync_token){.position = 0};
    }
}

/* ---- pieces of the answer ---- */

static void use_arena(struct sync *s, struct arena *a)
{
    s->arena = a;
    renderer_init(&s->render, s->server, a, s->filter.federation_format ? RENDER_PDU : RENDER_SYNC,
                  s->user_nid, s->device_nid);
    s->render.fields = s->filter.event_fields.p ? &s->filter.event_fields : NULL;
}

void sync_scope_begin(struct sync *s, struct sync_scope *scope)
{
    arena_init(&scope->arena, 0);
    scope->outer = s->arena;
    scope->outer_json = json_arena_enter(&scope->arena);
    use_arena(s, &scope->arena);
}

void sync_scope_renew(struct sync *s, struct sync_scope *scope)
{
    enum {
        MUCH = 64 * 1024
    }; /* events that it holds lie outside and are about twenty times as much */
    if (scope->arena.used > MUCH) {
        arena_reset(&scope->arena);
        use_arena(s, &scope->arena);
    }
}

void sync_scope_end(struct sync *s, struct sync_scope *scope)
{
    json_arena_leave(scope->outer_json);
    use_arena(s, scope->outer);
    arena_release(&scope->arena);
}

int sync_pass_on(struct sync *s, struct err *err)
{
    return s->request ? reply_more(s->request, s->w.out, err) : 0;
}

/* ---- the answer ---- */

static int write_all(struct sync *s, struct err *err)
{
    static int (*const sections[])(struct sync * s, struct err * err) = {
        sync_write_rooms,     sync_write_account_data, sync_write_presence,
        sync_write_to_device, sync_write_devices,
    };
    int rc = sync_read_preferences(s, err);
    jw_object(&s->w);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(sections); i++) {
        rc = sections[i](s, err);
        rc = rc ? rc : sync_pass_on(s, err);
    }
    /* Last: it also says how far the to-device messages went. */
    JW_STR(&s->w, "next_batch", sync_token_format(s->server, s->arena, s->upto));
    jw_end(&s->w);
    return rc;
}

int sync_write(struct sync *s, struct buf *out, bool *out_found, struct err *err)
{
    begin_anew_if_lost(s);
    s->upto = (struct sync_token){.position = echo_horizon(s->server, s->device_nid, s->can_wait),
                                  .serial = changes_volatile_serial(s->server)};
    /* The token may come from another process, which had heard of more than this one has yet. */
    s->upto.position = MAX(s->upto.position, s->since.position);
    find_changes(s);
    s->w = jw_over(out);
    use_arena(s, s->arena);
    int rc = write_all(s, err);
    imap_release(&s->changed);
    if (rc == 0 && out->overflow) {
        rc = err_internal(err, "a sync response exceeds %zu bytes", out->cap);
    }
    *out_found = s->found || s->is_initial;
    return rc;
}
