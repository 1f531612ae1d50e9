/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "core/config.h"

static const char *config_file;
static bool wants_json, wants_help;

static const struct cli_option config_option = {"config", CLI_TEXT, &config_file, "FILE",
                                                "configuration; default: $INGOT_CONFIG, "
                                                "./data/ingot.yaml, /etc/ingot/ingot.yaml"};
static const struct cli_option json_option = {"json", CLI_FLAG, &wants_json, NULL,
                                              "print JSON for scripts"};
static const struct cli_option help_option = {"help", CLI_FLAG, &wants_help, NULL, "print this"};

/* ---- output ----------------------------------------------------------------------------------- */

int cli_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fputs("ingot: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
    return CLI_FAILED;
}

int cli_fail_err(const struct err *err)
{
    if (err->kind == E_INTERNAL &&
        err->detail[0]) { /* the message is for clients, and says nothing */
        return cli_fail("%s", err->detail);
    }
    return err->detail[0] ? cli_fail("%s (%s)", err->message, err->detail)
                          : cli_fail("%s", err->message);
}

int cli_print(struct str text)
{
    bool is_out =
        (text.n == 0 || fwrite(text.p, 1, text.n, stdout) == text.n) && fflush(stdout) == 0;
    return is_out ? CLI_DONE : cli_fail("cannot write to standard output");
}

static int print_and_release(struct buf *b, FILE *to)
{
    bool is_out = fwrite(b->p, 1, b->n, to) == b->n && fflush(to) == 0;
    buf_release(b);
    return is_out ? CLI_DONE : CLI_FAILED;
}

bool cli_yes;

int cli_confirm(const char *fmt, ...)
{
    char answer[16] = "";
    va_list ap;
    if (cli_yes || !isatty(STDIN_FILENO)) {
        return CLI_DONE;
    }
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputs(" This cannot be undone. Go on? (yes/no) ", stderr);
    bool is_yes = fgets(answer, sizeof(answer), stdin) &&
                  (strcmp(answer, "yes\n") == 0 || strcmp(answer, "y\n") == 0);
    return is_yes ? CLI_DONE : cli_fail("nothing was done");
}

struct str cli_time(struct arena *a, int64_t ms)
{
    char text[32] = "";
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (ms > 0 && gmtime_r(&seconds, &tm)) {
        (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
    }
    return arena_str(a, str_c(text));
}

/* ---- help ------------------------------------------------------------------------------------- */

static void help_option_line(struct buf *b, const struct cli_option *o)
{
    char left[64];
    (void)snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "",
                   o->value ? o->value : "");
    buf_printf(b, "  %-22s %s\n", left, o->help);
}

static void usage_line(struct buf *b, const struct cli_command *c)
{
    buf_printf(b, "Usage: ingot %s [OPTION…]%s%s\n", c->name, c->arguments ? " " : "",
               c->arguments ? c->arguments : "");
}

static int help_command(const struct cli_command *c)
{
    struct buf b = BUF_INIT(1 << 16);
    usage_line(&b, c);
    buf_printf(&b, "\n%s\n", c->summary);
    if (c->help) {
        buf_printf(&b, "\n%s\n", c->help);
    }
    buf_add(&b, STR("\nOptions:\n"));
    for (const struct cli_option *o = c->options; o && o->name; o++) {
        help_option_line(&b, o);
    }
    if (c->shared & CLI_CONFIG) {
        help_option_line(&b, &config_option);
    }
    if (c->shared & CLI_JSON) {
        help_option_line(&b, &json_option);
    }
    help_option_line(&b, &help_option);
    return print_and_release(&b, stdout);
}

/* The commands whose name begins with `group` (all for ""). */
static int help_group(const struct cli_command *commands, const char *group, FILE *to)
{
    struct buf b = BUF_INIT(1 << 16);
    buf_printf(&b, "Usage: ingot %s%sCOMMAND [OPTION…]\n\nCommands:\n", group, *group ? " " : "");
    for (const struct cli_command *c = commands; c->name; c++) {
        size_t n = strlen(group);
        if (n == 0 || (strncmp(c->name, group, n) == 0 && c->name[n] == ' ')) {
            buf_printf(&b, "  %-22s %s\n", c->name, c->summary);
        }
    }
    buf_add(&b, STR("\n`ingot COMMAND --help` tells more about one of them.\n"));
    return print_and_release(&b, to);
}

/* ---- finding the command ---------------------------------------------------------------------- */

/* How many of the words the command's name takes, 0 if they are not its name. */
static int words_of(const struct cli_command *c, int n, char **words)
{
    const char *rest = c->name;
    for (int i = 0; i < n; i++) {
        size_t len = strlen(words[i]);
        if (strncmp(rest, words[i], len) != 0 || (rest[len] != ' ' && rest[len] != '\0')) {
            return 0;
        }
        if (rest[len] == '\0') {
            return i + 1;
        }
        rest += len + 1;
    }
    return 0;
}

static const struct cli_command *find_command(const struct cli_command *commands, int n,
                                              char **words, int *out_words)
{
    for (const struct cli_command *c = commands; c->name; c++) {
        if ((*out_words = words_of(c, n, words)) > 0) {
            return c;
        }
    }
    return NULL;
}

static bool is_group(const struct cli_command *commands, const char *word)
{
    size_t n = strlen(word);
    for (const struct cli_command *c = commands; c->name; c++) {
        if (strncmp(c->name, word, n) == 0 && c->name[n] == ' ') {
            return true;
        }
    }
    return false;
}

static int no_such_command(const struct cli_command *commands, int n, char **words)
{
    bool asks_help = n > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0);
    if (is_group(commands, words[0])) {
        if (n > 1 && !asks_help) {
            (void)cli_fail("unknown command \"%s %s\"", words[0], words[1]);
        }
        (void)help_group(commands, words[0], asks_help ? stdout : stderr);
        return asks_help ? CLI_DONE : CLI_USAGE;
    }
    (void)cli_fail("unknown command \"%s\"; `ingot help` lists them", words[0]);
    return CLI_USAGE;
}

/* ---- parsing ---------------------------------------------------------------------------------- */

static const struct cli_option *find_option(const struct cli_command *c, struct str name)
{
    for (const struct cli_option *o = c->options; o && o->name; o++) {
        if (str_eq(name, str_c(o->name))) {
            return o;
        }
    }
    if ((c->shared & CLI_CONFIG) && str_eq(name, str_c(config_option.name))) {
        return &config_option;
    }
    if ((c->shared & CLI_JSON) && str_eq(name, str_c(json_option.name))) {
        return &json_option;
    }
    return str_eq(name, str_c(help_option.name)) ? &help_option : NULL;
}

static int usage_error(const struct cli_command *c, const char *what, const char *word)
{
    (void)fprintf(stderr, "ingot %s: %s%s%s\n", c->name, what, *word ? " " : "", word);
    (void)fprintf(stderr, "`ingot %s --help` tells more.\n", c->name);
    return CLI_USAGE;
}

static int set_option(const struct cli_command *c, const struct cli_option *o, const char *word,
                      const char *value)
{
    switch (o->type) {
    case CLI_FLAG:
        *(bool *)o->into = true;
        return CLI_DONE;
    case CLI_TEXT:
        *(const char **)o->into = value;
        return CLI_DONE;
    default:
        return str_to_i64(str_c(value), (int64_t *)o->into)
                   ? CLI_DONE
                   : usage_error(c, "a whole number must follow", word);
    }
}

/* Takes argv[*i], which begins with a dash, and its value. */
static int parse_option(const struct cli_command *c, int argc, char **argv, int *i)
{
    struct str name, value = STR_NONE;
    const char *word = argv[*i], *text = NULL;
    bool has_value = str_split(str_c(word), '=', &name, &value);
    bool is_short_help = strcmp(word, "-h") == 0;
    const struct cli_option *o = str_starts(name, STR("--"))
                                     ? find_option(c, str_from(name, 2))
                                     : (is_short_help ? &help_option : NULL);
    if (!o) {
        return usage_error(c, "unknown option", word);
    }
    if (has_value && o->type == CLI_FLAG) {
        return usage_error(c, "no value may follow", word);
    }
    if (o->type != CLI_FLAG) {
        text = has_value ? value.p : (*i + 1 < argc ? argv[++*i] : NULL);
    }
    return o->type != CLI_FLAG && !text ? usage_error(c, "a value must follow", word)
                                        : set_option(c, o, word, text);
}

/* Moves what is no option to the front of argv; *out_n is their number. */
static int parse(const struct cli_command *c, int argc, char **argv, int *out_n)
{
    int n = 0, rc;
    bool only_arguments = false;
    for (int i = 0; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0') {
            if ((rc = parse_option(c, argc, argv, &i)) != CLI_DONE) {
                return rc;
            }
        } else {
            argv[n++] = argv[i];
        }
    }
    *out_n = n;
    return CLI_DONE;
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    struct cli_args args = {.p = argv};
    config_file = NULL;
    wants_json = wants_help = cli_yes = false;
    int rc = parse(c, argc, argv, &args.n);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (wants_help) {
        return help_command(c);
    }
    if (args.n < c->min_args) {
        return usage_error(c, "missing:", c->arguments);
    }
    if (args.n > c->max_args) {
        return usage_error(c, "too much:", argv[c->max_args]);
    }
    args.config = config_file;
    args.json = wants_json;
    return c->run(&args);
}

static int help(const struct cli_command *commands, int n, char **words)
{
    int used;
    if (n == 0) {
        return help_group(commands, "", stdout);
    }
    const struct cli_command *c = find_command(commands, n, words, &used);
    if (c) {
        return help_command(c);
    }
    return is_group(commands, words[0]) ? help_group(commands, words[0], stdout)
                                        : no_such_command(commands, n, words);
}

int cli_main(const struct cli_command *commands, const char *version, int argc, char **argv)
{
    int used, n = argc - 1;
    char **words = argv + 1;
    if (n <= 0) {
        (void)help_group(commands, "", stderr);
        return CLI_USAGE;
    }
    if (strcmp(words[0], "--version") == 0) {
        return printf("ingot %s\n", version) > 0 ? CLI_DONE : CLI_FAILED;
    }
    bool is_help = strcmp(words[0], "help") == 0 || strcmp(words[0], "--help") == 0 ||
                   strcmp(words[0], "-h") == 0;
    if (is_help) {
        return help(commands, n - 1, words + 1);
    }
    const struct cli_command *c = find_command(commands, n, words, &used);
    return c ? run(c, n - used, words + used) : no_such_command(commands, n, words);
}

/* ---- configuration ---------------------------------------------------------------------------- */

int cli_no_config(void)
{
    return cli_fail("no configuration found: give --config FILE, set INGOT_CONFIG, or make one "
                    "with `ingot init`");
}

int cli_load_config(const struct cli_args *args, struct config **out)
{
    struct err err = {0};
    const char *path = args->config ? args->config : config_default_path();
    if (!path) {
        return cli_no_config();
    }
    return config_load(path, out, &err) == 0 ? CLI_DONE : cli_fail_err(&err);
}
