/* SPDX-License-Identifier: Apache-2.0 */
#include "media/page_charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define LABEL_MAX     40
#define PRESCAN_BYTES 1024

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* By the C library's names. A page may also call them so. */
static struct converter {
    const char *name;
    iconv_t cd;
} converters[] = {
    {"windows-1250", 0}, {"windows-1251", 0}, {"windows-1252", 0}, {"windows-1253", 0},
    {"windows-1254", 0}, {"windows-1255", 0}, {"windows-1256", 0}, {"windows-1257", 0},
    {"windows-1258", 0}, {"iso-8859-2", 0},   {"iso-8859-3", 0},   {"iso-8859-4", 0},
    {"iso-8859-5", 0},   {"iso-8859-6", 0},   {"iso-8859-7", 0},   {"iso-8859-8", 0},
    {"iso-8859-10", 0},  {"iso-8859-13", 0},  {"iso-8859-14", 0},  {"iso-8859-15", 0},
    {"iso-8859-16", 0},  {"koi8-r", 0},       {"koi8-u", 0},       {"macintosh", 0},
    {"ibm866", 0},       {"cp874", 0},        {"gb18030", 0},      {"big5-hkscs", 0},
    {"euc-jp", 0},       {"iso-2022-jp", 0},  {"cp932", 0},        {"cp949", 0},
    {"utf-16le", 0},     {"utf-16be", 0},
};

/* What browsers take other names for (the "labels" of the Encoding standard). */
static const struct {
    const char *label, *name;
} aliases[] = {
    {"iso-8859-1", "windows-1252"},
    {"iso8859-1", "windows-1252"},
    {"latin1", "windows-1252"},
    {"us-ascii", "windows-1252"},
    {"ascii", "windows-1252"},
    {"cp1252", "windows-1252"},
    {"cp1251", "windows-1251"},
    {"cp1250", "windows-1250"},
    {"iso-8859-9", "windows-1254"},
    {"latin5", "windows-1254"},
    {"latin2", "iso-8859-2"},
    {"iso-8859-8-i", "iso-8859-8"},
    {"gb2312", "gb18030"},
    {"gbk", "gb18030"},
    {"x-gbk", "gb18030"},
    {"big5", "big5-hkscs"},
    {"shift_jis", "cp932"},
    {"shift-jis", "cp932"},
    {"sjis", "cp932"},
    {"x-sjis", "cp932"},
    {"windows-31j", "cp932"},
    {"x-euc-jp", "euc-jp"},
    {"euc-kr", "cp949"},
    {"ks_c_5601-1987", "cp949"},
    {"korean", "cp949"},
    {"iso-8859-11", "cp874"},
    {"tis-620", "cp874"},
    {"windows-874", "cp874"},
    {"cp866", "ibm866"},
    {"mac", "macintosh"},
    {"x-mac-roman", "macintosh"},
    {"utf-16", "utf-16le"},
};

void page_charset_init(void)
{
    for (size_t i = 0; i < COUNT(converters); i++) {
        converters[i].cd = iconv_open("UTF-8", converters[i].name);
    }
}

static const struct converter *find(const char *label)
{
    for (size_t i = 0; i < COUNT(aliases); i++) {
        if (strcasecmp(label, aliases[i].label) == 0) {
            label = aliases[i].name;
            break;
        }
    }
    for (size_t i = 0; i < COUNT(converters); i++) {
        if (strcasecmp(label, converters[i].name) == 0) {
            return converters[i].cd != (iconv_t)-1 ? &converters[i] : NULL;
        }
    }
    return NULL;
}

/* ---- UTF-8 ---- */

/* How long the character is that begins with this byte; 0: none does. */
static size_t lead_len(unsigned char c)
{
    if (c < 0x80) {
        return 1;
    }
    return c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

static bool are_trailing(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

/* Bytes of the character at p, 0 if there is none: no overlong forms, no surrogates, nothing past U+10FFFF. */
static size_t char_len(const unsigned char *p, size_t n)
{
    size_t len = lead_len(p[0]);
    if (len == 0 || len > n || !are_trailing(p + 1, len - 1)) {
        return 0;
    }
    bool is_bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                  (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    return is_bad ? 0 : len;
}

/* Whether it is UTF-8; the last character may be cut off, as the page may be. */
static bool is_utf8(const char *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes, *end = p + n;
    while (p < end) {
        size_t len = char_len(p, (size_t)(end - p));
        if (len == 0) {
            return lead_len(*p) > (size_t)(end - p) && are_trailing(p + 1, (size_t)(end - p) - 1);
        }
        p += len;
    }
    return true;
}

static char *clean_utf8(const char *bytes, size_t n, size_t *out_n)
{
    char *out = malloc(3 * n + 1);
    size_t m = 0;
    for (size_t i = 0; out && i < n;) {
        size_t len = bytes[i] ? char_len((const unsigned char *)bytes + i, n - i) : 0;
        const char *from = len ? bytes + i : replacement;
        memcpy(out + m, from, len ? len : 3);
        m += len ? len : 3;
        i += len ? len : 1;
    }
    *out_n = out ? m : 0;
    return out;
}

/* ---- others ---- */

/* What cannot be converted becomes U+FFFD. No character takes more bytes in UTF-8 than four for each of its own. */
static char *convert(const struct converter *c, const char *bytes, size_t n, size_t *out_n)
{
    size_t room = 4 * n + 16, left = n;
    char *raw = malloc(room), *to = raw, *from = (char *)bytes;
    (void)iconv(c->cd, NULL, NULL, NULL, NULL);
    while (raw && left > 0 && iconv(c->cd, &from, &left, &to, &room) == (size_t)-1) {
        if (errno != EILSEQ || room < 3) {
            break; /* the last character is cut off */
        }
        memcpy(to, replacement, 3);
        to += 3;
        room -= 3;
        from++;
        left--;
    }
    char *out = raw ? clean_utf8(raw, (size_t)(to - raw), out_n) : NULL;
    free(raw);
    return out;
}

/* ---- which ---- */

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
        p++;
    }
    return p;
}

/* The value behind "charset =", or false. */
static bool read_label(const char *p, const char *end, char label[LABEL_MAX])
{
    size_t n = 0;
    p = skip_blanks(p, end);
    if (p == end || *p != '=') {
        return false;
    }
    p = skip_blanks(p + 1, end);
    p += p < end && (*p == '"' || *p == '\'');
    while (p + n < end && n < LABEL_MAX - 1 && !strchr(" \t\r\n\"';>/", p[n])) {
        n++;
    }
    memcpy(label, p, n);
    label[n] = '\0';
    return n > 0;
}

static bool prescan(const char *bytes, size_t n, char label[LABEL_MAX])
{
    static const char word[] = "charset";
    const char *end = bytes + (n < PRESCAN_BYTES ? n : PRESCAN_BYTES);
    for (const char *p = bytes; end - p > (ptrdiff_t)sizeof(word); p++) {
        if (strncasecmp(p, word, sizeof(word) - 1) == 0 &&
            read_label(p + sizeof(word) - 1, end, label)) {
            return true;
        }
    }
    return false;
}

static const char *from_mark(const char *bytes, size_t n)
{
    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        return "utf-8";
    }
    if (n >= 2 && memcmp(bytes, "\xff\xfe", 2) == 0) {
        return "utf-16le";
    }
    return n >= 2 && memcmp(bytes, "\xfe\xff", 2) == 0 ? "utf-16be" : NULL;
}

static bool names_utf8(const char *label)
{
    return strcasecmp(label, "utf-8") == 0 || strcasecmp(label, "utf8") == 0;
}

char *page_charset_to_utf8(const char *bytes, size_t n, const char *declared, size_t *out_n)
{
    char label[LABEL_MAX] = "";
    const char *mark = from_mark(bytes, n);
    const char *name = mark ? mark : declared;
    if (!names_utf8(name) && !find(name) && prescan(bytes, n, label)) {
        /* A page whose <meta> could be read is not in UTF-16, whatever that says. */
        name = strncasecmp(label, "utf-16", 6) == 0 ? "utf-8" : label;
    }
    const struct converter *c = names_utf8(name) ? NULL : find(name);
    if (!c && !names_utf8(name) && !is_utf8(bytes, n)) {
        c = find("windows-1252");
    }
    return c ? convert(c, bytes, n, out_n) : clean_utf8(bytes, n, out_n);
}
