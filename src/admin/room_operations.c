/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/room_operations.h"

#include "base/clock.h"
#include "core/purge.h"
#include "core/retention.h"
#include "core/room.h"
#include "core/room_removal.h"
#include "core/server.h"
#include "matrix/canon.h"
#include "matrix/ids.h"
#include "store/rooms.h"
#include "wire/jfield.h"

enum { PAGE = 500, STEP_MS = 1000 };

struct room_arguments {
    struct str room, reason, before_event;
    int64_t before_ts, after;
    bool blocked, block, purge, goes_on, dry_run;
};
static const struct jfield room_fields[] = {
    FIELD(struct room_arguments, room, .flags = OPT, .max = ID_MAX_BYTES),
    FIELD(struct room_arguments, reason, .flags = OPT, .max = 1000),
    FIELD(struct room_arguments, before_event, .flags = OPT, .max = ID_MAX_BYTES),
    FIELD(struct room_arguments, before_ts, .flags = OPT),
    FIELD(struct room_arguments, after, .flags = OPT),
    FIELD(struct room_arguments, blocked, .flags = OPT),
    FIELD(struct room_arguments, block, .flags = OPT),
    FIELD(struct room_arguments, purge, .flags = OPT),
    FIELD(struct room_arguments, goes_on, .flags = OPT),
    FIELD(struct room_arguments, dry_run, .flags = OPT),
    {0},
};

/* ---- which room ---- */

static int no_such(struct err *err, struct str name)
{
    return err_set(err, E_NOT_FOUND, 0, NULL, "this server knows no room \"%.*s\"", STR_ARG(name));
}

static int decode(struct arena *a, const json_t *arguments, struct room_arguments *out,
                  struct err *err)
{
    *out = (struct room_arguments){.room = STR("")};
    return json_decode(a, arguments, room_fields, out, err);
}

int room_operation_find(struct server *s, struct arena *a, struct str name, struct room_row *out,
                        struct err *err)
{
    struct alias_row alias;
    struct db_read *r = store_reader(s->store);
    int rc;
    if (name.n && name.p[0] == '#') {
        rc = room_aliases_find(r, a, name, &alias, err);
        rc = rc ? rc : rooms_get(r, a, alias.room_nid, out, err);
    } else {
        rc = rooms_find(r, a, name, out, err);
    }
    return rc == E_NOT_FOUND ? no_such(err, name) : rc;
}

static int decode_existing(struct server *s, struct arena *a, const json_t *arguments,
                           struct room_arguments *out, struct room_row *row, struct err *err)
{
    int rc = decode(a, arguments, out, err);
    return rc ? rc : room_operation_find(s, a, out->room, row, err);
}

/* ---- looking ---- */

/* A string of the content of a state event; STR_NONE if the room has none. */
static int state_text(struct server *s, struct arena *a, const struct room_row *row, uint64_t type,
                      const char *key, struct str *out, struct err *err)
{
    struct state_id state;
    struct entry *e;
    *out = STR_NONE;
    memcpy(state.b, row->state.p, sizeof(state.b));
    int rc = state_event(s, a, state, type, NID_EMPTY, &e, err);
    if (rc == 0 && e) {
        *out = canon_str(a, canon_find(e->ev->content, str_c(key)));
    }
    return rc;
}

static int write_text(struct server *s, struct arena *a, const struct room_row *row, uint64_t type,
                      const char *key, struct json_writer *w, struct err *err)
{
    struct str text;
    int rc = state_text(s, a, row, type, key, &text, err);
    if (rc == 0 && text.p) {
        jw_key(w, str_c(key));
        jw_str(w, text);
    }
    return rc;
}

/* Without the braces. */
static int write_summary(struct server *s, struct arena *a, const struct room_row *row,
                         struct json_writer *w, struct err *err)
{
    struct room_size size;
    int rc = rooms_size(store_reader(s->store), row->nid, &size, err);
    if (rc != 0) {
        return rc;
    }
    JW_STR(w, "room_id", row->room_id);
    rc = write_text(s, a, row, NID_NAME, "name", w, err);
    rc = rc ? rc : write_text(s, a, row, NID_CANONICAL_ALIAS, "alias", w, err);
    JW_INT(w, "members", size.joined);
    JW_INT(w, "local_members", size.local);
    JW_STR(w, "version", row->version);
    JW_BOOL(w, "published", row->is_published);
    JW_BOOL(w, "blocked", row->is_blocked);
    JW_INT(w, "created_ts", row->created_ts);
    return rc;
}

int room_list_operation(struct server *s, struct arena *a, const json_t *arguments,
                        struct json_writer *result, struct err *err)
{
    struct room_arguments args;
    struct room_row *rows;
    size_t n = 0;
    int rc = decode(a, arguments, &args, err);
    rc =
        rc ? rc : rooms_list(store_reader(s->store), a, (uint64_t)args.after, PAGE, &rows, &n, err);
    jw_object(result);
    JW_ARRAY(result, "rooms");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        jw_object(result);
        rc = write_summary(s, a, &rows[i], result, err);
        jw_end(result);
    }
    jw_end(result);
    if (n == PAGE) {
        JW_INT(result, "next", (int64_t)rows[n - 1].nid);
    }
    jw_end(result);
    return rc;
}

static int write_aliases(struct server *s, struct arena *a, const struct room_row *row,
                         struct json_writer *w, struct err *err)
{
    struct alias_row *aliases;
    size_t n = 0;
    int rc = room_aliases_of(store_reader(s->store), a, row->nid, &aliases, &n, err);
    JW_ARRAY(w, "aliases");
    for (size_t i = 0; i < n; i++) {
        jw_str(w, aliases[i].alias);
    }
    jw_end(w);
    return rc;
}

static int write_retention(struct server *s, struct arena *a, const struct room_row *row,
                           struct json_writer *w, struct err *err)
{
    struct state_id state;
    int64_t cutoff;
    memcpy(state.b, row->state.p, sizeof(state.b));
    int rc = retention_cutoff(s, a, state, &cutoff, err);
    if (rc == 0 && cutoff != INT64_MIN) {
        JW_INT(w, "max_lifetime", clock_wall_ms() - cutoff);
    }
    return rc;
}

int room_show_operation(struct server *s, struct arena *a, const json_t *arguments,
                        struct json_writer *result, struct err *err)
{
    static const struct {
        uint64_t type;
        const char *key;
    } texts[] = {{NID_TOPIC, "topic"},
                 {NID_CREATE, "type"},
                 {NID_ENCRYPTION, "algorithm"},
                 {NID_JOIN_RULES, "join_rule"},
                 {NID_HISTORY_VISIBILITY, "history_visibility"}};
    struct room_arguments args;
    struct room_row row;
    int rc = decode_existing(s, a, arguments, &args, &row, err);
    jw_object(result);
    rc = rc ? rc : write_summary(s, a, &row, result, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++) {
        rc = write_text(s, a, &row, texts[i].type, texts[i].key, result, err);
    }
    rc = rc ? rc : write_aliases(s, a, &row, result, err);
    rc = rc ? rc : write_retention(s, a, &row, result, err);
    jw_end(result);
    return rc;
}

/* ---- doing ---- */

/* The id of a room that may be unknown here; an alias must lead somewhere. */
static int room_id_of(struct server *s, struct arena *a, struct str name, struct str *out,
                      struct err *err)
{
    struct room_row row;
    struct matrix_id id;
    if (room_id_parse(name, &id)) {
        *out = name;
        return 0;
    }
    int rc = room_operation_find(s, a, name, &row, err);
    if (rc == 0) {
        *out = row.room_id;
    }
    return rc;
}

int room_block_operation(struct server *s, struct arena *a, const json_t *arguments,
                         struct json_writer *result, struct err *err)
{
    struct room_arguments args;
    struct str room_id;
    int rc = decode(a, arguments, &args, err);
    rc = rc ? rc : room_id_of(s, a, args.room, &room_id, err);
    rc = rc ? rc : room_set_blocked(s, room_id, args.blocked, err);
    if (rc == 0) {
        jw_object(result);
        JW_STR(result, "room_id", room_id);
        JW_BOOL(result, "blocked", args.blocked);
        jw_end(result);
    }
    return rc;
}

static void write_removal(const struct room_removal_result *step, struct json_writer *result)
{
    jw_object(result);
    JW_INT(result, "removed", (int64_t)step->removed);
    JW_INT(result, "left", (int64_t)step->left);
    JW_INT(result, "deleted", (int64_t)step->deleted);
    JW_BOOL(result, "done", step->is_done);
    jw_end(result);
}

int room_delete_operation(struct server *s, struct arena *a, const json_t *arguments,
                          struct json_writer *result, struct err *err)
{
    struct room_arguments args;
    struct room_row row;
    struct room_removal_result step = {.is_done = true};
    int rc = decode_existing(s, a, arguments, &args, &row, err);
    bool is_gone = rc == E_NOT_FOUND && args.goes_on; /* the task was faster */
    if (rc == 0) {
        const struct room_removal removal = {
            .reason = args.reason, .block = args.block, .purge = args.purge};
        rc = room_removal_step(s, a, row.room_id, &removal, &step, err);
    }
    if (rc != 0 && !is_gone) {
        return rc;
    }
    write_removal(&step, result);
    return 0;
}

static int find_bounds(struct server *s, struct arena *a, const struct room_arguments *args,
                       const struct room_row *row, struct purge_bounds *out, struct err *err)
{
    struct entry *e;
    *out = (struct purge_bounds){.before_ts = args->before_ts ? args->before_ts : INT64_MAX,
                                 .before_position = INT64_MAX};
    if (!args->before_event.n) {
        return args->before_ts ? 0 : err_set(err, E_INVALID, 0, NULL, "say before what");
    }
    int rc = entry_hold_id(s, a, args->before_event, &e, err);
    if (rc == E_NOT_FOUND || (rc == 0 && e->ev->ids.room != row->nid)) {
        return err_set(err, E_NOT_FOUND, 0, NULL, "the room has no event %.*s",
                       STR_ARG(args->before_event));
    }
    out->before_position = rc == 0 ? e->position : 0;
    return rc;
}

int room_purge_history_operation(struct server *s, struct arena *a, const json_t *arguments,
                                 struct json_writer *result, struct err *err)
{
    struct room_arguments args;
    struct room_row row;
    struct purge_bounds bounds;
    struct purge_result step = {.is_done = false};
    size_t deleted = 0;
    int64_t until = clock_mono_ms() + STEP_MS;
    int rc = decode_existing(s, a, arguments, &args, &row, err);
    rc = rc ? rc : find_bounds(s, a, &args, &row, &bounds, err);
    int64_t after = args.after;
    while (rc == 0 && !step.is_done && clock_mono_ms() < until) {
        rc = args.dry_run ? purge_history_try(s, row.nid, &bounds, &after, &step, err)
                          : purge_history_step(s, row.nid, &bounds, &step, err);
        deleted += step.deleted;
    }
    if (rc == 0) {
        jw_object(result);
        JW_STR(result, "room_id", row.room_id);
        JW_INT(result, "deleted", (int64_t)deleted);
        JW_BOOL(result, "done", step.is_done);
        JW_INT(result, "next", after);
        jw_end(result);
    }
    return rc;
}
