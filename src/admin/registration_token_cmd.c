/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot registration-token add | list | show | update | remove` */
#include "admin/call.h"
#include "admin/commands.h"
#include "base/clock.h"

#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)

enum { NOT_GIVEN = -1 };

static int64_t uses = NOT_GIVEN, days = NOT_GIVEN;
static bool unlimited, no_expiry;

const struct cli_option registration_token_add_options[] = {
    {"uses", CLI_INT, &uses, "N", "how many accounts it is good for (default: any number)"},
    {"days", CLI_INT, &days, "N", "how many days it is good (default: for ever)"},
    {0},
};
const struct cli_option registration_token_update_options[] = {
    {"uses", CLI_INT, &uses, "N", "how many accounts it is good for in all"},
    {"unlimited", CLI_FLAG, &unlimited, NULL, "any number of accounts"},
    {"days", CLI_INT, &days, "N", "it ends that many days from now"},
    {"no-expiry", CLI_FLAG, &no_expiry, NULL, "it does not end by itself"},
    {0},
};

/* ---- arguments -------------------------------------------------------------------------------- */

static int check_options(void)
{
    enum { DAYS_MAX = 36500 };
    if (uses < NOT_GIVEN || days < NOT_GIVEN || days > DAYS_MAX) {
        return cli_fail("--uses and --days are numbers from 0 on, days at most %d", DAYS_MAX);
    }
    if ((uses >= 0 && unlimited) || (days >= 0 && no_expiry)) {
        return cli_fail("--uses and --unlimited, --days and --no-expiry exclude each other");
    }
    return CLI_DONE;
}

static void put_arguments(struct call *c, const struct cli_args *args)
{
    if (args->n > 0) {
        JW_STR(&c->w, "token", str_c(args->p[0]));
    }
    if (uses >= 0 || unlimited) {
        JW_INT(&c->w, "uses", unlimited ? -1 : uses);
    }
    if (days >= 0 || no_expiry) {
        JW_INT(&c->w, "expires_ts", no_expiry ? 0 : clock_wall_ms() + days * DAY_MS);
    }
}

/* ---- results ---------------------------------------------------------------------------------- */

static int64_t number(const json_t *token, const char *key)
{
    int64_t n = NOT_GIVEN;
    (void)json_get_int(token, key, &n);
    return n;
}

static void token_line(struct arena *a, const json_t *token, struct buf *out)
{
    struct str text = json_str(json_get(token, "token"));
    int64_t allowed = number(token, "uses_allowed"), end = number(token, "expires_ts");
    bool is_valid = false;
    (void)json_get_bool(token, "valid", &is_valid);
    buf_printf(out, "%-24.*s %lld used, %lld pending", STR_ARG(text),
               (long long)number(token, "completed"), (long long)number(token, "pending"));
    if (allowed >= 0) {
        buf_printf(out, ", %lld allowed", (long long)allowed);
    }
    if (end >= 0) {
        buf_printf(out, ", until %.*s UTC", STR_ARG(cli_time(a, end)));
    }
    buf_add(out, is_valid ? STR("\n") : STR(", not valid any more\n"));
}

static int print_token(struct call *c)
{
    struct buf out = BUF_INIT(4096);
    token_line(&c->arena, c->result, &out);
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

static int print_list(struct call *c, bool as_json)
{
    const json_t *tokens = json_get(c->result, "tokens");
    struct buf out = BUF_INIT(16 << 20);
    if (!as_json) {
        buf_printf(&out, "%-24s %s\n", "TOKEN", "USES");
    }
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const json_t *token = json_array_get(tokens, i);
        if (as_json) {
            buf_add(&out, json_encode(&c->arena, token));
            buf_add_char(&out, '\n');
        } else {
            token_line(&c->arena, token, &out);
        }
    }
    int status = cli_print(buf_str(&out));
    buf_release(&out);
    return status;
}

/* ---- commands --------------------------------------------------------------------------------- */

static int run(const struct cli_args *args, const char *operation, bool is_list)
{
    struct call c;
    int status = check_options();
    if (status == CLI_DONE) {
        status = call_begin(&c, args);
    }
    if (status != CLI_DONE) {
        return status;
    }
    put_arguments(&c, args);
    if ((status = call_run(&c, operation)) == CLI_DONE) {
        status = is_list      ? print_list(&c, args->json)
                 : args->json ? call_print_json(&c)
                              : print_token(&c);
    }
    call_end(&c);
    return status;
}

int registration_token_add_cmd(const struct cli_args *args)
{
    return run(args, "registration_token.add", false);
}

int registration_token_list_cmd(const struct cli_args *args)
{
    return run(args, "registration_token.list", true);
}

int registration_token_show_cmd(const struct cli_args *args)
{
    return run(args, "registration_token.show", false);
}

int registration_token_update_cmd(const struct cli_args *args)
{
    return run(args, "registration_token.update", false);
}

int registration_token_remove_cmd(const struct cli_args *args)
{
    return run(args, "registration_token.remove", false);
}
