/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot config check | show | sample` */
#include <stdio.h>
#include <unistd.h>

#include "admin/commands.h"
#include "base/buf.h"
#include "core/appservice.h"

/* What the reader of the file cannot know: whether the files it names are there. */
static int check_file(const char *key, struct str path)
{
    if (path.n == 0 || access(path.p, R_OK) == 0) {
        return CLI_DONE;
    }
    return cli_fail("%s: cannot read %.*s", key, STR_ARG(path));
}

static int check_appservices(const struct config *c)
{
    struct appservice_set *set;
    struct err err = {0};
    if (appservice_set_load(c, &set, &err) != 0) {
        return cli_fail("appservices: %s", err.message);
    }
    appservice_set_free(set);
    return CLI_DONE;
}

static int check_files(const struct config *c)
{
    int status = check_file("federation.ca_file", c->federation.ca_file);
    status |= check_file("email.ca_file", c->email.ca_file);
    for (size_t i = 0; i < c->listeners.n; i++) {
        const struct config_listener *l = &c->listeners.p[i];
        status |= check_file("listeners: tls.certificate", l->tls_certificate);
        status |= check_file("listeners: tls.private_key", l->tls_private_key);
    }
    return status | check_appservices(c);
}

int config_check_cmd(const struct cli_args *args)
{
    struct config *c;
    struct err err = {0};
    const struct str *findings;
    size_t n;
    const char *path = args->config ? args->config : config_default_path();
    if (!path) {
        return cli_no_config();
    }
    if (config_check(path, &c, &findings, &n, &err) != 0) {
        return cli_fail_err(&err);
    }
    int status = n == 0 ? CLI_DONE : CLI_FAILED;
    for (size_t i = 0; i < n; i++) {
        (void)cli_fail("%s: %.*s", path, STR_ARG(findings[i]));
    }
    status |= check_files(c);
    if (status == CLI_DONE && printf("%.*s is in order.\n", STR_ARG(c->path)) < 0) {
        status = CLI_FAILED;
    }
    config_free(c);
    return status;
}

int config_show_cmd(const struct cli_args *args)
{
    struct config *c;
    struct buf text = BUF_INIT(1 << 22);
    int status = cli_load_config(args, &c);
    if (status != CLI_DONE) {
        return status;
    }
    (args->json ? config_show_json : config_show)(c, &text);
    status = cli_print(buf_str(&text));
    buf_release(&text);
    config_free(c);
    return status;
}

int config_sample_cmd(const struct cli_args *args)
{
    (void)args;
    struct buf text = BUF_INIT(1 << 22);
    config_sample(NULL, 0, &text);
    int status = cli_print(buf_str(&text));
    buf_release(&text);
    return status;
}
