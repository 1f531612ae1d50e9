/* SPDX-License-Identifier: Apache-2.0 */
/* A message as bytes: header fields (RFC 5322, 2047), a body of text and HTML (RFC 2045, 2046). */
#include <time.h>

#include "net/mail.h"
#include "wire/base64.h"

enum {
    LINE_MAX_OUT = 76,   /* of quoted-printable and of encoded words */
    WORD_BYTES_MAX = 45, /* 60 characters of base64 and "=?utf-8?B??=" */
};

/* ---- addresses -------------------------------------------------------------------------------- */

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Words of letters, digits and `marks` with single dots between them. */
static bool is_dotted(struct str s, const char *marks)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_dot = c == '.' && i > 0 && i + 1 < s.n && s.p[i - 1] != '.';
        if (!is_letter_or_digit(c) && !is_dot && (c == '\0' || !strchr(marks, c))) {
            return false;
        }
    }
    return s.n > 0;
}

bool mail_address_parse(struct arena *a, struct str text, struct str *out)
{
    enum { LOCAL_MAX = 64 };
    struct str local, domain;
    if (text.n > MAIL_ADDRESS_MAX || !str_split(text, '@', &local, &domain) ||
        local.n > LOCAL_MAX || !is_dotted(local, "!#$%&'*+-/=?^_`{|}~") ||
        !is_dotted(domain, "-")) {
        return false;
    }
    char *low = arena_cstr(a, text);
    for (size_t i = 0; i < text.n; i++) {
        low[i] = low[i] >= 'A' && low[i] <= 'Z' ? (char)(low[i] - 'A' + 'a') : low[i];
    }
    *out = str_n(low, text.n);
    return true;
}

/* ---- header fields ---------------------------------------------------------------------------- */

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~') {
            return false;
        }
    }
    return s.n <= LINE_MAX_OUT && str_find(s, STR("=?")) < 0;
}

/* Bytes of whole characters at the start of s, at most `most`. */
static size_t whole_characters(struct str s, size_t most)
{
    size_t n = MIN(s.n, most);
    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80) {
        n--;
    }
    return n ? n : MIN(s.n, most);
}

/* Control characters become spaces, since a reader that decodes first and shows afterwards must not see them either. */
static void add_encoded_word(struct buf *out, struct str s)
{
    char word[WORD_BYTES_MAX], encoded[WORD_BYTES_MAX * 4 / 3 + 1];
    for (size_t i = 0; i < s.n; i++) {
        word[i] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? ' ' : s.p[i];
    }
    size_t n = base64_encode_to(encoded, str_n(word, s.n), 0);
    buf_add(out, STR("=?utf-8?B?"));
    buf_add(out, str_n(encoded, n));
    buf_add(out, str_n("==", (4 - n % 4) % 4));
    buf_add(out, STR("?="));
}

/* RFC 2047: words with a line break between them. */
static void add_encoded_words(struct buf *out, struct str s)
{
    while (s.n > 0) {
        size_t n = whole_characters(s, WORD_BYTES_MAX);
        add_encoded_word(out, str_n(s.p, n));
        s = str_from(s, n);
        if (s.n > 0) {
            buf_add(out, STR("\r\n "));
        }
    }
}

static void add_text(struct buf *out, struct str s)
{
    if (is_plain(s)) {
        buf_add(out, s);
    } else {
        add_encoded_words(out, s);
    }
}

/* A name before an address: quoted where RFC 5322 wants it. */
static void add_name(struct buf *out, struct str s)
{
    if (!is_plain(s)) {
        add_encoded_words(out, s);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') {
            buf_add_char(out, '\\');
        }
        buf_add_char(out, s.p[i]);
    }
    buf_add_char(out, '"');
}

static void add_date(struct buf *out, int64_t wall_ms)
{
    char text[64];
    struct tm tm;
    time_t seconds = (time_t)(wall_ms / 1000);
    size_t n = strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&seconds, &tm));
    buf_add(out, str_n(text, n));
}

static void add_head(struct buf *out, const struct mail *m, struct str id, int64_t wall_ms)
{
    struct str local, domain;
    str_split(m->from, '@', &local, &domain);
    buf_add(out, STR("Date: "));
    add_date(out, wall_ms);
    buf_add(out, STR("\r\nFrom: "));
    if (m->from_name.n > 0) {
        add_name(out, m->from_name);
        buf_add_char(out, ' ');
    }
    buf_printf(out, "<%.*s>\r\nTo: <%.*s>\r\nSubject: ", STR_ARG(m->from), STR_ARG(m->to));
    add_text(out, m->subject);
    buf_printf(out, "\r\nMessage-ID: <%.*s@%.*s>\r\nMIME-Version: 1.0\r\n", STR_ARG(id),
               STR_ARG(domain));
    /* RFC 3834: holiday replies would go to a machine. */
    buf_add(out, STR("Auto-Submitted: auto-generated\r\n"));
    if (m->unsubscribe_url.n > 0) {
        buf_printf(out,
                   "List-Unsubscribe: <%.*s>\r\n"
                   "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
                   STR_ARG(m->unsubscribe_url));
    }
}

/* ---- bodies ----------------------------------------------------------------------------------- */

/* RFC 2045, quoted-printable; any line end becomes CR LF. */
static void add_quoted_printable(struct buf *out, struct str s)
{
    size_t column = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n') {
            continue;
        }
        if (c == '\n') {
            buf_add(out, STR("\r\n"));
            column = 0;
            continue;
        }
        bool at_end = i + 1 == s.n || s.p[i + 1] == '\n' || s.p[i + 1] == '\r';
        bool is_plain_char = (c > ' ' && c <= '~' && c != '=') || (c == ' ' && !at_end);
        size_t width = is_plain_char ? 1 : 3;
        if (column + width > LINE_MAX_OUT - 1) {
            buf_add(out, STR("=\r\n"));
            column = 0;
        }
        if (is_plain_char) {
            buf_add_char(out, (char)c);
        } else {
            buf_printf(out, "=%02X", c);
        }
        column += width;
    }
    buf_add(out, STR("\r\n"));
}

static void add_part(struct buf *out, const char *type, struct str body)
{
    buf_printf(out,
               "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: "
               "quoted-printable\r\n\r\n",
               type);
    add_quoted_printable(out, body);
}

/* The boundary holds "=_", which quoted-printable never makes. */
static void add_alternatives(struct buf *out, const struct mail *m, struct str id)
{
    buf_printf(out, "Content-Type: multipart/alternative; boundary=\"=_%.*s\"\r\n\r\n",
               STR_ARG(id));
    buf_printf(out, "--=_%.*s\r\n", STR_ARG(id));
    add_part(out, "text/plain", m->text);
    buf_printf(out, "--=_%.*s\r\n", STR_ARG(id));
    add_part(out, "text/html", m->html);
    buf_printf(out, "--=_%.*s--\r\n", STR_ARG(id));
}

void mail_format(const struct mail *m, struct str id, int64_t wall_ms, struct buf *out)
{
    add_head(out, m, id, wall_ms);
    if (m->html.n > 0) {
        add_alternatives(out, m, id);
    } else {
        add_part(out, "text/plain", m->text);
    }
}
