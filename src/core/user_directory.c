/* SPDX-License-Identifier: Apache-2.0 */
#include "core/user_directory.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "core/live_user.h"
#include "core/pace.h"
#include "core/room.h"
#include "core/server.h"
#include "matrix/glob.h"
#include "matrix/ids.h"
#include "matrix/text_fold.h"
#include "store/meta.h"
#include "store/names.h"
#include "store/profiles.h"
#include "store/user_directory.h"
#include "store/users.h"
#include "wire/json.h"
#include "wire/json_writer.h"

enum {
    ROOMS_MAX =
        1000, /* that one search loads to find out whether they are public; further ones are not */
    PART_MAX = 24, /* characters of a part: what is longer is compared with the name itself */
    NAME_MAX_CHARS = 100,
    BUILD_STEP = 20, /* users put in by one transaction, while those who send wait */
    RUN_MS = 250,    /* the other tasks wait no longer than this */
};

#define TASK STR("user-directory")

/* ---- text ---- */

/* As characters. */
static struct glob_text fold(struct arena *a, struct str utf8)
{
    return glob_text(a, text_fold(a, utf8));
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) {
        out[i] = (char)(0x80 | (c & 0x3F));
    }
    out[0] = (char)((0xF00u >> n & 0xFF) | c);
    return n;
}

/* Characters [from, from + n) as UTF-8, in the arena. */
static struct str unfold(struct arena *a, struct glob_text text, size_t from, size_t n)
{
    char *out = arena_alloc(a, 4 * n + 1);
    size_t len = 0;
    for (size_t i = from; i < from + n && i < text.n; i++) {
        len += put_utf8(out + len, text.p[i]);
    }
    return str_n(out, len);
}

/* What stands between words; letters of every script are none of it. */
static bool is_gap(uint32_t c)
{
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
    return !is_letter;
}

static bool contains(struct glob_text text, struct glob_text word)
{
    for (size_t i = 0; i + word.n <= text.n; i++) {
        if (memcmp(text.p + i, word.p, word.n * sizeof(*word.p)) == 0) {
            return true;
        }
    }
    return word.n == 0;
}

/* ---- profiles ---- */

/* A field that is a string; STR_NONE if it is absent or something else. */
static int profile_text(struct db_read *r, struct arena *a, uint64_t user, const char *field,
                        struct str *out, struct err *err)
{
    struct str value;
    json_t *json;
    *out = STR_NONE;
    int rc = profiles_get(r, a, user, str_c(field), &value, err);
    if (rc == 0) {
        rc = json_parse(a, value, JPARSE_REALS | JPARSE_SCALAR, &json, err);
        *out = rc == 0 ? json_str(json) : STR_NONE;
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

static int read_user(struct store *store, struct db_read *r, struct arena *a, uint64_t nid,
                     struct found_user *out, struct err *err)
{
    *out = (struct found_user){.nid = nid};
    int rc = names_text(store, r, nid, a, &out->user_id, err);
    rc = rc ? rc : profile_text(r, a, nid, "displayname", &out->displayname, err);
    return rc ? rc : profile_text(r, a, nid, "avatar_url", &out->avatar_url, err);
}

/* ---- keeping it ---- */

static int put_parts(struct txn *t, uint64_t user, struct str name, struct err *err)
{
    struct arena *a = txn_arena(t);
    struct glob_text text = fold(a, name);
    int rc = 0;
    text.n = MIN(text.n, NAME_MAX_CHARS);
    for (size_t i = 0; rc == 0 && i < text.n; i++) {
        bool is_inside = i > 0 && !is_gap(text.p[i - 1]);
        if (!is_gap(text.p[i])) {
            rc = user_directory_put(t, user, unfold(a, text, i, PART_MAX), is_inside, err);
        }
    }
    return rc;
}

int user_directory_update(struct txn *t, uint64_t user_nid, struct err *err)
{
    struct found_user user;
    struct matrix_id id;
    int rc = read_user(txn_store(t), txn_read(t), txn_arena(t), user_nid, &user, err);
    rc = rc ? rc : user_directory_delete_of_user(t, user_nid, err);
    if (rc == 0 && user_id_parse(user.user_id, &id)) {
        rc = put_parts(t, user_nid, id.local, err);
    }
    return rc == 0 && user.displayname.n ? put_parts(t, user_nid, user.displayname, err) : rc;
}

/* ---- those who were there before ---- */

/* How far they have been put in. */
struct progress {
    struct str after; /* localpart */
    bool is_done;
};

static int load_progress(struct db_read *r, struct arena *a, struct progress *out, struct err *err)
{
    struct background_task task;
    json_t *json;
    int rc = background_tasks_get(r, a, TASK, &task, err);
    rc = rc ? rc : json_parse(a, task.progress, 0, &json, err);
    if (rc != 0) {
        return rc;
    }
    out->is_done = task.is_done;
    return json_get_str(json, "after", &out->after)
               ? 0
               : err_internal(err, "progress of the user directory");
}

static int save_progress(struct txn *t, const struct progress *p)
{
    struct buf text = BUF_INIT(4096);
    struct json_writer w = jw_over(&text);
    jw_object(&w);
    JW_STR(&w, "after", p->after);
    jw_end(&w);
    struct background_task task = {.name = TASK, .progress = buf_str(&text), .is_done = p->is_done};
    int rc = background_tasks_put(t, &task, txn_err(t));
    buf_release(&text);
    return rc;
}

struct step {
    bool is_done;
};

static int build_step(struct txn *t, void *arg)
{
    struct step *step = arg;
    struct progress p;
    struct user_row *users;
    size_t n = 0;
    int rc = load_progress(txn_read(t), txn_arena(t), &p, txn_err(t));
    step->is_done = rc == 0 && p.is_done;
    if (rc != 0 || p.is_done) {
        return rc;
    }
    rc = users_list(txn_read(t), txn_arena(t), p.after, BUILD_STEP, &users, &n, txn_err(t));
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = users[i].is_deactivated ? 0 : user_directory_update(t, users[i].nid, txn_err(t));
        p.after = users[i].localpart;
    }
    p.is_done = step->is_done = n < BUILD_STEP;
    return rc == 0 ? save_progress(t, &p) : rc;
}

int user_directory_task(struct server *s, struct err *err)
{
    struct step step = {.is_done = atomic_load(&s->user_directory_is_built)};
    int64_t until = clock_mono_ms() + RUN_MS;
    int rc = 0;
    while (rc == 0 && !step.is_done && clock_mono_ms() < until) {
        int64_t began = clock_mono_us();
        rc = store_write(s->store, "user-directory", build_step, &step, err);
        pace(s, began);
    }
    if (rc == 0 && step.is_done) {
        atomic_store(&s->user_directory_is_built, true);
    }
    return rc;
}

/* ---- searching ---- */

struct search {
    struct server *server;
    struct arena *arena;
    uint64_t asker;
    struct glob_text *words;
    size_t n_words, longest;
    struct imap seen;   /* users */
    struct imap public; /* room nid -> whether everybody may see who is in it */
    struct found_user *found;
    size_t n, limit;
    bool more;
};

static void split_words(struct search *q, struct str term)
{
    struct glob_text text = fold(q->arena, term);
    q->words = arena_array(q->arena, struct glob_text, text.n / 2 + 1);
    for (size_t at = 0, end; at < text.n; at = end + 1) {
        for (end = at; end < text.n && text.p[end] != ' '; end++) {
        }
        if (end > at) {
            q->words[q->n_words] = (struct glob_text){text.p + at, end - at};
            q->longest = q->words[q->n_words].n > q->words[q->longest].n ? q->n_words : q->longest;
            q->n_words++;
        }
    }
}

static int room_is_public(struct search *q, uint64_t room_nid, bool *out, struct err *err)
{
    struct room *room;
    struct entry *rules = NULL, *visibility = NULL;
    bool is_new;
    union map_val *known = imap_at(&q->public, room_nid, &is_new);
    if (!is_new || q->public.n > ROOMS_MAX) {
        *out = known->u != 0;
        return 0;
    }
    int rc = room_hold_nid(q->server, q->arena, room_nid, &room, err);
    rc = rc ? rc
            : room_state_event(q->server, q->arena, room, NID_JOIN_RULES, NID_EMPTY, &rules, err);
    rc = rc ? rc
            : room_state_event(q->server, q->arena, room, NID_HISTORY_VISIBILITY, NID_EMPTY,
                               &visibility, err);
    *out =
        rc == 0 && ((rules && rules->ev->join_rule == JOIN_RULE_PUBLIC) ||
                    (visibility && visibility->ev->history_visibility == HISTORY_WORLD_READABLE));
    known->u = *out;
    return rc;
}

static int is_in_public_room(struct search *q, uint64_t user, bool *out, struct err *err)
{
    struct user_room *rooms;
    size_t n = 0;
    *out = false;
    int rc = user_rooms(q->server, q->arena, user, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && !*out && i < n; i++) {
        if (rooms[i].membership == MEMBERSHIP_JOIN) {
            rc = room_is_public(q, rooms[i].room, out, err);
        }
    }
    return rc;
}

static int may_be_found(struct search *q, uint64_t user, bool *out, struct err *err)
{
    const struct config *config = q->server->config;
    *out = user == q->asker || config->user_directory.search_all_users;
    int rc = *out ? 0 : users_share_room(q->server, q->asker, user, out, err);
    return rc == 0 && !*out ? is_in_public_room(q, user, out, err) : rc;
}

static bool has_all_words(struct search *q, const struct found_user *user)
{
    struct glob_text id = fold(q->arena, user->user_id);
    struct glob_text name = fold(q->arena, user->displayname.p ? user->displayname : STR(""));
    for (size_t i = 0; i < q->n_words; i++) {
        if (!contains(id, q->words[i]) && !contains(name, q->words[i])) {
            return false;
        }
    }
    return true;
}

static int consider(struct search *q, uint64_t nid, struct err *err)
{
    struct found_user user;
    bool is_new, ok;
    imap_at(&q->seen, nid, &is_new);
    if (!is_new || q->more) {
        return 0;
    }
    int rc = read_user(q->server->store, store_reader(q->server->store), q->arena, nid, &user, err);
    if (rc != 0 || !has_all_words(q, &user)) {
        return rc;
    }
    rc = may_be_found(q, nid, &ok, err);
    if (rc == 0 && ok && q->n == q->limit) {
        q->more = true;
    } else if (rc == 0 && ok) {
        q->found[q->n++] = user;
    }
    return rc;
}

/* The word without the gap that it may begin with ("@bob" of a user id), as the beginning of a part. */
static struct str prefix_of(struct arena *a, struct glob_text word)
{
    size_t from = 0, n = 0;
    while (from < word.n && is_gap(word.p[from])) {
        from++;
    }
    while (from + n < word.n && n < PART_MAX && word.p[from + n] != ':') {
        n++;
    }
    return unfold(a, word, from, n);
}

static int scan(struct search *q, struct str prefix, bool is_inside, struct err *err)
{
    struct db_i64 *rows;
    size_t n = 0;
    int rc = user_directory_find(store_reader(q->server->store), q->arena, prefix, is_inside,
                                 USER_DIRECTORY_SCAN, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n && !q->more; i++) {
        rc = consider(q, (uint64_t)rows[i].v, err);
    }
    return rc;
}

int user_directory_search(struct server *s, struct arena *a, uint64_t asker, struct str term,
                          size_t limit, struct found_user **out, size_t *out_n, bool *out_more,
                          struct err *err)
{
    struct search q = {.server = s, .arena = a, .asker = asker, .limit = limit};
    int rc = 0;
    split_words(&q, term);
    struct str prefix = q.n_words ? prefix_of(a, q.words[q.longest]) : STR("");
    q.found = arena_array(a, struct found_user, limit);
    if (prefix.n > 0) {
        rc = scan(&q, prefix, false, err);
        rc = rc ? rc : scan(&q, prefix, true, err);
    }
    imap_release(&q.seen);
    imap_release(&q.public);
    *out = q.found;
    *out_n = q.n;
    *out_more = q.more;
    return rc;
}
