/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "wire/regex.h"

#include <pcre2.h>

enum {
    STEPS_MAX = 100000,  /* a match of an id takes some hundred */
    DEPTH_MAX = 1000,    /* of backtracking */
    HEAP_MAX_KB = 1024,  /* for it */
    PATTERN_MAX = 65536, /* bytes once compiled */
};

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits;
};

static int refuse(struct err *err, int code, size_t at)
{
    PCRE2_UCHAR why[128] = "";
    (void)pcre2_get_error_message(code, why, sizeof(why));
    return err_set(err, E_INVALID, 0, NULL, "%s, at character %zu", (const char *)why, at + 1);
}

int regex_new(struct str pattern, struct regex **out, struct err *err)
{
    const uint32_t flags = PCRE2_ANCHORED | PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    int why;
    size_t at;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    bug_on(!context || pcre2_set_max_pattern_length(context, PATTERN_MAX) != 0);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)(pattern.p ? pattern.p : ""), pattern.n, flags,
                                     &why, &at, context);
    pcre2_compile_context_free(context);
    if (!code) {
        return refuse(err, why, at);
    }
    struct regex *re = xcalloc(1, sizeof(*re));
    re->code = code;
    re->limits = pcre2_match_context_create(NULL);
    bug_on(!re->limits);
    (void)pcre2_set_match_limit(re->limits, STEPS_MAX);
    (void)pcre2_set_depth_limit(re->limits, DEPTH_MAX);
    (void)pcre2_set_heap_limit(re->limits, HEAP_MAX_KB);
    *out = re;
    return 0;
}

void regex_free(struct regex *re)
{
    if (re) {
        pcre2_match_context_free(re->limits);
        pcre2_code_free(re->code);
        free(re);
    }
}

bool regex_matches(const struct regex *re, struct str text)
{
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    bug_on(!found);
    int n =
        pcre2_match(re->code, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, 0, found, re->limits);
    pcre2_match_data_free(found);
    return n >= 0;
}
