/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot media list | show | quarantine | unquarantine | delete | purge | usage` */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "admin/call.h"
#include "admin/commands.h"
#include "base/clock.h"
#include "core/config.h"

static const char *user, *room, *class, *older_than, *larger_than, *reason;
static bool quarantined, dry_run;
static int64_t top = 10;

#define BY_USER                                                                                    \
    {                                                                                              \
        "user", CLI_TEXT, &user, "USER", "what this user uploaded"                                 \
    }
#define BY_ROOM                                                                                    \
    {                                                                                              \
        "room", CLI_TEXT, &room, "ROOM",                                                           \
            "what the unencrypted events of this room mention, but for avatars of members"         \
    }
#define BY_CLASS                                                                                   \
    {                                                                                              \
        "class", CLI_TEXT, &class, "CLASS",                                                        \
            "local (uploads), remote (of other servers) or preview (of links)"                     \
    }
#define BY_AGE                                                                                     \
    {                                                                                              \
        "older-than", CLI_TEXT, &older_than, "AGE", "not asked for since: 90d, 12h"                \
    }
#define BY_SIZE                                                                                    \
    {                                                                                              \
        "larger-than", CLI_TEXT, &larger_than, "SIZE", "larger than: 64K, 50M, 1G"                 \
    }
#define DRY_RUN                                                                                    \
    {                                                                                              \
        "dry-run", CLI_FLAG, &dry_run, NULL, "only say what would be deleted"                      \
    }

const struct cli_option media_list_options[] = {
    BY_USER, BY_ROOM, BY_CLASS,
    BY_AGE,  BY_SIZE, {"quarantined", CLI_FLAG, &quarantined, NULL, "what is quarantined"},
    {0},
};
const struct cli_option media_quarantine_options[] = {
    BY_USER,
    BY_ROOM,
    {"reason", CLI_TEXT, &reason, "TEXT", "kept for administrators"},
    {0},
};
const struct cli_option media_unquarantine_options[] = {BY_USER, BY_ROOM, {0}};
const struct cli_option media_delete_options[] = {BY_USER, BY_ROOM, DRY_RUN, CLI_YES, {0}};
const struct cli_option media_purge_options[] = {BY_CLASS, BY_AGE, BY_SIZE, DRY_RUN, CLI_YES, {0}};
const struct cli_option media_usage_options[] = {
    {"top", CLI_INT, &top, "N", "how many users, those who use most first (10)"},
    {0},
};

/* ---- arguments -------------------------------------------------------------------------------- */

static void put_text(struct call *c, const char *key, const char *value)
{
    if (value) {
        jw_key(&c->w, str_c(key));
        jw_str(&c->w, str_c(value));
    }
}

/* What is the same for every page. */
static int put_arguments(struct call *c, const struct cli_args *args)
{
    int64_t age, size;
    put_text(c, "media", args->n > 0 ? args->p[0] : NULL);
    put_text(c, "user", user);
    put_text(c, "room", room);
    put_text(c, "class", class);
    put_text(c, "reason", reason);
    JW_BOOL(&c->w, "quarantined", quarantined);
    JW_BOOL(&c->w, "dry_run", dry_run);
    if (older_than) {
        if (!config_duration_parse(str_c(older_than), &age)) {
            return cli_fail("--older-than wants a time such as 90d or 12h");
        }
        JW_INT(&c->w, "before_ts", clock_wall_ms() - age);
    }
    if (larger_than) {
        if (!config_size_parse(str_c(larger_than), &size)) {
            return cli_fail("--larger-than wants a size such as 64K or 50M");
        }
        JW_INT(&c->w, "larger_than", size);
    }
    return CLI_DONE;
}

/* ---- pages ------------------------------------------------------------------------------------ */

struct sums {
    int64_t pages, files, bytes, spared, shown_ms;
};

struct paged {
    const char *operation;
    const char *verb; /* what was done, for people */
    bool spare_worn;
    int (*print)(struct call *c, const struct cli_args *args); /* each page; may be NULL */
};

static int64_t number_of(const json_t *object, const char *key)
{
    int64_t n = 0;
    (void)json_get_int(object, key, &n);
    return n;
}

static void add_page(struct sums *sums, const json_t *result)
{
    sums->pages++;
    sums->files += number_of(result, "files");
    sums->bytes += number_of(result, "bytes");
    sums->spared += number_of(result, "spared");
}

/* A line that is written over on a terminal, else one now and then. */
static void show_progress(struct sums *sums, bool is_last)
{
    enum { EVERY_MS = 10 * 1000 };
    bool is_terminal = isatty(STDERR_FILENO);
    if ((is_terminal && is_last) || (!is_terminal && clock_mono_ms() - sums->shown_ms < EVERY_MS)) {
        (void)fprintf(stderr, "%s", is_terminal && sums->pages > 1 ? "\n" : "");
        return;
    }
    sums->shown_ms = clock_mono_ms();
    (void)fprintf(stderr, "%s%lld files, %lld bytes so far%s", is_terminal ? "\r" : "",
                  (long long)sums->files, (long long)sums->bytes, is_terminal ? "   " : "\n");
}

static int print_sums(const struct cli_args *args, const struct paged *p, const struct sums *sums)
{
    char text[300];
    if (args->json) {
        (void)snprintf(text, sizeof(text), "{\"files\":%lld,\"bytes\":%lld,\"spared\":%lld}\n",
                       (long long)sums->files, (long long)sums->bytes, (long long)sums->spared);
    } else {
        int n = snprintf(text, sizeof(text), "%s: %lld media", p->verb, (long long)sums->files);
        if (sums->bytes > 0) {
            n += snprintf(text + n, sizeof(text) - (size_t)n, ", %lld bytes",
                          (long long)sums->bytes);
        }
        if (sums->spared > 0) {
            n += snprintf(text + n, sizeof(text) - (size_t)n,
                          "; left alone, because they are in use as avatars or room icons: %lld",
                          (long long)sums->spared);
        }
        (void)snprintf(text + n, sizeof(text) - (size_t)n, ".\n");
    }
    return cli_print(str_c(text));
}

/* One page; *cursor is empty afterwards if it was the last. */
static int do_page(const struct cli_args *args, const struct paged *p, struct sums *sums,
                   char *cursor, size_t room_for_cursor)
{
    struct call c;
    int status = call_begin(&c, args);
    if (status != CLI_DONE) {
        return status;
    }
    status = put_arguments(&c, args);
    JW_BOOL(&c.w, "spare_worn", p->spare_worn);
    JW_STR(&c.w, "cursor", str_c(cursor));
    if (status == CLI_DONE && (status = call_run(&c, p->operation)) == CLI_DONE) {
        struct str next = json_str(json_get(c.result, "next"));
        (void)snprintf(cursor, room_for_cursor, "%.*s", STR_ARG(next));
        add_page(sums, c.result);
        status = p->print ? p->print(&c, args) : CLI_DONE;
    }
    call_end(&c);
    return status;
}

static int in_pages(const struct cli_args *args, const struct paged *p)
{
    char cursor[1024] = "";
    struct sums sums = {.shown_ms = clock_mono_ms()};
    int status;
    do {
        status = do_page(args, p, &sums, cursor, sizeof(cursor));
        if (status == CLI_DONE && !p->print) {
            show_progress(&sums, cursor[0] == '\0');
        }
    } while (status == CLI_DONE && cursor[0] != '\0');
    return status == CLI_DONE && !p->print ? print_sums(args, p, &sums) : status;
}

/* ---- commands --------------------------------------------------------------------------------- */

static void list_line(struct arena *a, const json_t *m, struct buf *out)
{
    bool is_quarantined = false;
    struct str uri = json_str(json_get(m, "uri")), type = json_str(json_get(m, "content_type")),
               class_name = json_str(json_get(m, "class")),
               uploader = json_str(json_get(m, "uploader"));
    (void)json_get_bool(m, "quarantined", &is_quarantined);
    buf_printf(out, "%-50.*s %-7.*s %12lld  %-16.*s  %-16.*s %.*s%s\n", STR_ARG(uri),
               STR_ARG(class_name), (long long)number_of(m, "size"),
               STR_ARG(cli_time(a, number_of(m, "last_access_ts"))), STR_ARG(type),
               STR_ARG(uploader), is_quarantined ? " quarantined" : "");
}

static int print_list(struct call *c, const struct cli_args *args)
{
    static bool has_heading;
    const json_t *media = json_get(c->result, "media");
    struct buf out = BUF_INIT(16 << 20);
    if (!args->json && !has_heading) {
        buf_printf(&out, "%-50s %-7s %12s  %-16s  %-16s %s\n", "MEDIUM", "CLASS", "BYTES",
                   "LAST ASKED FOR", "TYPE", "BY");
        has_heading = true;
    }
    for (size_t i = 0; i < json_array_size(media); i++) {
        const json_t *m = json_array_get(media, i);
        if (args->json) {
            buf_add(&out, json_encode(&c->arena, m));
            buf_add_char(&out, '\n');
        } else {
            list_line(&c->arena, m, &out);
        }
    }
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

int media_list_cmd(const struct cli_args *args)
{
    return in_pages(args, &(struct paged){.operation = "media.list", .print = print_list});
}

int media_quarantine_cmd(const struct cli_args *args)
{
    return in_pages(args, &(struct paged){.operation = "media.quarantine", .verb = "Quarantined"});
}

int media_unquarantine_cmd(const struct cli_args *args)
{
    return in_pages(args, &(struct paged){.operation = "media.unquarantine", .verb = "Released"});
}

static const char *deleted(void)
{
    return dry_run ? "To be deleted" : "Deleted";
}

static int in_pages_if_meant(const struct cli_args *args, const char *of, const struct paged *p)
{
    int status = dry_run ? CLI_DONE : cli_confirm("Media are deleted (%s).", of);
    return status == CLI_DONE ? in_pages(args, p) : status;
}

int media_delete_cmd(const struct cli_args *args)
{
    if (args->n == 0 && !user && !room) {
        return cli_fail("say what to delete: an mxc URI, --user or --room");
    }
    const char *of = args->n ? args->p[0] : user ? user : room;
    /* Anybody may mention anything in a room, also the pictures of others. */
    return in_pages_if_meant(args, of,
                             &(struct paged){.operation = "media.delete",
                                             .verb = deleted(),
                                             .spare_worn = room != NULL});
}

int media_purge_cmd(const struct cli_args *args)
{
    if (!class || !older_than) {
        return cli_fail("say with --class and --older-than what may go");
    }
    return in_pages_if_meant(
        args, class,
        &(struct paged){.operation = "media.delete", .verb = deleted(), .spare_worn = true});
}

/* One call whose result is printed member by member. */
static int print_object(struct call *c)
{
    struct buf out = BUF_INIT(1 << 20);
    for (struct json_iter it = json_iter(c->result); json_next(&it);) {
        struct str text = json_str(it.value);
        text = text.p ? text : json_encode(&c->arena, it.value);
        if (str_ends(it.key, STR("_ts"))) {
            text = cli_time(&c->arena, number_of(c->result, it.key.p));
        }
        buf_printf(&out, "%-16.*s %.*s\n", STR_ARG(it.key), STR_ARG(text));
    }
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

int media_show_cmd(const struct cli_args *args)
{
    struct call c;
    int status = call_begin(&c, args);
    if (status != CLI_DONE) {
        return status;
    }
    put_text(&c, "media", args->p[0]);
    if ((status = call_run(&c, "media.show")) == CLI_DONE) {
        status = args->json ? call_print_json(&c) : print_object(&c);
    }
    call_end(&c);
    return status;
}

static int print_usage(struct call *c)
{
    struct buf out = BUF_INIT(1 << 20);
    for (struct json_iter it = json_iter(json_get(c->result, "classes")); json_next(&it);) {
        buf_printf(&out, "%-40.*s %10lld files %16lld bytes\n", STR_ARG(it.key),
                   (long long)number_of(it.value, "files"),
                   (long long)number_of(it.value, "bytes"));
    }
    const json_t *users = json_get(c->result, "users");
    for (size_t i = 0; i < json_array_size(users); i++) {
        const json_t *u = json_array_get(users, i);
        struct str id = json_str(json_get(u, "user_id"));
        buf_printf(&out, "%-40.*s %10lld files %16lld bytes\n", STR_ARG(id),
                   (long long)number_of(u, "files"), (long long)number_of(u, "bytes"));
    }
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

int media_usage_cmd(const struct cli_args *args)
{
    struct call c;
    int status = call_begin(&c, args);
    if (status != CLI_DONE) {
        return status;
    }
    JW_INT(&c.w, "top", top);
    if ((status = call_run(&c, "media.usage")) == CLI_DONE) {
        status = args->json ? call_print_json(&c) : print_usage(&c);
    }
    call_end(&c);
    return status;
}
