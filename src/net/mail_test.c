/* SPDX-License-Identifier: Apache-2.0 */
/* What letters look like, byte by byte. That relays take them: tests/api/mail.test.mjs, with a real one. */
#include "net/mail.h"
#include "tests/support/test.h"

static struct mail letter(void)
{
    return (struct mail){.from = STR("ingot@example.org"),
                         .from_name = STR("Ingot"),
                         .to = STR("bob@example.com"),
                         .subject = STR("Hello"),
                         .text = STR("One\nTwo\n")};
}

static void expect(const struct mail *m, const char *part)
{
    struct buf out = BUF_INIT(1 << 16);
    mail_format(m, STR("id"), 1700000000000, &out);
    if (str_find(buf_str(&out), str_c(part)) < 0) {
        fail_msg("no \"%s\" in:\n%.*s", part, STR_ARG(buf_str(&out)));
    }
    buf_release(&out);
}

static void a_plain_letter_has_the_fields_that_relays_want(void **state)
{
    (void)state;
    const struct mail m = letter();
    expect(&m, "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
               "From: \"Ingot\" <ingot@example.org>\r\nTo: <bob@example.com>\r\n"
               "Subject: Hello\r\nMessage-ID: <id@example.org>\r\nMIME-Version: 1.0\r\n"
               "Auto-Submitted: auto-generated\r\n"
               "Content-Type: text/plain; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\nOne\r\nTwo\r\n");
}

static void html_is_an_alternative_to_the_text(void **state)
{
    (void)state;
    struct mail m = letter();
    m.html = STR("<p class=\"a\">x</p>");
    m.unsubscribe_url = STR("https://example.org/stop?t=1");
    expect(&m, "Content-Type: multipart/alternative; boundary=\"=_id\"\r\n\r\n--=_id\r\n"
               "Content-Type: text/plain");
    expect(&m, "\r\n--=_id\r\nContent-Type: text/html; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n<p class=3D\"a\">x</p>\r\n"
               "--=_id--\r\n");
    expect(&m, "List-Unsubscribe: <https://example.org/stop?t=1>\r\n"
               "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
}

static void no_text_can_add_a_header(void **state)
{
    (void)state;
    struct mail m = letter();
    m.subject = STR("Hi\r\nBcc: eve@example.net");
    m.from_name = STR("A\nB");
    expect(&m, "From: =?utf-8?B?QSBC?= <ingot@example.org>\r\n");
    expect(&m, "Subject: =?utf-8?B?SGkgIEJjYzogZXZlQGV4YW1wbGUubmV0?=\r\nMessage-ID");
}

static void letters_outside_of_ascii_are_encoded_in_whole_characters(void **state)
{
    (void)state;
    struct mail m = letter();
    m.subject = STR("Grüße");
    m.text = STR("f\xC3\xBCr = 1 \n.\n");
    expect(&m, "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n");
    expect(&m, "f=C3=BCr =3D 1=20\r\n.\r\n");
    /* 23 characters of two bytes: 22 are 44 bytes, and no character is cut. */
    m.subject = STR("üüüüüüüüüüüüüüüüüüüüüüü");
    expect(&m, "w7w=?=\r\n =?utf-8?B?w7w=?=\r\n");
}

static void long_lines_are_folded(void **state)
{
    (void)state;
    struct mail m = letter();
    char text[201];
    memset(text, 'a', 200);
    text[200] = '\0';
    m.text = str_c(text);
    memset(text + 75, 'a', 125);
    char folded[90];
    memset(folded, 'a', 75);
    memcpy(folded + 75, "=\r\na", 5);
    expect(&m, folded);
}

static void addresses_have_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* NULL: no address */
    } rows[] = {
        {"Bob@Example.COM", "bob@example.com"},
        {"a.b+c@x-y.org", "a.b+c@x-y.org"},
        {"root@localhost", "root@localhost"},
        {"", NULL},
        {"bob", NULL},
        {"@example.org", NULL},
        {"bob@", NULL},
        {"bob@@example.org", NULL},
        {"a@b@example.org", NULL},
        {".a@example.org", NULL},
        {"a.@example.org", NULL},
        {"a..b@example.org", NULL},
        {"a@example..org", NULL},
        {"a@.org", NULL},
        {"a b@example.org", NULL},
        {"Bob <bob@example.org>", NULL},
        {"\"a b\"@example.org", NULL},
        {"a@example.org\r\nRCPT TO:<b@example.org>", NULL},
        {"a@exam_ple.org", NULL},
        {"\xC3\xBC@example.org", NULL},
        {"0123456789012345678901234567890123456789012345678901234567890123x@example.org", NULL},
    };
    struct arena a;
    struct str out;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_one = mail_address_parse(&a, str_c(rows[i].in), &out);
        if (is_one != (rows[i].out != NULL)) {
            fail_msg("%s", rows[i].in);
        }
        if (is_one) {
            assert_str(out, rows[i].out);
        }
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_letter_has_the_fields_that_relays_want),
        TEST(html_is_an_alternative_to_the_text),
        TEST(no_text_can_add_a_header),
        TEST(letters_outside_of_ascii_are_encoded_in_whole_characters),
        TEST(long_lines_are_folded),
        TEST(addresses_have_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
