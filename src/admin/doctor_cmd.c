/* SPDX-License-Identifier: Apache-2.0 */
/* `ingot doctor` */
#include "admin/commands.h"
#include "admin/doctor_check.h"
#include "wire/json_writer.h"

static const char *const finding_words[] = {
    [FINDING_OK] = "ok",
    [FINDING_WARNING] = "warning",
    [FINDING_FAILURE] = "failure",
};

static void write_text(const struct check_result *r, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++, r++) {
        buf_printf(out, "%-8s %-15s %.*s\n", finding_words[r->finding], r->topic,
                   STR_ARG(r->found));
        if (r->advice.n > 0) {
            buf_printf(out, "%-8s %-15s -> %.*s\n", "", "", STR_ARG(r->advice));
        }
    }
}

static void write_json(const struct check_result *r, size_t n, struct buf *out)
{
    struct json_writer w = jw_over(out);
    jw_array(&w);
    for (size_t i = 0; i < n; i++, r++) {
        jw_object(&w);
        JW_STR(&w, "topic", str_c(r->topic));
        JW_STR(&w, "finding", str_c(finding_words[r->finding]));
        JW_STR(&w, "found", r->found);
        JW_STR(&w, "advice", r->advice);
        jw_end(&w);
    }
    jw_end(&w);
    buf_add_char(out, '\n');
}

int doctor_cmd(const struct cli_args *args)
{
    struct arena arena;
    struct config *c;
    const struct check_result *results;
    size_t n, failures = 0;
    struct buf text = BUF_INIT(1 << 20);
    int status = cli_load_config(args, &c);
    if (status != CLI_DONE) {
        return status;
    }
    arena_init(&arena, 0);
    doctor_check(c, &arena, &results, &n);
    for (size_t i = 0; i < n; i++) {
        failures += results[i].finding == FINDING_FAILURE;
    }
    (args->json ? write_json : write_text)(results, n, &text);
    status = cli_print(buf_str(&text));
    buf_release(&text);
    arena_release(&arena);
    config_free(c);
    return status == CLI_DONE && failures > 0 ? CLI_FAILED : status;
}
