/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a web page holds, what is read out of it is lines of a key and a value in UTF-8, within their bounds. */
#include "media/page_read.h"
#include "fuzz/fuzz.h"

static void check_lines(struct str facts)
{
    bug_on(facts.n > PAGE_FACTS_MAX || !str_is_utf8(facts));
    while (facts.n > 0) {
        struct str line, key, value;
        bug_on(!str_split(facts, '\n', &line, &facts));
        bug_on(!str_split(line, '\t', &key, &value) || key.n == 0 || value.n == 0);
        for (size_t i = 0; i < value.n; i++) {
            bug_on((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const charsets[] = {"",          "utf-8", "windows-1252",
                                           "shift_jis", "gbk",   "utf-16"};
    static bool is_ready;
    static char out[PAGE_FACTS_MAX];
    if (!is_ready) {
        page_read_init();
        is_ready = true;
    }
    struct str input = fuzz_input(data, size);
    const char *charset = charsets[size % ARRAY_LEN(charsets)];
    check_lines(str_n(out, page_read(input.p, input.n, charset, out)));
    check_lines(str_n(out, page_read_plain(input.p, input.n, charset, out)));
    return 0;
}
