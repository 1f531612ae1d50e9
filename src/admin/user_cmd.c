/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot user add | list | show | password | lock | unlock | suspend | reactivate | logout | deactivate |
 * make-admin` */
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "admin/call.h"
#include "admin/commands.h"

static bool make_admin, password_stdin, no_password, keep_devices, erase, take_away, dry_run;

const struct cli_option user_add_options[] = {
    {"admin", CLI_FLAG, &make_admin, NULL, "make the user an administrator"},
    {"password-stdin", CLI_FLAG, &password_stdin, NULL, "read the password from standard input"},
    {"no-password", CLI_FLAG, &no_password, NULL, "nobody can sign in with a password"},
    {0},
};
const struct cli_option user_password_options[] = {
    {"password-stdin", CLI_FLAG, &password_stdin, NULL, "read the password from standard input"},
    {"keep-devices", CLI_FLAG, &keep_devices, NULL, "do not sign out the user's devices"},
    {0},
};
const struct cli_option user_deactivate_options[] = {
    {"erase", CLI_FLAG, &erase, NULL,
     "remove the profile too, and hide from newcomers what the user said"},
    {"dry-run", CLI_FLAG, &dry_run, NULL, "only say what would end"},
    CLI_YES,
    {0},
};
const struct cli_option user_logout_options[] = {
    {"dry-run", CLI_FLAG, &dry_run, NULL, "only say how many there are"},
    CLI_YES,
    {0},
};
const struct cli_option user_make_admin_options[] = {
    {"revoke", CLI_FLAG, &take_away, NULL, "make the user an ordinary one again"},
    {0},
};

/* ---- passwords -------------------------------------------------------------------------------- */

static bool read_line(char *out, size_t room, FILE *from)
{
    if (!fgets(out, (int)room, from)) {
        return false;
    }
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

/* Asks on the terminal, without showing what is typed. */
static bool ask(const char *question, char *out, size_t room)
{
    struct termios shown, hidden;
    bool is_terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    (void)fprintf(stderr, "%s: ", question);
    if (is_terminal) {
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    bool has_line = read_line(out, room, stdin);
    if (is_terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        (void)fputc('\n', stderr);
    }
    return has_line;
}

static int get_password(char *out, size_t room)
{
    char again[1024];
    if (password_stdin) {
        return read_line(out, room, stdin) ? CLI_DONE : cli_fail("no password on standard input");
    }
    if (!isatty(STDIN_FILENO)) {
        return cli_fail("give the password with --password-stdin");
    }
    if (!ask("Password", out, room) || !ask("Again", again, sizeof(again))) {
        return cli_fail("no password");
    }
    return strcmp(out, again) == 0 ? CLI_DONE : cli_fail("the two differ");
}

/* ---- calling ---------------------------------------------------------------------------------- */

static const char *done_verb;

/* "Made @bob:example.org." */
static int print_done(struct call *c, const struct cli_args *args)
{
    struct str id = json_str(json_get(c->result, "user_id"));
    return args->json ? call_print_json(c)
                      : cli_print(arena_printf(&c->arena, "%s %.*s.\n", done_verb, STR_ARG(id)));
}

/* Runs an operation on the user whom the first argument names; `more` (may be NULL) adds further arguments. */
static int ask_about_user(const struct cli_args *args, const char *operation,
                          int (*more)(struct call *c),
                          int (*print)(struct call *c, const struct cli_args *args))
{
    struct call c;
    int status = call_begin(&c, args);
    if (status != CLI_DONE) {
        return status;
    }
    JW_STR(&c.w, "name", str_c(args->p[0]));
    status = more ? more(&c) : CLI_DONE;
    if (status == CLI_DONE && (status = call_run(&c, operation)) == CLI_DONE) {
        status = print(&c, args);
    }
    call_end(&c);
    return status;
}

static int on_user(const struct cli_args *args, const char *operation, const char *verb,
                   int (*more)(struct call *c))
{
    done_verb = verb;
    return ask_about_user(args, operation, more, print_done);
}

/* ---- commands --------------------------------------------------------------------------------- */

static int add_password(struct call *c)
{
    char password[1024];
    int status = get_password(password, sizeof(password));
    if (status == CLI_DONE && !str_is_utf8(str_c(password))) {
        status = cli_fail("the password is not UTF-8");
    }
    if (status == CLI_DONE) {
        JW_STR(&c->w, "password", str_c(password));
    }
    explicit_bzero(password, sizeof(password));
    return status;
}

static int more_for_add(struct call *c)
{
    JW_BOOL(&c->w, "admin", make_admin);
    return no_password ? CLI_DONE : add_password(c);
}

int user_add_cmd(const struct cli_args *args)
{
    return on_user(args, "user.add", make_admin ? "Made the administrator" : "Made the user",
                   more_for_add);
}

static int more_for_password(struct call *c)
{
    JW_BOOL(&c->w, "keep_devices", keep_devices);
    return add_password(c);
}

int user_password_cmd(const struct cli_args *args)
{
    return on_user(args, "user.password", "Changed the password of", more_for_password);
}

static int more_for_deactivate(struct call *c)
{
    JW_BOOL(&c->w, "erase", erase);
    JW_BOOL(&c->w, "dry_run", dry_run);
    return CLI_DONE;
}

/* Of a trial the answer is what is there now. */
static int print_trial(struct call *c, const struct cli_args *args)
{
    int64_t rooms = 0;
    size_t devices = json_array_size(json_get(c->result, "devices"));
    (void)json_get_int(c->result, "joined_rooms", &rooms);
    return args->json
               ? call_print_json(c)
               : cli_print(arena_printf(
                     &c->arena, "Would deactivate %.*s: %zu devices, %lld rooms.\n",
                     STR_ARG(json_str(json_get(c->result, "user_id"))), devices, (long long)rooms));
}

int user_deactivate_cmd(const struct cli_args *args)
{
    int status =
        dry_run ? CLI_DONE : cli_confirm("The account %s ends, and leaves its rooms.", args->p[0]);
    if (status != CLI_DONE) {
        return status;
    }
    return dry_run ? ask_about_user(args, "user.deactivate", more_for_deactivate, print_trial)
                   : on_user(args, "user.deactivate", "Deactivated", more_for_deactivate);
}

static int more_for_lock(struct call *c)
{
    JW_BOOL(&c->w, "locked", true);
    return CLI_DONE;
}

int user_lock_cmd(const struct cli_args *args)
{
    return on_user(args, "user.set_locked", "Locked", more_for_lock);
}

int user_unlock_cmd(const struct cli_args *args)
{
    return on_user(args, "user.set_locked", "Unlocked", NULL);
}

static int more_for_suspend(struct call *c)
{
    JW_BOOL(&c->w, "suspended", true);
    return CLI_DONE;
}

int user_suspend_cmd(const struct cli_args *args)
{
    return on_user(args, "user.set_suspended", "Suspended", more_for_suspend);
}

int user_reactivate_cmd(const struct cli_args *args)
{
    return on_user(args, "user.set_suspended", "No longer suspended:", NULL);
}

static int print_logout_trial(struct call *c, const struct cli_args *args)
{
    size_t devices = json_array_size(json_get(c->result, "devices"));
    return args->json
               ? call_print_json(c)
               : cli_print(arena_printf(&c->arena, "Would sign out %zu devices of %.*s.\n", devices,
                                        STR_ARG(json_str(json_get(c->result, "user_id")))));
}

/* A device that is signed out cannot be put back, nor its keys. */
int user_logout_cmd(const struct cli_args *args)
{
    if (dry_run) {
        return ask_about_user(args, "user.show", NULL, print_logout_trial);
    }
    int status = cli_confirm("All devices of %s are signed out.", args->p[0]);
    return status == CLI_DONE ? on_user(args, "user.logout", "Signed out all devices of", NULL)
                              : status;
}

static int more_for_admin(struct call *c)
{
    JW_BOOL(&c->w, "admin", !take_away);
    return CLI_DONE;
}

int user_make_admin_cmd(const struct cli_args *args)
{
    return on_user(args, "user.make_admin",
                   take_away ? "No administrator any more:" : "Administrator:", more_for_admin);
}

/* ---- the list --------------------------------------------------------------------------------- */

static bool flag_of(const json_t *user, const char *key)
{
    bool b = false;
    return json_get_bool(user, key, &b) && b;
}

static void add_flags(const json_t *user, struct buf *out)
{
    static const char *const flags[] = {"admin", "guest", "deactivated", "locked", "suspended"};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (flag_of(user, flags[i])) {
            buf_printf(out, " %s", flags[i]);
        }
    }
}

static struct str time_of(struct arena *a, const json_t *object, const char *key)
{
    int64_t ms = 0;
    (void)json_get_int(object, key, &ms);
    return cli_time(a, ms);
}

static void list_line(struct arena *a, const json_t *user, struct buf *out)
{
    buf_printf(out, "%-40.*s %-16.*s", STR_ARG(json_str(json_get(user, "user_id"))),
               STR_ARG(time_of(a, user, "created_ts")));
    add_flags(user, out);
    buf_add_char(out, '\n');
}

static int print_user(struct call *c, const struct cli_args *args)
{
    struct buf out = BUF_INIT(1 << 20);
    const json_t *devices = json_get(c->result, "devices");
    int64_t rooms = 0;
    if (args->json) {
        return call_print_json(c);
    }
    (void)json_get_int(c->result, "joined_rooms", &rooms);
    buf_printf(&out, "%-40s %-16s %s\n", "USER", "CREATED", "STATE");
    list_line(&c->arena, c->result, &out);
    buf_printf(&out, "In %lld rooms.\n\n%-20s %-16s %-39s %s\n", (long long)rooms, "DEVICE",
               "LAST SEEN", "FROM", "NAME");
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *d = json_array_get(devices, i);
        buf_printf(&out, "%-20.*s %-16.*s %-39.*s %.*s\n",
                   STR_ARG(json_str(json_get(d, "device_id"))),
                   STR_ARG(time_of(&c->arena, d, "last_seen_ts")),
                   STR_ARG(json_str(json_get(d, "last_seen_ip"))),
                   STR_ARG(json_str(json_get(d, "display_name"))));
    }
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

int user_show_cmd(const struct cli_args *args)
{
    return ask_about_user(args, "user.show", NULL, print_user);
}

static int print_page(struct call *c, bool as_json, bool is_first)
{
    const json_t *users = json_get(c->result, "users");
    struct buf out = BUF_INIT(16 << 20);
    if (is_first && !as_json) {
        buf_printf(&out, "%-40s %-16s %s\n", "USER", "CREATED", "STATE");
    }
    for (size_t i = 0; i < json_array_size(users); i++) {
        const json_t *user = json_array_get(users, i);
        if (as_json) {
            buf_add(&out, json_encode(&c->arena, user));
            buf_add_char(&out, '\n');
        } else {
            list_line(&c->arena, user, &out);
        }
    }
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

/* Pages of the list, one call each. */
int user_list_cmd(const struct cli_args *args)
{
    char after[256] = "";
    struct str next;
    int status;
    do {
        struct call c;
        if ((status = call_begin(&c, args)) != CLI_DONE) {
            return status;
        }
        JW_STR(&c.w, "after", str_c(after));
        if ((status = call_run(&c, "user.list")) == CLI_DONE) {
            status = print_page(&c, args->json, after[0] == '\0');
        }
        next = status == CLI_DONE ? json_str(json_get(c.result, "next")) : STR_NONE;
        (void)snprintf(after, sizeof(after), "%.*s", STR_ARG(next));
        call_end(&c);
    } while (status == CLI_DONE && after[0] != '\0');
    return status;
}
