/* SPDX-License-Identifier: Apache-2.0 */
/* What the judge of framing says of heads as libmicrohttpd leaves them in memory; the whole server is asked the same in
 * http_server_test.c and tests/adversary. */
#include "net/http_framing.h"

#include "base/buf.h"
#include "tests/support/test.h"

struct field {
    const char *name, *value;
};

struct head {
    const char *method, *target, *version; /* NULL: "POST", "/a?b=c", "HTTP/1.1" */
    struct field fields[5];
    const char *after_name, *line_end,
        *tail; /* bytes where "\0", "\0\0" and "\0\0" belong, see separator() */
};

/* '0' stands for a NUL, so that the table can be read; NULL is what a sound head has. */
static void separator(struct buf *b, const char *given, const char *sound)
{
    for (const char *p = given ? given : sound; *p; p++) {
        buf_add_char(b, *p == '0' ? '\0' : *p);
    }
}

static void add_cut(struct buf *b, const char *word, const char *sound)
{
    buf_add(b, str_c(word));
    separator(b, NULL, sound);
}

/* Writes the head and has it judged; the fields are told by where they stand. */
static struct http_framing judge(const struct head *h)
{
    struct buf b = BUF_INIT(4096);
    struct http_framing f;
    size_t names[5], values[5], n = 0;
    const char *method = h->method ? h->method : "POST", *target = h->target ? h->target : "/a?b=c";
    const char *version = h->version ? h->version : "HTTP/1.1";
    add_cut(&b, method, "0");
    add_cut(&b, target, "0");
    add_cut(&b, version, "00");
    for (; n < ARRAY_LEN(h->fields) && h->fields[n].name; n++) {
        names[n] = b.n;
        buf_add(&b, str_c(h->fields[n].name));
        separator(&b, h->after_name, "0 ");
        values[n] = b.n;
        buf_add(&b, str_c(h->fields[n].value));
        separator(&b, h->line_end, "00");
    }
    separator(&b, h->tail, "00");
    size_t at = strlen(method) + 1;
    http_framing_begin(
        &f, &(struct http_head){.bytes = buf_str(&b),
                                .target = str_c(target),
                                .target_at = b.p + at,
                                .version = str_n(b.p + at + strlen(target) + 1, strlen(version))});
    for (size_t i = 0; i < n; i++) {
        http_framing_field(&f, str_n(b.p + names[i], strlen(h->fields[i].name)),
                           str_n(b.p + values[i], strlen(h->fields[i].value)));
    }
    http_framing_end(&f);
    buf_release(&b);
    return f;
}

static void sound_heads_are_taken(void **state)
{
    (void)state;
    static const struct {
        struct head head;
        uint64_t length;
        bool is_chunked;
    } cases[] = {
        {{.fields = {{"Host", "a.example"}}}, 0, false},
        {{.fields = {{"Host", "[::1]:8448"}, {"Content-Length", "12"}}}, 12, false},
        {{.fields = {{"host", ""}, {"content-length", "007"}}}, 7, false},
        {{.fields = {{"Host", "a"}, {"Transfer-Encoding", "Chunked"}}}, 0, true},
        {{.fields = {{"Host", "a"}, {"X-Empty", ""}, {"X-High", "\xc3\xa9\tb"}}}, 0, false},
        {{.fields = {{"Host", "a"}}, .after_name = "0"}, 0, false},
        {{.fields = {{"Host", "a"}}, .after_name = "0 \t "}, 0, false},
        {{.version = "HTTP/1.0", .fields = {{"Content-Length", "1"}}}, 1, false},
        {{.method = "M-SEARCH", .target = "*", .fields = {{"Host", "a"}}}, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_framing f = judge(&cases[i].head);
        if (f.status != 0 || f.length != cases[i].length || f.is_chunked != cases[i].is_chunked) {
            fail_msg("case %zu: %d %s, length %llu", i, f.status, f.reason,
                     (unsigned long long)f.length);
        }
    }
}

static void what_two_readers_could_understand_differently_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct head head;
        int status;
    } cases[] = {
        {{.fields = {{"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}}}, 400},
        {{.fields = {{"Transfer-Encoding", "chunked"}, {"Content-Length", "1"}}}, 400},
        {{.fields = {{"Content-Length", "1"}, {"Content-Length", "2"}}}, 400},
        {{.fields = {{"Content-Length", "1"}, {"content-length", "1"}}}, 400},
        {{.fields = {{"Content-Length", ""}}}, 400},
        {{.fields = {{"Content-Length", "+1"}}}, 400},
        {{.fields = {{"Content-Length", "-1"}}}, 400},
        {{.fields = {{"Content-Length", "0x1"}}}, 400},
        {{.fields = {{"Content-Length", "1, 1"}}}, 400},
        {{.fields = {{"Content-Length", "1 "}}}, 400},
        {{.fields = {{"Content-Length", "18446744073709551616"}}}, 400},
        {{.fields = {{"Transfer-Encoding", "gzip, chunked"}}}, 501},
        {{.fields = {{"Transfer-Encoding", "x;q=\"1\",chunked"}}}, 501},
        {{.fields = {{"Transfer-Encoding", "chunked, gzip"}}}, 400},
        {{.fields = {{"Transfer-Encoding", "chunked, chunked"}}}, 400},
        {{.fields = {{"Transfer-Encoding", ", chunked"}}}, 400},
        {{.fields = {{"Transfer-Encoding", "chunked "}}}, 400},
        {{.fields = {{"Transfer-Encoding", "chunked;x=y"}}}, 400},
        {{.fields = {{"Transfer-Encoding", "xchunked"}}}, 400},
        {{.fields = {{"Transfer-Encoding", "identity"}}}, 400},
        {{.fields = {{"Transfer-Encoding", ""}}}, 400},
        {{.fields = {{"Transfer-Encoding", "\vchunked"}}}, 400},
        {{.fields = {{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}}, 400},
        {{.version = "HTTP/1.0", .fields = {{"Transfer-Encoding", "chunked"}}}, 400},
        {{.fields = {{"Host", "a"}, {"Host", "a"}}}, 400},
        {{.fields = {{"Host", "a b"}}}, 400},
        {{.fields = {{"Host", "a/b"}}}, 400},
        {{.fields = {{"Host", "me@a"}}}, 400},
        {{.fields = {{"Host ", "a"}}}, 400},
        {{.fields = {{"Ho\tst", "a"}}}, 400},
        {{.fields = {{"", "a"}}}, 400},
        {{.fields = {{"X\x80", "a"}}}, 400},
        {{.fields = {{"X", "a\rb"}}}, 400},
        {{.fields = {{"X", "a\x7f"}}}, 400},
        {{.fields = {{"X", "a"}}, .line_end = "0"}, 400},      /* a bare LF */
        {{.fields = {{"X", "a"}}, .line_end = "0b00"}, 400},   /* a NUL within */
        {{.fields = {{"X", "a"}}, .line_end = "000"}, 400},    /* a NUL at the end */
        {{.fields = {{"X", "a"}}, .line_end = "00 b00"}, 400}, /* folded */
        {{.fields = {{"X", "a"}}, .after_name = " 0"}, 400},   /* a blank before the colon */
        {{.fields = {{"X", "a"}}, .tail = "0"}, 400},
        {{.fields = {{"X", "a"}}, .tail = "0000"}, 400},
        {{.fields = {{"X", "a"}}, .tail = "Y0000"}, 400}, /* a field that is not told */
        {{.fields = {{"X", "a"}}, .tail = ""}, 400},
        {{.method = "GE T"}, 400},
        {{.method = ""}, 400},
        {{.method = "G\x01"}, 400},
        {{.version = "HTTP/1.1 "}, 400},
        {{.target = "/a b"}, 400},
        {{.target = "/a\rb"}, 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_framing f = judge(&cases[i].head);
        if (f.status != cases[i].status || !f.reason) {
            fail_msg("case %zu: %d instead of %d", i, f.status, cases[i].status);
        }
    }
}

/* The target and the version are not where the method and the target have ended. */
static void the_request_line_has_single_blanks(void **state)
{
    (void)state;
    static const char *const heads[] = {"GET\0 /a\0HTTP/1.1\0\0\0", "GET\0/a\0 HTTP/1.1\0\0\0",
                                        "GET\0/a\0\0HTTP/1.1\0\0\0"};
    static const size_t targets[] = {5, 4, 4}, versions[] = {8, 8, 8};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct http_framing f;
        http_framing_begin(&f, &(struct http_head){.bytes = str_n(heads[i], 20),
                                                   .target = STR("/a"),
                                                   .target_at = heads[i] + targets[i],
                                                   .version = str_n(heads[i] + versions[i], 8)});
        assert_int_equal(http_framing_end(&f), 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sound_heads_are_taken),
        TEST(what_two_readers_could_understand_differently_is_refused),
        TEST(the_request_line_has_single_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
