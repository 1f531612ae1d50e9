/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/ids.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c)
{
    return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* Character classes of the grammars. */
static bool is_user_char(char c)
{
    return is_lower(c) || is_digit(c) || (c && strchr("._=/+-", c));
}

static bool is_dns_char(char c)
{
    return is_alnum(c) || c == '-' || c == '.';
}

static bool is_ipv6_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}

static bool is_media_id_char(char c)
{
    return is_alnum(c) || c == '-' || c == '_';
}

static bool is_namespaced_char(char c)
{
    return is_lower(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
}

static bool is_version_char(char c)
{
    return is_lower(c) || is_digit(c) || c == '-' || c == '.';
}

static bool all_are(struct str s, bool (*is_one)(char))
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_one(s.p[i])) {
            return false;
        }
    }
    return true;
}

static bool has_length(struct str s, size_t min, size_t max)
{
    return s.n >= min && s.n <= max;
}

/* Four numbers of 0 to 255. What only looks like that ("1.2.3.256") is a legal DNS name by the grammar. */
static bool is_ipv4(struct str host)
{
    struct str rest = host;
    for (int i = 0; i < 4; i++) {
        struct str number;
        uint64_t value;
        if (str_split(rest, '.', &number, &rest) != (i < 3) || !has_length(number, 1, 3) ||
            !str_to_u64(number, &value) || value > 255) {
            return false;
        }
    }
    return true;
}

static bool parse_port(struct str text, uint16_t *out)
{
    uint64_t port;
    if (!has_length(text, 1, 5) || !all_are(text, is_digit) || !str_to_u64(text, &port) ||
        port > UINT16_MAX) {
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

static bool parse_ipv6(struct str text, struct server_name *name, struct str *rest)
{
    ptrdiff_t close = str_chr(text, ']');
    if (close < 0) {
        return false;
    }
    name->host = str_n(text.p + 1, (size_t)close - 1);
    name->kind = HOST_IPV6;
    *rest = str_from(text, (size_t)close + 1);
    return has_length(name->host, 2, 45) && all_are(name->host, is_ipv6_char);
}

static bool parse_host(struct str text, struct server_name *name, struct str *rest)
{
    ptrdiff_t colon = str_chr(text, ':');
    name->host = colon < 0 ? text : str_n(text.p, (size_t)colon);
    *rest = str_from(text, name->host.n);
    name->kind = is_ipv4(name->host) ? HOST_IPV4 : HOST_NAME;
    return has_length(name->host, 1, ID_MAX_BYTES) && all_are(name->host, is_dns_char);
}

bool server_name_parse(struct str text, struct server_name *out)
{
    struct server_name name = {0};
    struct str rest;
    bool is_v6 = text.n > 0 && text.p[0] == '[';
    if (!(is_v6 ? parse_ipv6(text, &name, &rest) : parse_host(text, &name, &rest))) {
        return false;
    }
    if (rest.n > 0 && (rest.p[0] != ':' || !parse_port(str_from(rest, 1), &name.port))) {
        return false;
    }
    *out = name;
    return true;
}

bool server_name_is_valid(struct str text)
{
    struct server_name name;
    return server_name_parse(text, &name);
}

/* Sigil, size, UTF-8 without NUL; splits at the first ':', which no local part can contain. */
static bool parse_id(struct str text, char sigil, struct matrix_id *out)
{
    if (!has_length(text, 1, ID_MAX_BYTES) || text.p[0] != sigil || str_chr(text, '\0') >= 0 ||
        !str_is_utf8(text)) {
        return false;
    }
    struct matrix_id id = {.full = text};
    if (str_split(str_from(text, 1), ':', &id.local, &id.domain) &&
        !server_name_is_valid(id.domain)) {
        return false;
    }
    *out = id;
    return true;
}

bool user_id_parse(struct str text, struct matrix_id *out)
{
    struct matrix_id id;
    if (!parse_id(text, '@', &id) || id.domain.n == 0) {
        return false;
    }
    *out = id;
    return true;
}

bool user_id_is_strict(const struct matrix_id *id)
{
    return id->local.n > 0 && all_are(id->local, is_user_char);
}

bool user_localpart_is_valid(struct str local, struct str server)
{
    return local.n > 0 && all_are(local, is_user_char) && local.n + server.n + 2 <= ID_MAX_BYTES;
}

struct str user_localpart_lower(struct arena *a, struct str local)
{
    char *lower = arena_cstr(a, local);
    for (size_t i = 0; i < local.n; i++) {
        lower[i] = lower[i] >= 'A' && lower[i] <= 'Z' ? (char)(lower[i] + ('a' - 'A')) : lower[i];
    }
    return str_n(lower, local.n);
}

bool room_id_parse(struct str text, struct matrix_id *out)
{
    struct matrix_id id;
    if (!parse_id(text, '!', &id) || id.local.n + id.domain.n == 0) {
        return false;
    }
    *out = id;
    return true;
}

bool room_alias_parse(struct str text, struct matrix_id *out)
{
    struct matrix_id id;
    if (!parse_id(text, '#', &id) || id.local.n == 0 || id.domain.n == 0) {
        return false;
    }
    *out = id;
    return true;
}

bool event_id_parse(struct str text, struct matrix_id *out)
{
    struct matrix_id id;
    if (!parse_id(text, '$', &id) || id.local.n + id.domain.n == 0) {
        return false;
    }
    *out = id;
    return true;
}

struct str id_domain(struct str id)
{
    struct str local, domain;
    return str_split(id, ':', &local, &domain) ? domain : STR_NONE;
}

struct str user_id_make(struct arena *a, struct str local, struct str domain)
{
    return ARENA_CONCAT(a, STR("@"), local, STR(":"), domain);
}

bool mxc_parse(struct str uri, struct str *out_server, struct str *out_media_id)
{
    struct str server, media_id;
    if (!str_starts(uri, STR("mxc://")) || !str_split(str_from(uri, 6), '/', &server, &media_id) ||
        !server_name_is_valid(server) || !has_length(media_id, 1, ID_MAX_BYTES) ||
        !all_are(media_id, is_media_id_char)) {
        return false;
    }
    *out_server = server;
    *out_media_id = media_id;
    return true;
}

bool namespaced_id_is_valid(struct str text)
{
    return has_length(text, 1, ID_MAX_BYTES) && is_lower(text.p[0]) &&
           all_are(text, is_namespaced_char);
}

bool room_version_id_is_valid(struct str text)
{
    return has_length(text, 1, ROOM_VERSION_MAX_LEN) && all_are(text, is_version_char);
}

static bool is_errcode(struct str s)
{
    bool ok = s.n > 0 && s.n < 100;
    for (size_t i = 0; ok && i < s.n; i++) {
        char c = s.p[i];
        ok = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    }
    return ok;
}

struct str errcode_passed_on(struct str errcode)
{
    static const char *const of_session[] = {"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_LOCKED"};
    for (size_t i = 0; i < ARRAY_LEN(of_session); i++) {
        if (str_eq(errcode, str_c(of_session[i]))) {
            return STR("M_FORBIDDEN");
        }
    }
    return is_errcode(errcode) ? errcode : STR_NONE;
}
