/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot room list | show | block | unblock | delete | purge-history` */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "admin/call.h"
#include "admin/commands.h"
#include "base/clock.h"

static bool block, purge, dry_run;
static const char *reason = "", *before;

const struct cli_option room_delete_options[] = {
    {"block", CLI_FLAG, &block, NULL, "nobody here may come in again"},
    {"purge", CLI_FLAG, &purge, NULL, "delete all that is stored of the room"},
    {"reason", CLI_TEXT, &reason, "TEXT", "told to those who are removed"},
    {"dry-run", CLI_FLAG, &dry_run, NULL, "only say who would be removed"},
    CLI_YES,
    {0},
};
const struct cli_option room_purge_history_options[] = {
    {"before", CLI_TEXT, &before, "WHEN", "a day (2026-01-31), an age (90d) or an event id"},
    {"dry-run", CLI_FLAG, &dry_run, NULL, "only say how many would be deleted"},
    CLI_YES,
    {0},
};

/* ---- steps ------------------------------------------------------------------------------------ */

struct progress {
    int64_t removed, left, deleted, next, shown_ms;
};

static int64_t number_of(const json_t *result, const char *key)
{
    int64_t n = 0;
    (void)json_get_int(result, key, &n);
    return n;
}

/* One line that is written over on a terminal, else a line now and then. */
static void show_progress(struct progress *p, bool is_done)
{
    enum { EVERY_MS = 10 * 1000 };
    bool is_terminal = isatty(STDERR_FILENO);
    if (!is_terminal && clock_mono_ms() - p->shown_ms < EVERY_MS) {
        return;
    }
    p->shown_ms = clock_mono_ms();
    (void)fprintf(stderr, "%s", is_terminal ? "\r" : "");
    if (p->removed > 0 || p->left > 0) {
        (void)fprintf(stderr, "%lld people removed, %lld left; ", (long long)p->removed,
                      (long long)p->left);
    }
    (void)fprintf(stderr, "%lld events %s%s", (long long)p->deleted, dry_run ? "found" : "deleted",
                  is_terminal && !is_done ? "   " : "\n");
}

static int print_result(struct call *c, const struct cli_args *args, const struct progress *p)
{
    if (dry_run && !args->json) {
        return cli_print(
            arena_printf(&c->arena, "Would delete %lld events.\n", (long long)p->deleted));
    }
    struct str text = args->json
                          ? arena_printf(&c->arena, "{\"deleted\":%lld,\"removed\":%lld}\n",
                                         (long long)p->deleted, (long long)p->removed)
                          : arena_printf(&c->arena, "%lld people removed, %lld events deleted.\n",
                                         (long long)p->removed, (long long)p->deleted);
    return cli_print(text);
}

/* Calls until the server says that it is done. `more` adds the arguments besides the room's name. */
static int in_steps(const struct cli_args *args, const char *operation, int (*more)(struct call *c))
{
    struct progress p = {.shown_ms = clock_mono_ms()};
    bool is_done = false, goes_on = false;
    int status = CLI_DONE;
    while (status == CLI_DONE && !is_done) {
        struct call c;
        if ((status = call_begin(&c, args)) != CLI_DONE) {
            return status;
        }
        JW_STR(&c.w, "room", str_c(args->p[0]));
        JW_BOOL(&c.w, "goes_on", goes_on);
        JW_INT(&c.w, "after", p.next);
        status = more(&c);
        if (status == CLI_DONE && (status = call_run(&c, operation)) == CLI_DONE) {
            (void)json_get_bool(c.result, "done", &is_done);
            p.removed += number_of(c.result, "removed");
            p.deleted += number_of(c.result, "deleted");
            p.left = number_of(c.result, "left");
            p.next = number_of(c.result, "next");
            show_progress(&p, is_done);
            status = is_done ? print_result(&c, args, &p) : CLI_DONE;
        }
        goes_on = true;
        call_end(&c);
    }
    return status;
}

/* What is known of the room, printed by `print`. */
static int show(const struct cli_args *args, int (*print)(struct call *, const struct cli_args *))
{
    struct call c;
    int status = call_begin(&c, args);
    if (status != CLI_DONE) {
        return status;
    }
    JW_STR(&c.w, "room", str_c(args->p[0]));
    status = call_run(&c, "room.show");
    status = status == CLI_DONE ? print(&c, args) : status;
    call_end(&c);
    return status;
}

/* ---- delete, purge-history -------------------------------------------------------------------- */

static int more_for_delete(struct call *c)
{
    JW_STR(&c->w, "reason", str_c(reason));
    JW_BOOL(&c->w, "block", block);
    JW_BOOL(&c->w, "purge", purge);
    return CLI_DONE;
}

static int print_trial(struct call *c, const struct cli_args *args)
{
    struct str id = json_str(json_get(c->result, "room_id"));
    return args->json
               ? call_print_json(c)
               : cli_print(arena_printf(&c->arena,
                                        "Would remove %lld people of this server from "
                                        "%.*s%s.\n",
                                        (long long)number_of(c->result, "local_members"),
                                        STR_ARG(id),
                                        purge ? " and delete all that is stored of it" : ""));
}

int room_delete_cmd(const struct cli_args *args)
{
    if (dry_run) {
        return show(args, print_trial);
    }
    int status = cli_confirm("Everybody of this server is removed from %s%s.", args->p[0],
                             purge ? ", and all that is stored of it is deleted" : "");
    return status == CLI_DONE ? in_steps(args, "room.delete", more_for_delete) : status;
}

static bool parse_day(const char *text, int64_t *out_ms)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (end && *end == 'T') {
        end = strptime(end, "T%H:%M:%SZ", &tm);
    }
    if (!end || *end != '\0') {
        return false;
    }
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

static bool parse_age(const char *text, int64_t *out_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    struct str s = str_c(text);
    int64_t n;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (s.n > 1 && s.p[s.n - 1] == units[i].unit && str_to_i64(str_n(s.p, s.n - 1), &n) &&
            n >= 0 && !__builtin_mul_overflow(n, units[i].ms, &n)) {
            *out_ms = clock_wall_ms() - n;
            return true;
        }
    }
    return false;
}

static int more_for_purge(struct call *c)
{
    int64_t ts;
    if (before[0] == '$') {
        JW_STR(&c->w, "before_event", str_c(before));
    } else if (parse_day(before, &ts) || parse_age(before, &ts)) {
        JW_INT(&c->w, "before_ts", ts);
    } else {
        return cli_fail("--before wants a day such as 2026-01-31, an age such as 90d, or the id of "
                        "an event");
    }
    JW_BOOL(&c->w, "dry_run", dry_run);
    return CLI_DONE;
}

int room_purge_history_cmd(const struct cli_args *args)
{
    if (!before) {
        return cli_fail("say with --before which part of the history is to go");
    }
    int status = dry_run
                     ? CLI_DONE
                     : cli_confirm("The messages of %s before %s are deleted.", args->p[0], before);
    return status == CLI_DONE ? in_steps(args, "room.purge_history", more_for_purge) : status;
}

/* ---- block, unblock --------------------------------------------------------------------------- */

static int set_blocked(const struct cli_args *args, bool blocked)
{
    struct call c;
    int status = call_begin(&c, args);
    if (status != CLI_DONE) {
        return status;
    }
    JW_STR(&c.w, "room", str_c(args->p[0]));
    JW_BOOL(&c.w, "blocked", blocked);
    status = call_run(&c, "room.block");
    if (status == CLI_DONE) {
        struct str id = json_str(json_get(c.result, "room_id"));
        status =
            args->json
                ? call_print_json(&c)
                : cli_print(arena_printf(&c.arena, "%s %.*s.\n",
                                         blocked ? "Blocked" : "No longer blocked:", STR_ARG(id)));
    }
    call_end(&c);
    return status;
}

int room_block_cmd(const struct cli_args *args)
{
    return set_blocked(args, true);
}

int room_unblock_cmd(const struct cli_args *args)
{
    return set_blocked(args, false);
}

/* ---- list, show ------------------------------------------------------------------------------- */

static void list_line(const json_t *room, struct buf *out)
{
    static const char *const flags[] = {"published", "blocked"};
    struct str id = json_str(json_get(room, "room_id")), name = json_str(json_get(room, "name")),
               alias = json_str(json_get(room, "alias"));
    buf_printf(out, "%-45.*s %6lld %6lld  %.*s", STR_ARG(id), (long long)number_of(room, "members"),
               (long long)number_of(room, "local_members"), STR_ARG(alias.n ? alias : name));
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        bool b = false;
        if (json_get_bool(room, flags[i], &b) && b) {
            buf_printf(out, " (%s)", flags[i]);
        }
    }
    buf_add_char(out, '\n');
}

static int print_page(struct call *c, bool as_json, bool is_first)
{
    const json_t *rooms = json_get(c->result, "rooms");
    struct buf out = BUF_INIT(16 << 20);
    if (is_first && !as_json) {
        buf_printf(&out, "%-45s %6s %6s  %s\n", "ROOM", "PEOPLE", "HERE", "NAME");
    }
    for (size_t i = 0; i < json_array_size(rooms); i++) {
        const json_t *room = json_array_get(rooms, i);
        if (as_json) {
            buf_add(&out, json_encode(&c->arena, room));
            buf_add_char(&out, '\n');
        } else {
            list_line(room, &out);
        }
    }
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

int room_list_cmd(const struct cli_args *args)
{
    int64_t after = 0;
    int status;
    do {
        struct call c;
        if ((status = call_begin(&c, args)) != CLI_DONE) {
            return status;
        }
        JW_INT(&c.w, "after", after);
        if ((status = call_run(&c, "room.list")) == CLI_DONE) {
            status = print_page(&c, args->json, after == 0);
        }
        after = status == CLI_DONE ? number_of(c.result, "next") : 0;
        call_end(&c);
    } while (status == CLI_DONE && after != 0);
    return status;
}

static int print_room(struct call *c, const struct cli_args *args)
{
    struct buf out = BUF_INIT(1 << 20);
    if (args->json) {
        return call_print_json(c);
    }
    for (struct json_iter it = json_iter(c->result); json_next(&it);) {
        struct str text = json_str(it.value);
        text = text.p ? text : json_encode(&c->arena, it.value);
        if (str_ends(it.key, STR("_ts"))) {
            text = cli_time(&c->arena, number_of(c->result, it.key.p));
        }
        buf_printf(&out, "%-20.*s %.*s\n", STR_ARG(it.key), STR_ARG(text));
    }
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

int room_show_cmd(const struct cli_args *args)
{
    return show(args, print_room);
}
