/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot appservice list | ping | generate` */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "admin/call.h"
#include "admin/commands.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/pool.h"
#include "base/rand.h"
#include "core/appservice_call.h"
#include "matrix/ids.h"

enum { TOKEN_CHARACTERS = 64 };

static const char *new_url, *new_sender, *new_users, *new_aliases, *new_file;

const struct cli_option appservice_generate_options[] = {
    {"url", CLI_TEXT, &new_url, "URL", "where it listens; without it, it gets no events"},
    {"sender", CLI_TEXT, &new_sender, "NAME", "local part of its own user; default: its id"},
    {"users", CLI_TEXT, &new_users, "REGEX", "the users that are its alone"},
    {"aliases", CLI_TEXT, &new_aliases, "REGEX", "the aliases that are its alone"},
    {"output", CLI_TEXT, &new_file, "FILE",
     "write it there, readable by you alone; not over another"},
    {0},
};

static int load(const struct config *c, struct appservice_set **out)
{
    struct err err = {0};
    return appservice_set_load(c, out, &err) == 0 ? CLI_DONE : cli_fail_err(&err);
}

/* ---- list ------------------------------------------------------------------------------------- */

/* The queue of that id in the answer; NULL: it has none. */
static const json_t *queue_of(const struct call *c, struct str id)
{
    const json_t *queues = json_get(c->result, "queues");
    for (size_t i = 0; i < json_array_size(queues); i++) {
        const json_t *one = json_array_get(queues, i);
        if (str_eq(json_str(json_get(one, "id")), id)) {
            return one;
        }
    }
    return NULL;
}

static int64_t number(const json_t *queue, const char *key)
{
    int64_t n = 0;
    (void)json_get_int(queue, key, &n);
    return n;
}

static void list_line(const struct appservice *as, const json_t *queue, struct buf *out)
{
    int64_t waiting = number(queue, "waiting"), since = number(queue, "oldest_ts");
    buf_printf(out, "%-24.*s %-32.*s ", STR_ARG(as->id), STR_ARG(as->sender_id));
    if (as->url.n == 0) {
        buf_printf(out, "wants no events\n");
    } else if (waiting > 0 && since > 0) {
        buf_printf(out, "%.*s: %lld events wait since %lld s\n", STR_ARG(as->url),
                   (long long)waiting, (long long)(MAX(clock_wall_ms() - since, 0) / 1000));
    } else {
        buf_printf(out, "%.*s\n", STR_ARG(as->url));
    }
}

static void list_json(const struct appservice *as, const json_t *queue, struct buf *out)
{
    struct json_writer w = jw_over(out);
    jw_object(&w);
    JW_STR(&w, "id", as->id);
    JW_STR(&w, "sender", as->sender_id);
    JW_STR(&w, "url", as->url);
    JW_STR(&w, "file", as->file);
    if (queue) {
        JW_INT(&w, "waiting", number(queue, "waiting"));
        JW_INT(&w, "oldest_ts", number(queue, "oldest_ts"));
        JW_INT(&w, "not_looked_at", number(queue, "not_looked_at"));
    }
    jw_end(&w);
    buf_add_char(out, '\n');
}

static int print_list(const struct call *c, const struct appservice_set *set, bool as_json)
{
    struct buf out = BUF_INIT(16 << 20);
    if (!as_json) {
        buf_printf(&out, "%-24s %-32s %s\n", "ID", "USER", "URL");
    }
    for (size_t i = 0; i < set->n; i++) {
        const struct appservice *as = &set->p[i];
        (as_json ? list_json : list_line)(as, queue_of(c, as->id), &out);
    }
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

int appservice_list_cmd(const struct cli_args *args)
{
    struct call c;
    struct appservice_set *set = NULL;
    int status = call_begin(&c, args);
    if (status != CLI_DONE) {
        return status;
    }
    status = load(c.config, &set);
    if (status == CLI_DONE) {
        status = call_run(&c, "appservice.queues");
    }
    if (status == CLI_DONE) {
        status = print_list(&c, set, args->json);
    }
    appservice_set_free(set);
    call_end(&c);
    return status;
}

/* ---- ping ------------------------------------------------------------------------------------- */

struct pinging {
    struct lock lock;
    struct cond changed;
    bool is_done;
};

static void on_answer(struct appservice_call *c)
{
    struct pinging *p = c->arg;
    lock_take(&p->lock);
    p->is_done = true;
    cond_signal(&p->changed);
    lock_release(&p->lock);
}

static int report(const struct appservice_call *c)
{
    switch (appservice_call_outcome(c)) {
    case APPSERVICE_OK:
        return cli_print(STR("It answers, and knows our token.\n"));
    case APPSERVICE_REFUSED:
        return cli_fail("%.*s answers with status %ld: %.*s", STR_ARG(c->as->url), c->fetch.status,
                        (int)MIN(c->fetch.reply.n, 500), c->fetch.reply.p ? c->fetch.reply.p : "");
    case APPSERVICE_TIMED_OUT:
        return cli_fail("%.*s does not answer in time", STR_ARG(c->as->url));
    case APPSERVICE_UNREACHABLE:
        break;
    }
    return cli_fail("%.*s cannot be reached: %s", STR_ARG(c->as->url), c->fetch.err.detail);
}

static void ask(struct http_client *client, struct appservice_call *c)
{
    struct pinging p = {.is_done = false};
    lock_init(&p.lock, RANK_LEAF, "ping");
    cond_init(&p.changed);
    c->path = STR("/ping");
    c->body = STR("{}");
    c->done = on_answer;
    c->arg = &p;
    appservice_call_submit(client, c);
    lock_take(&p.lock);
    while (!p.is_done) {
        cond_wait(&p.changed, &p.lock);
    }
    lock_release(&p.lock);
    cond_destroy(&p.changed);
    lock_destroy(&p.lock);
}

/* From here, whether a server runs or not: what it needs is in the registration. */
static int ping(const struct appservice *as)
{
    struct err err = {0};
    struct http_client *client;
    struct http_client_config config = {.pool = pool_new(2, 1, 0)};
    if (http_client_new(&config, &client, &err) != 0) {
        pool_free(config.pool);
        return cli_fail_err(&err);
    }
    struct appservice_call *c = appservice_call_new(as);
    ask(client, c);
    http_client_stop(client);
    pool_free(config.pool);
    http_client_free(client);
    int status = report(c);
    appservice_call_free(c);
    return status;
}

int appservice_ping_cmd(const struct cli_args *args)
{
    struct config *c;
    struct appservice_set *set = NULL;
    int status = cli_load_config(args, &c);
    if (status != CLI_DONE) {
        return status;
    }
    status = load(c, &set);
    const struct appservice *as = set ? appservice_set_by_id(set, str_c(args->p[0])) : NULL;
    if (status == CLI_DONE && !as) {
        status = cli_fail("no registration has the id \"%s\"", args->p[0]);
    } else if (status == CLI_DONE && as->url.n == 0) {
        status = cli_fail("its registration, %.*s, has no URL", STR_ARG(as->file));
    } else if (status == CLI_DONE) {
        status = ping(as);
    }
    appservice_set_free(set);
    config_free(c);
    return status;
}

/* ---- generate --------------------------------------------------------------------------------- */

/* In single quotes nothing is special to YAML but the quote itself. */
static void add_quoted(struct buf *out, const char *key, struct str value)
{
    buf_printf(out, "%s'", key);
    for (size_t i = 0; i < value.n; i++) {
        buf_add(out, value.p[i] == '\'' ? STR("''") : str_n(value.p + i, 1));
    }
    buf_printf(out, "'\n");
}

static void add_namespace(struct buf *out, const char *name, const char *regex)
{
    buf_printf(out, "  %s:%s\n", name, regex ? "" : " []");
    if (regex) {
        buf_printf(out, "    - exclusive: true\n");
        add_quoted(out, "      regex: ", str_c(regex));
    }
}

static void write_registration(struct arena *a, const char *id, struct buf *out)
{
    const char *sender = new_sender ? new_sender : id;
    add_quoted(out, "id: ", str_c(id));
    if (new_url) {
        add_quoted(out, "url: ", str_c(new_url));
    } else {
        buf_printf(out, "url: null\n");
    }
    add_quoted(out, "as_token: ", rand_alnum(a, TOKEN_CHARACTERS));
    add_quoted(out, "hs_token: ", rand_alnum(a, TOKEN_CHARACTERS));
    add_quoted(out, "sender_localpart: ", str_c(sender));
    buf_printf(out, "rate_limited: false\nreceive_ephemeral: false\nnamespaces:\n");
    add_namespace(out, "users", new_users);
    add_namespace(out, "aliases", new_aliases);
    add_namespace(out, "rooms", NULL);
}

static int save(struct str text)
{
    int fd = open(new_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;
    int why = errno;
    if (fd >= 0 && close(fd) != 0) {
        ok = false;
    }
    return ok ? CLI_DONE : cli_fail("%s cannot be written: %s", new_file, strerror(why));
}

int appservice_generate_cmd(const struct cli_args *args)
{
    struct arena a;
    struct buf text = BUF_INIT(1 << 16);
    const char *sender = new_sender ? new_sender : args->p[0];
    if (!user_localpart_is_valid(str_c(sender), STR("x"))) {
        return cli_fail("%s cannot be the name of a user: give one with --sender", sender);
    }
    arena_init(&a, 0);
    write_registration(&a, args->p[0], &text);
    int status = new_file ? save(buf_str(&text)) : cli_print(buf_str(&text));
    if (status == CLI_DONE && new_file) {
        status = cli_print(arena_printf(&a,
                                        "Wrote %s. Name it in `appservices`, send the server "
                                        "SIGHUP, and give it to the application service.\n",
                                        new_file));
    }
    buf_release(&text);
    arena_release(&a);
    return status;
}
