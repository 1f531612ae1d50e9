/* SPDX-License-Identifier: Apache-2.0 */
/* From YAML values to the members of struct config, by the rows of a key table. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/vec.h"
#include "core/config_internal.h"

#define SECRET_FILE_MAX 65536

int config_fail(struct config_reader *r, int line, const char *fmt, ...)
{
    char what[200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return line > 0 ? err_set(r->err, E_INVALID, 0, NULL, "line %d: %s", line, what)
                    : err_set(r->err, E_INVALID, 0, NULL, "%s", what);
}

int config_go_on(struct config_reader *r, int rc)
{
    if (rc == 0 || !r->findings) {
        return rc;
    }
    vec_push(&r->findings->v, arena_str(r->arena, str_c(r->err->message)));
    return 0;
}

/* ---- numbers ---------------------------------------------------------------------------------- */

struct unit {
    struct str name;
    int64_t factor;
};
static const struct unit size_units[] = {
    {STR_INIT(""), 1},          {STR_INIT("K"), 1 << 10},   {STR_INIT("M"), 1 << 20},
    {STR_INIT("G"), 1LL << 30}, {STR_INIT("T"), 1LL << 40}, {STR_NONE, 0},
};
static const struct unit duration_units[] = {
    {STR_INIT("ms"), 1},      {STR_INIT("s"), 1000},     {STR_INIT("m"), 60000},
    {STR_INIT("h"), 3600000}, {STR_INIT("d"), 86400000}, {STR_NONE, 0},
};

static bool with_unit(struct str text, const struct unit *units, int64_t *out)
{
    size_t digits = 0;
    int64_t n;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9') {
        digits++;
    }
    if (!str_to_i64(str_n(text.p, digits), &n)) {
        return false;
    }
    for (const struct unit *u = units; u->factor > 0; u++) {
        bool is_it = str_eq_nocase(str_from(text, digits), u->name);
        if ((is_it || (n == 0 && digits == text.n)) && !__builtin_mul_overflow(n, u->factor, out)) {
            return true;
        }
    }
    return false;
}

bool config_size_parse(struct str text, int64_t *out)
{
    return with_unit(text, size_units, out);
}

bool config_duration_parse(struct str text, int64_t *out)
{
    return with_unit(text, duration_units, out);
}

static bool in_bounds(const struct config_key *key, double v)
{
    return v >= (double)key->min && (key->max == 0 || v <= (double)key->max);
}

static int out_of_bounds(struct config_reader *r, const struct config_key *key, int line)
{
    return key->max == 0
               ? config_fail(r, line, "%s must be at least %lld", key->path, (long long)key->min)
               : config_fail(r, line, "%s must be from %lld to %lld", key->path,
                             (long long)key->min, (long long)key->max);
}

static int read_integer(struct config_reader *r, const struct config_key *key,
                        const struct yaml_value *v, int64_t *out)
{
    enum config_type type = config_key_type(key);
    int64_t n;
    if (type == CONFIG_INT && !str_to_i64(v->text, &n)) {
        return config_fail(r, v->line, "%s must be a whole number", key->path);
    }
    if (type == CONFIG_SIZE && !config_size_parse(v->text, &n)) {
        return config_fail(r, v->line, "%s must be a size such as 64K, 50M or 1G", key->path);
    }
    if (type == CONFIG_DURATION && !config_duration_parse(v->text, &n)) {
        return config_fail(r, v->line, "%s must be a time with a unit: 500ms, 20s, 5m, 24h, 7d",
                           key->path);
    }
    if (!in_bounds(key, (double)n)) {
        return out_of_bounds(r, key, v->line);
    }
    *out = n;
    return 0;
}

static int read_real(struct config_reader *r, const struct config_key *key,
                     const struct yaml_value *v, double *out)
{
    char z[32], *end;
    (void)snprintf(z, sizeof(z), "%.*s", STR_ARG(v->text));
    double d = strtod(z, &end);
    if (v->text.n == 0 || v->text.n >= sizeof(z) || *end != '\0' || d != d) {
        return config_fail(r, v->line, "%s must be a number", key->path);
    }
    if (!in_bounds(key, d)) {
        return out_of_bounds(r, key, v->line);
    }
    *out = d;
    return 0;
}

/* ---- words ------------------------------------------------------------------------------------ */

static int unknown_word(struct config_reader *r, const struct config_key *key,
                        const struct yaml_value *v)
{
    char all[160] = "";
    for (const struct config_word *w = key->words; w->word; w++) {
        size_t n = strlen(all);
        (void)snprintf(all + n, sizeof(all) - n, "%s%s", n > 0 ? ", " : "", w->word);
    }
    return config_fail(r, v->line, "%s must be one of %s", key->path, all);
}

static int read_word(struct config_reader *r, const struct config_key *key,
                     const struct yaml_value *v, int *out)
{
    for (const struct config_word *w = key->words; v->kind == YAML_SCALAR && w->word; w++) {
        if (str_eq(v->text, str_c(w->word))) {
            *out = w->value;
            return 0;
        }
    }
    return unknown_word(r, key, v);
}

static int read_words(struct config_reader *r, const struct config_key *key,
                      const struct yaml_value *v, unsigned *out)
{
    unsigned bits = 0;
    for (size_t i = 0; i < v->n; i++) {
        int bit, rc = read_word(r, key, v->items[i], &bit);
        if (rc != 0) {
            return rc;
        }
        bits |= (unsigned)bit;
    }
    *out = bits;
    return 0;
}

/* ---- texts ------------------------------------------------------------------------------------ */

static struct str absolute(struct config_reader *r, struct str path)
{
    while (str_starts(path, STR("./"))) {
        path = str_from(path, 2);
    }
    while (path.n > 1 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    if (path.n == 0 || path.p[0] == '/') {
        return arena_str(r->arena, path);
    }
    return str_eq(path, STR(".")) ? arena_str(r->arena, r->directory)
                                  : ARENA_CONCAT(r->arena, r->directory, STR("/"), path);
}

static int read_text(struct config_reader *r, const struct config_key *key, struct str text,
                     int line, struct str *out)
{
    enum config_type type = config_key_type(key);
    const char *wrong = key->check ? key->check(text) : NULL;
    if (wrong) {
        return config_fail(r, line, "%s: \"%.*s\" %s", key->path, (int)MIN(text.n, 80), text.p,
                           wrong);
    }
    bool is_path = type == CONFIG_PATH || type == CONFIG_PATHS;
    *out = is_path ? absolute(r, text) : arena_str(r->arena, text);
    return 0;
}

static int read_texts(struct config_reader *r, const struct config_key *key,
                      const struct yaml_value *v, struct config_strs *out)
{
    struct str *copy = arena_array(r->arena, struct str, v->n);
    for (size_t i = 0; i < v->n; i++) {
        if (v->items[i]->kind != YAML_SCALAR) {
            return config_fail(r, v->items[i]->line, "%s must be a list of texts", key->path);
        }
        int rc = read_text(r, key, v->items[i]->text, v->items[i]->line, &copy[i]);
        if (rc != 0) {
            return rc;
        }
    }
    *out = (struct config_strs){copy, v->n};
    return 0;
}

static int read_json(struct config_reader *r, const struct config_key *key,
                     const struct yaml_value *v, struct str *out)
{
    if (v->kind != YAML_MAP && !yaml_is_null(v)) {
        return config_fail(r, v->line, "%s must be a mapping", key->path);
    }
    struct buf json = BUF_INIT(1 << 20);
    if (v->kind == YAML_MAP) {
        yaml_to_json(v, &json);
    }
    *out = arena_str(r->arena, buf_str(&json));
    buf_release(&json);
    const char *wrong = key->check ? key->check(*out) : NULL;
    return wrong ? config_fail(r, v->line, "%s %s", key->path, wrong) : 0;
}

/* "320x240 scale" */
static bool to_thumbnail(struct str text, struct config_thumbnail *out)
{
    struct str size, method, width, height;
    int64_t w, h;
    if (!str_split(text, ' ', &size, &method) || !str_split(size, 'x', &width, &height) ||
        !str_to_i64(width, &w) || !str_to_i64(height, &h) || w < 1 || w > 4096 || h < 1 ||
        h > 4096) {
        return false;
    }
    *out = (struct config_thumbnail){(int)w, (int)h, str_eq(method, STR("crop"))};
    return out->crop || str_eq(method, STR("scale"));
}

/* ---- lists of structs ------------------------------------------------------------------------- */

/* The shape of every {p, n} member. */
struct any_list {
    const void *p;
    size_t n;
};

static int read_thumbnails(struct config_reader *r, const struct config_key *key,
                           const struct yaml_value *v, struct any_list *out)
{
    struct config_thumbnail *sizes = arena_array(r->arena, struct config_thumbnail, v->n);
    for (size_t i = 0; i < v->n; i++) {
        if (!to_thumbnail(v->items[i]->text, &sizes[i])) {
            return config_fail(r, v->items[i]->line,
                               "%s: write WIDTHxHEIGHT and crop or scale, e.g. 96x96 crop",
                               key->path);
        }
    }
    *out = (struct any_list){sizes, v->n};
    return 0;
}

static int read_objects(struct config_reader *r, const struct config_key *key,
                        const struct yaml_value *v, struct any_list *out)
{
    char *objects = arena_calloc(r->arena, v->n, key->item_size);
    for (size_t i = 0; i < v->n; i++) {
        int rc = config_read_object(r, key->items, v->items[i], objects + i * key->item_size, NULL);
        if (rc != 0) {
            return rc;
        }
    }
    *out = (struct any_list){objects, v->n};
    return 0;
}

static int read_scalar(struct config_reader *r, const struct config_key *key,
                       const struct yaml_value *v, void *member)
{
    switch (config_key_type(key)) {
    case CONFIG_BOOL:
        return yaml_to_bool(v, member)
                   ? 0
                   : config_fail(r, v->line, "%s must be true or false", key->path);
    case CONFIG_REAL:
        return read_real(r, key, v, member);
    case CONFIG_WORD:
        return read_word(r, key, v, member);
    case CONFIG_TEXT:
    case CONFIG_PATH:
        return read_text(r, key, v->text, v->line, member);
    default:
        return read_integer(r, key, v, member);
    }
}

int config_read_value(struct config_reader *r, const struct config_key *key,
                      const struct yaml_value *v, void *object)
{
    void *member = (char *)object + key->offset;
    enum config_type type = config_key_type(key);
    bool is_list = type == CONFIG_TEXTS || type == CONFIG_PATHS || type == CONFIG_OBJECTS ||
                   type == CONFIG_WORDS || type == CONFIG_THUMBNAILS;
    if (is_list && v->kind != YAML_LIST) {
        return config_fail(r, v->line, "%s must be a list", key->path);
    }
    if (!is_list && type != CONFIG_JSON && v->kind != YAML_SCALAR) {
        return config_fail(r, v->line, "%s must be a single value", key->path);
    }
    switch (type) {
    case CONFIG_WORDS:
        return read_words(r, key, v, member);
    case CONFIG_TEXTS:
    case CONFIG_PATHS:
        return read_texts(r, key, v, member);
    case CONFIG_OBJECTS:
        return read_objects(r, key, v, member);
    case CONFIG_THUMBNAILS:
        return read_thumbnails(r, key, v, member);
    case CONFIG_JSON:
        return read_json(r, key, v, member);
    default:
        return read_scalar(r, key, v, member);
    }
}

/* ---- secrets ---------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct str trim_lines(struct str s)
{
    while (s.n > 0 && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[0])) {
        s = str_from(s, 1);
    }
    return s;
}

/* Words between white space, as a list of secrets in a file or in the environment. */
static struct config_strs split_words(struct arena *a, struct str s)
{
    VEC(struct str) words = {0};
    for (size_t i = 0; i < s.n;) {
        size_t end = i;
        while (end < s.n && !is_blank(s.p[end])) {
            end++;
        }
        if (end > i) {
            vec_push(&words, arena_str(a, str_n(s.p + i, end - i)));
        }
        i = end + 1;
    }
    struct str *copy = arena_array(a, struct str, words.n);
    for (size_t i = 0; i < words.n; i++) {
        copy[i] = words.p[i];
    }
    struct config_strs out = {copy, words.n};
    vec_release(&words);
    return out;
}

int config_read_secret(struct config_reader *r, const struct config_key *key, struct str text,
                       int line, void *object)
{
    void *member = (char *)object + key->offset;
    if (config_key_type(key) == CONFIG_TEXTS) {
        *(struct config_strs *)member = split_words(r->arena, text);
        return 0;
    }
    return read_text(r, key, trim_lines(text), line, member);
}

static int read_secret_file(struct config_reader *r, const struct config_key *key,
                            const struct yaml_value *v, void *object)
{
    char text[SECRET_FILE_MAX];
    struct str path = absolute(r, v->text);
    int fd = open(path.p, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
    int saved = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (n < 0) {
        return config_fail(r, v->line, "%s_file: cannot read %.*s: %s", key->path, STR_ARG(path),
                           strerror(saved));
    }
    return config_read_secret(r, key, str_n(text, (size_t)n), v->line, object);
}

/* ---- mappings --------------------------------------------------------------------------------- */

struct walk {
    struct config_reader *r;
    const struct config_key *table;
    void *object;
    struct config_origin *set; /* by index in the table */
};

static const struct config_key *find_key(const struct config_key *table, struct str path)
{
    for (; table->path; table++) {
        if (str_eq(path, str_c(table->path))) {
            return table;
        }
    }
    return NULL;
}

/* path = "registration.shared_secret_file" finds the row of registration.shared_secret. */
static const struct config_key *find_secret_file(const struct config_key *table, struct str path)
{
    struct str suffix = STR("_file");
    const struct config_key *key =
        str_ends(path, suffix) ? find_key(table, str_n(path.p, path.n - suffix.n)) : NULL;
    return key && key->secret ? key : NULL;
}

static bool is_group(const struct config_key *table, struct str path)
{
    for (; table->path; table++) {
        if (str_starts(str_c(table->path), path) && table->path[path.n] == '.') {
            return true;
        }
    }
    return false;
}

static int walk_map(struct walk *w, struct str prefix, const struct yaml_value *map);

static int unknown_key(struct walk *w, struct str path, int line)
{
    char typed[128], near[CONFIG_PATH_MAX];
    (void)snprintf(typed, sizeof(typed), "%.*s", STR_ARG(path));
    return config_nearest(w->table, typed, near)
               ? config_fail(w->r, line, "unknown key \"%s\"; did you mean \"%s\"?", typed, near)
               : config_fail(w->r, line, "unknown key \"%s\"", typed);
}

static int walk_group(struct walk *w, struct str path, int line, const struct yaml_value *v)
{
    if (!is_group(w->table, path)) {
        return unknown_key(w, path, line);
    }
    return v->kind == YAML_MAP || yaml_is_null(v)
               ? walk_map(w, path, v)
               : config_fail(w->r, line, "%.*s holds further keys", STR_ARG(path));
}

static int walk_member(struct walk *w, struct str path, int line, const struct yaml_value *v)
{
    const struct config_key *key = find_key(w->table, path);
    const struct config_key *file_key = key ? NULL : find_secret_file(w->table, path);
    if (!key && !file_key) {
        return walk_group(w, path, line, v);
    }
    if (yaml_is_null(v)) {
        return 0; /* `key:` alone leaves the default */
    }
    struct config_origin *origin = &w->set[(key ? key : file_key) - w->table];
    if (origin->kind != ORIGIN_DEFAULT) {
        return config_fail(w->r, line, "%.*s: give either the value or the file", STR_ARG(path));
    }
    *origin = (struct config_origin){key ? ORIGIN_FILE : ORIGIN_SECRET_FILE, line};
    int rc = key ? config_read_value(w->r, key, v, w->object)
                 : read_secret_file(w->r, file_key, v, w->object);
    if (rc != 0) {
        *origin = (struct config_origin){.kind = ORIGIN_DEFAULT};
    }
    return rc;
}

static int walk_map(struct walk *w, struct str prefix, const struct yaml_value *map)
{
    for (size_t i = 0; i < map->n; i++) {
        struct str name = map->keys[i]->text;
        struct str path = prefix.n > 0 ? ARENA_CONCAT(w->r->arena, prefix, STR("."), name) : name;
        int rc = config_go_on(w->r, walk_member(w, path, map->keys[i]->line, map->items[i]));
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int read_default(struct config_reader *r, const struct config_key *key, int line,
                        void *object)
{
    const struct yaml_value *v;
    if (!key->fallback) {
        return config_fail(r, line, "%s is missing", key->path);
    }
    int rc = yaml_parse(r->arena, str_c(key->fallback), &v, r->err);
    return rc != 0 ? rc : config_read_value(r, key, v, object);
}

int config_read_object(struct config_reader *r, const struct config_key *table,
                       const struct yaml_value *map, void *object, struct config_origin *set)
{
    size_t n = 0;
    while (table[n].path) {
        n++;
    }
    struct walk w = {r, table, object, set ? set : arena_array(r->arena, struct config_origin, n)};
    if (map->kind != YAML_MAP && !yaml_is_null(map)) {
        return config_fail(r, map->line, "a mapping (key: value) is expected here");
    }
    int rc = walk_map(&w, STR_NONE, map);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (w.set[i].kind == ORIGIN_DEFAULT) {
            rc = config_go_on(r, read_default(r, &table[i], map->line, object));
        }
    }
    return rc;
}
