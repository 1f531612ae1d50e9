/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot mail test` */
#include <stdio.h>

#include "admin/commands.h"
#include "core/mailer.h"

static int send_test(const struct config *c, struct arena *a, const char *address)
{
    struct letter letter = {.subject =
                                arena_printf(a, "Test mail of %.*s", STR_ARG(c->server_name))};
    struct err err = {0};
    if (!mailer_is_on(c)) {
        return cli_fail("email.smtp_url is not set in %.*s", STR_ARG(c->path));
    }
    if (!mail_address_parse(a, str_c(address), &letter.to)) {
        return cli_fail("%s is no e-mail address", address);
    }
    const struct letter_body body = {
        .heading = STR("It works"),
        .before = arena_printf(a, "The homeserver %.*s can send e-mail through %.*s.",
                               STR_ARG(c->server_name), STR_ARG(c->email.smtp_url))};
    letter_compose(a, &body, &letter);
    if (mailer_send(c, &letter, &err) != 0) {
        return cli_fail_err(&err);
    }
    return cli_print(arena_printf(a, "%.*s has taken the mail to %.*s.\n",
                                  STR_ARG(c->email.smtp_url), STR_ARG(letter.to)));
}

int mail_test_cmd(const struct cli_args *args)
{
    struct config *c;
    struct arena a;
    int status = cli_load_config(args, &c);
    if (status != CLI_DONE) {
        return status;
    }
    arena_init(&a, 0);
    status = send_test(c, &a, args->p[0]);
    arena_release(&a);
    config_free(c);
    return status;
}
