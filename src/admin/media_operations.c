/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/media_operations.h"

#include <stdlib.h>

#include "admin/room_operations.h"
#include "base/clock.h"
#include "base/vec.h"
#include "core/server.h"
#include "matrix/ids.h"
#include "matrix/names.h"
#include "media/blob_store.h"
#include "media/media_store.h"
#include "media/retention.h"
#include "store/events.h"
#include "store/media.h"
#include "store/names.h"
#include "store/rooms.h"
#include "wire/jfield.h"

enum {
    PAGE = 200,
    TOP_MAX = 1000,
    ANY_CLASS = -1,
};

struct media_arguments {
    struct str media, user, room, class, reason, cursor;
    int64_t before_ts, larger_than, top;
    bool quarantined, dry_run, spare_worn;
    int64_t class_number; /* of class */
};
static const struct jfield media_fields[] = {
    FIELD(struct media_arguments, media, .flags = OPT, .max = 1024),
    FIELD(struct media_arguments, user, .flags = OPT, .max = ID_MAX_BYTES),
    FIELD(struct media_arguments, room, .flags = OPT, .max = ID_MAX_BYTES),
    FIELD(struct media_arguments, class, .flags = OPT, .max = 20),
    FIELD(struct media_arguments, reason, .flags = OPT, .max = 1000),
    FIELD(struct media_arguments, cursor, .flags = OPT, .max = 1024),
    FIELD(struct media_arguments, before_ts, .flags = OPT),
    FIELD(struct media_arguments, larger_than, .flags = OPT),
    FIELD(struct media_arguments, top, .flags = OPT),
    FIELD(struct media_arguments, quarantined, .flags = OPT),
    FIELD(struct media_arguments, dry_run, .flags = OPT),
    FIELD(struct media_arguments, spare_worn, .flags = OPT),
    {0},
};

static int read_class(struct media_arguments *args, struct err *err)
{
    args->class_number = ANY_CLASS;
    for (int64_t class = 0; class < MEDIA_CLASSES; class ++) {
        if (str_eq(args->class, str_c(media_class_name(class)))) {
            args->class_number = class;
        }
    }
    return args->class.n == 0 || args->class_number != ANY_CLASS
               ? 0
               : err_set(err, E_INVALID, 0, NULL, "a class is local, remote or preview");
}

static int decode(struct arena *a, const json_t *arguments, struct media_arguments *out,
                  struct err *err)
{
    *out = (struct media_arguments){.before_ts = INT64_MAX, .larger_than = -1, .top = 10};
    int rc = json_decode(a, arguments, media_fields, out, err);
    return rc ? rc : read_class(out, err);
}

/* ---- selections ------------------------------------------------------------------------------- */

/* One page of what is selected; `next` is empty behind the last. */
struct selection {
    VEC(struct media_row) rows; /* strings in the arena */
    struct str next;
};

static bool fits(const struct media_arguments *args, const struct media_row *row)
{
    return (args->class_number == ANY_CLASS || row->class == args->class_number) &&
           row->last_access_ts < args->before_ts && row->size > args->larger_than &&
           (!args->quarantined || row->is_quarantined);
}

static void take(struct selection *sel, const struct media_arguments *args,
                 const struct media_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fits(args, &rows[i])) {
            vec_push(&sel->rows, rows[i]);
        }
    }
}

/* "mxc://server/id": origin is empty for this server. */
static int parse_uri(struct server *s, struct str uri, struct str *origin, struct str *id,
                     struct err *err)
{
    if (!mxc_parse(uri, origin, id)) {
        return err_set(err, E_INVALID, 0, NULL, "%.*s is no mxc URI", STR_ARG(uri));
    }
    *origin = str_eq(*origin, s->server_name) ? STR("") : *origin;
    return 0;
}

static int get_one(struct server *s, struct arena *a, struct str uri, struct media_row *out,
                   struct err *err)
{
    struct str origin, id;
    int rc = parse_uri(s, uri, &origin, &id, err);
    rc = rc ? rc : media_get(store_reader(s->store), a, origin, id, out, err);
    return rc == E_NOT_FOUND
               ? err_set(err, E_NOT_FOUND, 0, NULL, "there is no %.*s here", STR_ARG(uri))
               : rc;
}

static int select_one(struct server *s, struct arena *a, const struct media_arguments *args,
                      struct selection *sel, struct err *err)
{
    struct media_row row;
    int rc = get_one(s, a, args->media, &row, err);
    if (rc == 0) {
        take(sel, args, &row, 1);
    }
    return rc;
}

static int select_all(struct server *s, struct arena *a, const struct media_arguments *args,
                      struct selection *sel, struct err *err)
{
    struct str origin, id;
    struct media_row *rows;
    size_t n;
    (void)str_split(args->cursor, '/', &origin, &id);
    int rc = media_page(store_reader(s->store), a, origin, id, PAGE, &rows, &n, err);
    if (rc == 0) {
        take(sel, args, rows, n);
        sel->next = n == PAGE ? ARENA_CONCAT(a, rows[n - 1].origin, STR("/"), rows[n - 1].media_id)
                              : STR_NONE;
    }
    return rc;
}

static int find_user(struct server *s, struct arena *a, struct str name, uint64_t *out,
                     struct err *err)
{
    struct str id = name.n > 0 && name.p[0] == '@' ? name : user_id_make(a, name, s->server_name);
    int rc = names_find(s->store, store_reader(s->store), id, out, err);
    return rc == 0 && *out == 0
               ? err_set(err, E_NOT_FOUND, 0, NULL, "there is no user \"%.*s\"", STR_ARG(name))
               : rc;
}

static int select_of_user(struct server *s, struct arena *a, const struct media_arguments *args,
                          struct selection *sel, struct err *err)
{
    struct str ts, id;
    struct media_row *rows;
    uint64_t user;
    int64_t before;
    size_t n;
    (void)str_split(args->cursor, '/', &ts, &id);
    if (!str_to_i64(ts, &before)) { /* the first page */
        before = INT64_MAX;
    }
    int rc = find_user(s, a, args->user, &user, err);
    rc = rc ? rc : media_of_user(store_reader(s->store), a, user, before, id, PAGE, &rows, &n, err);
    if (rc == 0) {
        take(sel, args, rows, n);
        sel->next = n == PAGE ? arena_printf(a, "%lld/%.*s", (long long)rows[n - 1].created_ts,
                                             STR_ARG(rows[n - 1].media_id))
                              : STR_NONE;
    }
    return rc;
}

static bool is_taken(const struct selection *sel, const struct media_row *row)
{
    for (size_t i = 0; i < sel->rows.n; i++) {
        if (str_eq(sel->rows.p[i].media_id, row->media_id) &&
            str_eq(sel->rows.p[i].origin, row->origin)) {
            return true;
        }
    }
    return false;
}

/* An mxc URI anywhere in the JSON of an event: in a picture, its thumbnail, or what somebody wrote. */
static int take_mentioned(struct server *s, struct arena *a, const struct media_arguments *args,
                          struct str json, struct selection *sel, struct err *err)
{
    static const char uri_chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:/[]";
    int rc = 0;
    for (ptrdiff_t at; rc == 0 && (at = str_find(json, STR("mxc://"))) >= 0;) {
        struct media_row row;
        size_t n = 0;
        json = str_from(json, (size_t)at);
        while (n < json.n && strchr(uri_chars, json.p[n]) && json.p[n] != '\0') {
            n++;
        }
        rc = get_one(s, a, str_n(json.p, n), &row, err);
        if (rc == 0 && !is_taken(sel, &row)) {
            take(sel, args, &row, 1);
        }
        rc = rc == E_INVALID || rc == E_NOT_FOUND ? 0 : rc;
        json = str_from(json, n);
    }
    return rc;
}

static int select_of_room(struct server *s, struct arena *a, const struct media_arguments *args,
                          struct selection *sel, struct err *err)
{
    struct room_row room;
    struct event_row *events;
    size_t n = 0;
    int64_t upto;
    if (!str_to_i64(args->cursor, &upto)) { /* the first page */
        upto = INT64_MAX;
    }
    int rc = room_operation_find(s, a, args->room, &room, err);
    rc = rc ? rc
            : events_timeline(store_reader(s->store), a, room.nid, 0, upto, EVENTS_NEWEST_FIRST,
                              PAGE, &events, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (events[i].type_nid != NID_MEMBER) {
            rc = take_mentioned(s, a, args, events[i].client_json, sel, err);
        }
    }
    if (rc == 0 && n == PAGE) {
        sel->next = arena_printf(a, "%lld", (long long)events[n - 1].position - 1);
    }
    return rc;
}

static int select_page(struct server *s, struct arena *a, const struct media_arguments *args,
                       struct selection *sel, struct err *err)
{
    if (args->media.n > 0) {
        return select_one(s, a, args, sel, err);
    }
    if (args->user.n > 0) {
        return select_of_user(s, a, args, sel, err);
    }
    return args->room.n > 0 ? select_of_room(s, a, args, sel, err)
                            : select_all(s, a, args, sel, err);
}

/* ---- results ---------------------------------------------------------------------------------- */

static void write_sums(const struct selection *sel, int64_t files, int64_t bytes,
                       struct json_writer *w)
{
    JW_INT(w, "files", files);
    JW_INT(w, "bytes", bytes);
    if (sel->next.n > 0) {
        JW_STR(w, "next", sel->next);
    }
}

static void write_optional(struct json_writer *w, const char *key, struct str value)
{
    if (value.p) {
        jw_key(w, str_c(key));
        jw_str(w, value);
    }
}

static struct str uri_of(struct server *s, struct arena *a, const struct media_row *row)
{
    struct str origin = row->origin.n > 0 ? row->origin : s->server_name;
    return ARENA_CONCAT(a, STR("mxc://"), origin, STR("/"), row->media_id);
}

/* The members of a medium; the caller opens and closes the object. */
static void write_row(struct server *s, struct arena *a, const struct media_row *row,
                      struct json_writer *w)
{
    struct str uploader;
    struct err ignored;
    JW_STR(w, "uri", uri_of(s, a, row));
    JW_STR(w, "class", str_c(media_class_name(row->class)));
    JW_INT(w, "size", row->size);
    write_optional(w, "content_type", row->content_type);
    write_optional(w, "name", row->upload_name);
    if (row->uploader_nid != 0 && names_text(s->store, store_reader(s->store), row->uploader_nid, a,
                                             &uploader, &ignored) == 0) {
        JW_STR(w, "uploader", uploader);
    }
    JW_INT(w, "created_ts", row->created_ts);
    JW_INT(w, "last_access_ts", row->last_access_ts);
    JW_BOOL(w, "quarantined", row->is_quarantined);
    JW_BOOL(w, "uploaded", row->hash.p != NULL);
    write_optional(w, "sha256", row->hash);
}

int media_list_operation(struct server *s, struct arena *a, const json_t *arguments,
                         struct json_writer *result, struct err *err)
{
    struct media_arguments args;
    struct selection sel = {0};
    int64_t bytes = 0;
    int rc = decode(a, arguments, &args, err);
    rc = rc ? rc : select_page(s, a, &args, &sel, err);
    if (rc == 0) {
        jw_object(result);
        JW_ARRAY(result, "media");
        for (size_t i = 0; i < sel.rows.n; i++) {
            jw_object(result);
            write_row(s, a, &sel.rows.p[i], result);
            jw_end(result);
            bytes += sel.rows.p[i].size;
        }
        jw_end(result);
        write_sums(&sel, (int64_t)sel.rows.n, bytes, result);
        jw_end(result);
    }
    vec_release(&sel.rows);
    return rc;
}

static void write_block(struct server *s, struct arena *a, struct str hash, struct json_writer *w)
{
    struct media_block block;
    struct err ignored;
    if (hash.p && media_block_get(store_reader(s->store), a, hash, &block, &ignored) == 0) {
        JW_OBJECT(w, "blocked");
        write_optional(w, "reason", block.reason);
        JW_INT(w, "since_ts", block.blocked_ts);
        jw_end(w);
    }
}

int media_show_operation(struct server *s, struct arena *a, const json_t *arguments,
                         struct json_writer *result, struct err *err)
{
    struct media_arguments args;
    struct media_row row;
    struct blob_id id;
    bool worn = false;
    int rc = decode(a, arguments, &args, err);
    rc = rc ? rc : get_one(s, a, args.media, &row, err);
    rc = rc ? rc : media_is_worn(store_reader(s->store), uri_of(s, a, &row), &worn, err);
    if (rc != 0) {
        return rc;
    }
    jw_object(result);
    write_row(s, a, &row, result);
    JW_BOOL(result, "needs_token", row.needs_token);
    JW_BOOL(result, "avatar_or_icon", worn);
    if (row.hash.p) {
        JW_BOOL(result, "file_is_there",
                blob_id_parse(row.hash, &id) && blob_exists(media_blobs(s->media), &id));
    }
    write_block(s, a, row.hash, result);
    jw_end(result);
    return 0;
}

/* ---- quarantine ------------------------------------------------------------------------------- */

struct quarantine {
    const struct str *hashes;
    size_t n;
    struct str reason; /* .p == NULL: not given */
    bool is_release;
    int64_t changed; /* out: media */
};

static int quarantine_body(struct txn *t, void *arg)
{
    struct quarantine *q = arg;
    int rc = 0;
    q->changed = 0;
    for (size_t i = 0; rc == 0 && i < q->n; i++) {
        int64_t n = 0;
        rc = q->is_release
                 ? media_unquarantine(t, q->hashes[i], &n, txn_err(t))
                 : media_quarantine(t, q->hashes[i], q->reason, clock_wall_ms(), &n, txn_err(t));
        q->changed += n;
    }
    return rc;
}

/* The contents of what is selected; a hash may also be named itself, before anybody has uploaded it. */
static int select_hashes(struct server *s, struct arena *a, const struct media_arguments *args,
                         struct selection *sel, struct quarantine *q, struct err *err)
{
    struct blob_id id;
    if (blob_id_parse(args->media, &id)) {
        struct str *one = arena_new(a, struct str);
        *one = args->media;
        q->hashes = one;
        q->n = 1;
        return 0;
    }
    int rc = select_page(s, a, args, sel, err);
    struct str *hashes = arena_array(a, struct str, sel->rows.n);
    for (size_t i = 0; i < sel->rows.n; i++) {
        if (sel->rows.p[i].hash.p) {
            hashes[q->n++] = sel->rows.p[i].hash;
        }
    }
    q->hashes = hashes;
    return rc;
}

static int needs_choice(const struct media_arguments *args, struct err *err)
{
    return args->media.n > 0 || args->user.n > 0 || args->room.n > 0
               ? 0
               : err_set(err, E_INVALID, 0, NULL, "say which: a medium, --user or --room");
}

static int set_quarantined(struct server *s, struct arena *a, const json_t *arguments,
                           bool is_release, struct json_writer *result, struct err *err)
{
    struct media_arguments args;
    struct selection sel = {0};
    struct quarantine q = {.is_release = is_release};
    int rc = decode(a, arguments, &args, err);
    rc = rc ? rc : needs_choice(&args, err);
    rc = rc ? rc : select_hashes(s, a, &args, &sel, &q, err);
    q.reason = args.reason.n > 0 ? args.reason : STR_NONE;
    if (rc == 0 && q.n > 0) {
        rc = store_write(s->store, "media-quarantine", quarantine_body, &q, err);
    }
    if (rc == 0) {
        jw_object(result);
        write_sums(&sel, q.changed, 0, result);
        JW_INT(result, "contents", (int64_t)q.n);
        jw_end(result);
    }
    vec_release(&sel.rows);
    return rc;
}

int media_quarantine_operation(struct server *s, struct arena *a, const json_t *arguments,
                               struct json_writer *result, struct err *err)
{
    return set_quarantined(s, a, arguments, false, result, err);
}

int media_unquarantine_operation(struct server *s, struct arena *a, const json_t *arguments,
                                 struct json_writer *result, struct err *err)
{
    return set_quarantined(s, a, arguments, true, result, err);
}

/* ---- deleting --------------------------------------------------------------------------------- */

/* What would go: the same that retention_remove would leave alone is counted as spared. */
static int rehearse(struct server *s, struct arena *a, struct removal *r, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n; i++) {
        bool worn = false;
        rc = r->spare_worn
                 ? media_is_worn(store_reader(s->store), uri_of(s, a, &r->rows[i]), &worn, err)
                 : 0;
        r->spared += worn;
        r->files += !worn && r->rows[i].hash.p;
        r->bytes += worn ? 0 : r->rows[i].size;
    }
    return rc;
}

int media_delete_operation(struct server *s, struct arena *a, const json_t *arguments,
                           struct json_writer *result, struct err *err)
{
    struct media_arguments args;
    struct selection sel = {0};
    struct removal r = {0};
    int rc = decode(a, arguments, &args, err);
    rc = rc ? rc : media_flush_access(s->store, err);
    rc = rc ? rc : select_page(s, a, &args, &sel, err);
    r.rows = sel.rows.p;
    r.n = sel.rows.n;
    r.spare_worn = args.spare_worn;
    if (rc == 0 && r.n > 0) {
        rc = args.dry_run ? rehearse(s, a, &r, err) : retention_remove(s, &r, err);
    }
    if (rc == 0) {
        jw_object(result);
        write_sums(&sel, r.files, r.bytes, result);
        JW_INT(result, "spared", r.spared);
        jw_end(result);
    }
    vec_release(&sel.rows);
    return rc;
}

/* ---- usage ------------------------------------------------------------------------------------ */

static void write_usage(const struct media_usage *u, struct json_writer *w)
{
    JW_INT(w, "files", u->files);
    JW_INT(w, "bytes", u->bytes);
}

static int write_users(struct server *s, struct arena *a, int64_t top, struct json_writer *w,
                       struct err *err)
{
    struct media_usage *users;
    size_t n;
    struct db_read *r = store_reader(s->store);
    int rc = media_usage_top(r, a, MAX(0, MIN(top, TOP_MAX)), &users, &n, err);
    JW_ARRAY(w, "users");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct str id;
        rc = names_text(s->store, r, users[i].owner_nid, a, &id, err);
        jw_object(w);
        JW_STR(w, "user_id", rc == 0 ? id : STR(""));
        write_usage(&users[i], w);
        jw_end(w);
    }
    jw_end(w);
    return rc;
}

int media_usage_operation(struct server *s, struct arena *a, const json_t *arguments,
                          struct json_writer *result, struct err *err)
{
    struct media_arguments args;
    struct media_usage *classes;
    size_t n;
    int rc = decode(a, arguments, &args, err);
    rc = rc ? rc : media_usage_totals(store_reader(s->store), a, &classes, &n, err);
    if (rc != 0) {
        return rc;
    }
    jw_object(result);
    JW_OBJECT(result, "classes");
    for (size_t i = 0; i < n; i++) {
        jw_key(result, str_c(media_class_name(classes[i].class)));
        jw_object(result);
        write_usage(&classes[i], result);
        jw_end(result);
    }
    jw_end(result);
    rc = write_users(s, a, args.top, result, err);
    jw_end(result);
    return rc;
}
