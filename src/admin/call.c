/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/call.h"

#include "admin/operations.h"
#include "base/log.h"
#include "core/config.h"

int call_begin(struct call *c, const struct cli_args *args)
{
    *c = (struct call){.arguments = BUF_INIT(1 << 16)};
    int status = cli_load_config(args, &c->config);
    if (status != CLI_DONE) {
        return status;
    }
    log_setup(LOG_WARN, LOG_TEXT);
    c->w = jw_over(&c->arguments);
    jw_object(&c->w);
    return CLI_DONE;
}

void call_end(struct call *c)
{
    buf_release(&c->arguments);
    arena_release(&c->arena);
    config_free(c->config);
}

int call_run(struct call *c, const char *operation)
{
    jw_end(&c->w);
    int rc = operation_call(c->config, &c->arena, operation, buf_str(&c->arguments), &c->result,
                            &c->err);
    return rc == 0 ? CLI_DONE : cli_fail_err(&c->err);
}

int call_print_json(struct call *c)
{
    struct str text = json_encode(&c->arena, c->result);
    return cli_print(ARENA_CONCAT(&c->arena, text, STR("\n")));
}
