/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table of commands, each with its options, help and handler. Usage, `--help` and the
 * checks of arguments follow from the table. Exit status everywhere: 0 done, 1 failed, 2 wrong usage.
 *
 *     static bool is_admin;
 *     static const struct cli_option add_options[] = {
 *         {"admin", CLI_FLAG, &is_admin, NULL, "make the user an administrator"},
 *         {0},
 *     };
 *     {"user add", "NAME", "create an account", NULL, add_options, 1, 1, CLI_CONFIG | CLI_JSON, user_add},
 *
 * Options are static variables, as a process runs one command. `--name value`, `--name=value`; `--` ends them.
 */
#ifndef INGOT_ADMIN_CLI_H
#define INGOT_ADMIN_CLI_H

#include "base/arena.h"
#include "base/err.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum cli_type {
    CLI_FLAG, /* bool */
    CLI_TEXT, /* const char * */
    CLI_INT,  /* int64_t */
};

struct cli_option {
    const char *name; /* without the dashes */
    enum cli_type type;
    void *into;
    const char *value; /* what stands for the value in the help: "FILE" */
    const char *help;
};

/* Options that many commands share. */
enum { CLI_CONFIG = 1 << 0, CLI_JSON = 1 << 1 };

struct cli_args {
    const char *config; /* --config, or NULL */
    bool json;
    int n;
    char **p; /* what is no option */
};

struct cli_command {
    const char *name;      /* "serve", "user add" */
    const char *arguments; /* "NAME", or NULL */
    const char *summary;   /* one line */
    const char *help;      /* further lines, or NULL */
    const struct cli_option *options;
    int min_args, max_args;
    unsigned shared; /* CLI_CONFIG, CLI_JSON */
    int (*run)(const struct cli_args *args);
};

/* Runs the command that argv names; `commands` ends with a NULL name. Returns the exit status. */
int cli_main(const struct cli_command *commands, const char *version, int argc, char **argv);

/* "ingot: " and the sentence on stderr; returns CLI_FAILED. */
int cli_fail(const char *fmt, ...) PRINTF(1, 2);
/* The error's message, with its detail if it has one. */
int cli_fail_err(const struct err *err);
/* Text to stdout; CLI_FAILED if that is closed or full. */
MUST_USE int cli_print(struct str text);

/* Of commands that do what cannot be undone: `yes` is the option's variable. */
#define CLI_YES                                                                                    \
    {                                                                                              \
        "yes", CLI_FLAG, &cli_yes, NULL, "do not ask whether it is meant so"                       \
    }
extern bool cli_yes;
/* Asks on a terminal; CLI_DONE if the answer is yes, or nobody can be asked (a script), or --yes was given. */
MUST_USE int cli_confirm(const char *fmt, ...) PRINTF(1, 2);
/* A time as people read it, UTC: "2026-01-31 12:00"; empty for 0. In the arena. */
struct str cli_time(struct arena *a, int64_t ms);

struct config;
int cli_no_config(void); /* says that there is none; CLI_FAILED */
/* Loads the file given, or the one that is found by itself; says what is wrong on stderr. */
MUST_USE int cli_load_config(const struct cli_args *args, struct config **out);

#endif
