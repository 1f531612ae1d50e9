/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot user add | list | password | deactivate | make-admin` */
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "admin/call.h"
#include "admin/commands.h"

static bool make_admin, password_stdin, no_password, keep_devices, erase, take_away;

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

/* "Made @bob:example.org." */
static int print_done(struct call *c, const struct cli_args *args, const char *verb)
{
    struct str id = json_str(json_get(c->result, "user_id"));
    return args->json ? call_print_json(c)
                      : cli_print(arena_printf(&c->arena, "%s %.*s.\n", verb, STR_ARG(id)));
}

/* Runs an operation on the user whom the first argument names; `more` adds further arguments. */
static int on_user(const struct cli_args *args, const char *operation, const char *verb,
                   int (*more)(struct call *c))
{
    struct call c;
    int status = call_begin(&c, args);
    if (status != CLI_DONE) {
        return status;
    }
    JW_STR(&c.w, "name", str_c(args->p[0]));
    status = more ? more(&c) : CLI_DONE;
    if (status == CLI_DONE && (status = call_run(&c, operation)) == CLI_DONE) {
        status = print_done(&c, args, verb);
    }
    call_end(&c);
    return status;
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
    return CLI_DONE;
}

int user_deactivate_cmd(const struct cli_args *args)
{
    return on_user(args, "user.deactivate", "Deactivated", more_for_deactivate);
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

static void list_line(const json_t *user, struct buf *out)
{
    static const char *const flags[] = {"admin", "guest", "deactivated", "locked", "suspended"};
    char day[32] = "";
    int64_t ms = 0;
    struct tm tm;
    struct str id = json_str(json_get(user, "user_id"));
    (void)json_get_int(user, "created_ts", &ms);
    time_t seconds = (time_t)(ms / 1000);
    if (gmtime_r(&seconds, &tm)) {
        (void)strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    }
    buf_printf(out, "%-40.*s %s", STR_ARG(id), day);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (flag_of(user, flags[i])) {
            buf_printf(out, " %s", flags[i]);
        }
    }
    buf_add_char(out, '\n');
}

static int print_page(struct call *c, bool as_json)
{
    const json_t *users = json_get(c->result, "users");
    struct buf out = BUF_INIT(16 << 20);
    for (size_t i = 0; i < json_array_size(users); i++) {
        const json_t *user = json_array_get(users, i);
        if (as_json) {
            buf_add(&out, json_encode(&c->arena, user));
            buf_add_char(&out, '\n');
        } else {
            list_line(user, &out);
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
            status = print_page(&c, args->json);
        }
        next = status == CLI_DONE ? json_str(json_get(c.result, "next")) : STR_NONE;
        (void)snprintf(after, sizeof(after), "%.*s", STR_ARG(next));
        call_end(&c);
    } while (status == CLI_DONE && after[0] != '\0');
    return status;
}
