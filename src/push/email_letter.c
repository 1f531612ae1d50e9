/* SPDX-License-Identifier: Apache-2.0 */
/* The letter that tells of missed messages: by room, newest rooms last, as text and as HTML. */
#include "core/room_summary.h"
#include "core/unsubscribe.h"
#include "push/notification.h"
#include "store/names.h"
#include "wire/html.h"
#include "wire/json.h"

enum {
    SHOWN_MAX = 30,    /* messages; the others are counted */
    SNIPPET_MAX = 400, /* bytes of one message */
    SHOWN_NAME_MAX = 100,
    LETTER_MAX = 512 * 1024,
};

struct writing {
    struct push *push;
    struct pusher *pusher;
    struct arena *arena;
    struct buf text, html;
    struct str user_id;
};

/* ---- names ------------------------------------------------------------------------------------ */

/* The beginning, in whole characters: whoever chooses the name of a room, or their own, may do so at length. */
static struct str cut(struct arena *a, struct str s, size_t most)
{
    size_t n = MIN(s.n, most);
    while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80) {
        n--;
    }
    return n < s.n ? ARENA_CONCAT(a, str_n(s.p, n), STR(" …")) : s;
}

static int name_of_member(struct writing *w, struct room *room, uint64_t nid, struct str *out,
                          struct err *err)
{
    struct server *s = w->push->server;
    struct entry *e;
    int rc = room_state_event(s, w->arena, room, NID_MEMBER, nid, &e, err);
    if (rc == 0 && e && e->ev->member && e->ev->member->displayname.n > 0) {
        *out = cut(w->arena, e->ev->member->displayname, SHOWN_NAME_MAX);
        return 0;
    }
    return rc ? rc : names_text(s->store, store_reader(s->store), nid, w->arena, out, err);
}

/* A room without a name is called after the people in it ("Calculating the display name for a room"). */
static int name_of_people(struct writing *w, struct room *room, struct str *out, struct err *err)
{
    uint64_t heroes[ROOM_HEROES];
    size_t n = room_heroes(room, w->pusher->user->nid, heroes);
    struct str one;
    int rc = 0;
    *out = n > 0 ? STR("") : STR("a room");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = name_of_member(w, room, heroes[i], &one, err);
        if (rc == 0) {
            *out = ARENA_CONCAT(w->arena, *out, i > 0 ? STR(", ") : STR(""), one);
        }
    }
    return rc;
}

static int name_of_room(struct writing *w, struct room *room, struct str *out, struct err *err)
{
    struct room_summary sum;
    int rc = room_summary_of(w->push->server, w->arena, room, &sum, err);
    if (rc != 0) {
        return rc;
    }
    *out = cut(w->arena, sum.name.n > 0 ? sum.name : sum.canonical_alias, SHOWN_NAME_MAX);
    return out->n > 0 ? 0 : name_of_people(w, room, out, err);
}

/* ---- messages --------------------------------------------------------------------------------- */

/* What was said, if we can read it and the person wants it in a letter. */
static struct str words_of(struct writing *w, const struct event *ev)
{
    json_t *content;
    struct str body;
    if (ev->ids.type == NID_MEMBER) {
        return STR("invites you");
    }
    if (ev->ids.type == NID_ENCRYPTED) {
        return STR("has sent an encrypted message");
    }
    if (w->pusher->is_id_only ||
        json_parse(w->arena, ev->content, JPARSE_REALS, &content, NULL) != 0 ||
        !json_get_str(content, "body", &body) || body.n == 0) {
        return STR("has sent a message");
    }
    return cut(w->arena, body, SNIPPET_MAX);
}

static int add_message(struct writing *w, const struct missed *m, struct err *err)
{
    const struct event *ev = m->entry->ev;
    struct str sender;
    int rc = name_of_member(w, m->room, ev->ids.sender, &sender, err);
    if (rc != 0) {
        return rc;
    }
    struct str words = words_of(w, ev);
    buf_printf(&w->text, "  %.*s: %.*s\n", STR_ARG(sender), STR_ARG(words));
    buf_add(&w->html, STR("<p><strong>"));
    html_escape(&w->html, sender);
    buf_add(&w->html, STR("</strong>: "));
    html_escape(&w->html, words);
    buf_add(&w->html, STR("</p>\n"));
    return 0;
}

static void add_heading(struct writing *w, struct str name)
{
    buf_printf(&w->text, "\n%.*s\n", STR_ARG(name));
    buf_add(&w->html, STR("<h3>"));
    html_escape(&w->html, name);
    buf_add(&w->html, STR("</h3>\n"));
}

static bool is_first_of_its_room(const struct missed *missed, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (missed[k].room->nid == missed[i].room->nid) {
            return false;
        }
    }
    return true;
}

static int add_room(struct writing *w, const struct missed *missed, size_t from, size_t n,
                    struct err *err)
{
    struct str name;
    int rc = name_of_room(w, missed[from].room, &name, err);
    if (rc == 0) {
        add_heading(w, name);
    }
    for (size_t i = from; rc == 0 && i < n; i++) {
        if (missed[i].room->nid == missed[from].room->nid) {
            rc = add_message(w, &missed[i], err);
        }
    }
    return rc;
}

/* ---- the letter ------------------------------------------------------------------------------- */

static struct str subject_of(struct writing *w, const struct missed *missed, size_t n,
                             struct str first_room)
{
    struct str app = w->push->server->config->email.app_name;
    size_t rooms = 0;
    for (size_t i = 0; i < n; i++) {
        rooms += is_first_of_its_room(missed, i);
    }
    const char *plural = n == 1 ? "message" : "messages";
    return rooms == 1 ? arena_printf(w->arena, "[%.*s] %zu unread %s in %.*s", STR_ARG(app), n,
                                     plural, STR_ARG(first_room))
                      : arena_printf(w->arena, "[%.*s] %zu unread %s in %zu rooms", STR_ARG(app), n,
                                     plural, rooms);
}

static void add_end(struct writing *w, size_t left_out, struct str link)
{
    if (left_out > 0) {
        buf_printf(&w->text, "\nand %zu more\n", left_out);
        buf_printf(&w->html, "<p>and %zu more</p>\n", left_out);
    }
    buf_printf(&w->text, "\n-- \nThis letter is for %.*s. To get no more of them: %.*s\n",
               STR_ARG(w->user_id), STR_ARG(link));
    buf_add(&w->html, STR("<hr>\n<p><small>This letter is for "));
    html_escape(&w->html, w->user_id);
    buf_add(&w->html, STR(". <a href=\""));
    html_escape(&w->html, link);
    buf_add(&w->html, STR("\">Send me no more of them</a>.</small></p>\n</body></html>\n"));
}

static int write_letter(struct writing *w, const struct missed *missed, size_t n,
                        struct letter *out, struct err *err)
{
    struct server *s = w->push->server;
    size_t shown = MIN(n, (size_t)SHOWN_MAX);
    struct str first_room;
    int rc = names_text(s->store, store_reader(s->store), w->pusher->user->nid, w->arena,
                        &w->user_id, err);
    rc = rc ? rc : name_of_room(w, missed[0].room, &first_room, err);
    buf_add(&w->text, STR("You have unread messages.\n"));
    buf_add(&w->html, STR("<!doctype html>\n<html><body style=\"font-family:sans-serif\">\n"
                          "<h2>You have unread messages</h2>\n"));
    for (size_t i = 0; rc == 0 && i < shown; i++) {
        if (is_first_of_its_room(missed, i)) {
            rc = add_room(w, missed, i, shown, err);
        }
    }
    if (rc != 0) {
        return rc;
    }
    out->to = arena_str(w->arena, w->pusher->row.pushkey);
    out->unsubscribe_url = unsubscribe_link(s, w->arena, w->user_id, out->to);
    add_end(w, n - shown, out->unsubscribe_url);
    out->subject = subject_of(w, missed, n, first_room);
    out->text = arena_str(w->arena, buf_str(&w->text));
    out->html = arena_str(w->arena, buf_str(&w->html));
    return 0;
}

int email_letter(struct push *p, struct pusher *x, struct arena *a, const struct missed *missed,
                 size_t n, struct letter *out, struct err *err)
{
    struct writing w = {.push = p,
                        .pusher = x,
                        .arena = a,
                        .text = BUF_INIT(LETTER_MAX),
                        .html = BUF_INIT(LETTER_MAX)};
    struct arena *outer = json_arena_enter(a);
    int rc = write_letter(&w, missed, n, out, err);
    json_arena_leave(outer);
    buf_release(&w.text);
    buf_release(&w.html);
    return rc;
}
