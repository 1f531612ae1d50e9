/* SPDX-License-Identifier: Apache-2.0 */
/* From struct config back to text: `config show`, the sample file, and the comparison for a reload. */
#include <stdlib.h>

#include "core/config_internal.h"

#define MASK "********"

struct any_list {
    const char *p;
    size_t n;
};

struct writer {
    struct buf *out;
    enum config_style style;
    bool mask;
};

/* ---- values ----------------------------------------------------------------------------------- */

/* Words that no YAML reader takes for anything but text, and that need no quotes. */
static bool is_plain(struct str s)
{
    bool b;
    struct yaml_value v = {.kind = YAML_SCALAR, .text = s};
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/';
        bool is_inner = (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
        if (!is_letter && !(is_inner && i > 0)) {
            return false;
        }
    }
    return s.n > 0 && !yaml_is_null(&v) && !yaml_to_bool(&v, &b);
}

static void write_text(struct writer *w, struct str s)
{
    struct yaml_value v = {.kind = YAML_SCALAR, .quoted = true, .text = s};
    if (w->style == STYLE_YAML && is_plain(s)) {
        buf_add(w->out, s);
    } else {
        yaml_to_json(&v, w->out);
    }
}

static void write_with_unit(struct writer *w, int64_t v, const int64_t *factors,
                            const char *const *names, size_t n)
{
    struct str text;
    struct buf b = BUF_INIT(32);
    size_t i = n - 1;
    while (i > 0 && (v == 0 || v % factors[i] != 0)) {
        i--;
    }
    buf_printf(&b, "%lld%s", (long long)(v / factors[i]), names[i]);
    text = buf_str(&b);
    if (w->style == STYLE_YAML) {
        buf_add(w->out, text);
    } else {
        write_text(w, text);
    }
    buf_release(&b);
}

static void write_size(struct writer *w, int64_t v)
{
    static const int64_t factors[] = {1, 1 << 10, 1 << 20, 1 << 30};
    static const char *const names[] = {"", "K", "M", "G"};
    write_with_unit(w, v, factors, names, ARRAY_LEN(factors));
}

static void write_duration(struct writer *w, int64_t v)
{
    static const int64_t factors[] = {1, 1000, 60000, 3600000, 86400000};
    static const char *const names[] = {"ms", "s", "m", "h", "d"};
    write_with_unit(w, v, factors, names, ARRAY_LEN(factors));
}

static void write_word(struct writer *w, const struct config_key *key, int value)
{
    for (const struct config_word *word = key->words; word->word; word++) {
        if (word->value == value) {
            write_text(w, str_c(word->word));
        }
    }
}

static void write_words(struct writer *w, const struct config_key *key, unsigned bits)
{
    struct str comma = STR_NONE;
    buf_add_char(w->out, '[');
    for (const struct config_word *word = key->words; word->word; word++) {
        if (bits & (unsigned)word->value) {
            buf_add(w->out, comma);
            write_text(w, str_c(word->word));
            comma = STR(", ");
        }
    }
    buf_add_char(w->out, ']');
}

static void write_secret_or_text(struct writer *w, const struct config_key *key, struct str s)
{
    write_text(w, key->secret && w->mask && s.n > 0 ? STR(MASK) : s);
}

static void write_texts(struct writer *w, const struct config_key *key,
                        const struct config_strs *list)
{
    buf_add_char(w->out, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_add(w->out, i > 0 ? STR(", ") : STR_NONE);
        write_secret_or_text(w, key, list->p[i]);
    }
    buf_add_char(w->out, ']');
}

static void write_thumbnails(struct writer *w, const struct any_list *list)
{
    const struct config_thumbnail *sizes = (const void *)list->p;
    const char *quote = w->style == STYLE_JSON ? "\"" : "";
    buf_add_char(w->out, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_printf(w->out, "%s%s%dx%d %s%s", i > 0 ? ", " : "", quote, sizes[i].width,
                   sizes[i].height, sizes[i].crop ? "crop" : "scale", quote);
    }
    buf_add_char(w->out, ']');
}

static void write_value(struct writer *w, const struct config_key *key, const void *object);

/* An item as {key: value, "tls.certificate" as tls: {certificate: …}}. */
static void write_item(struct writer *w, const struct config_key *keys, const void *item)
{
    const char *quote = w->style == STYLE_JSON ? "\"" : "";
    struct str open = STR_NONE; /* the group whose brace is open */
    buf_add_char(w->out, '{');
    for (const struct config_key *k = keys; k->path; k++) {
        struct str group, name;
        if (!str_split(str_c(k->path), '.', &group, &name)) {
            name = group;
            group = STR_NONE;
        }
        bool is_same = str_eq(group, open);
        buf_add(w->out, open.n > 0 && !is_same ? STR("}") : STR_NONE);
        buf_add(w->out, k > keys ? STR(", ") : STR_NONE);
        if (group.n > 0 && !is_same) {
            buf_printf(w->out, "%s%.*s%s: {", quote, STR_ARG(group), quote);
        }
        open = group;
        buf_printf(w->out, "%s%.*s%s: ", quote, STR_ARG(name), quote);
        write_value(w, k, item);
    }
    buf_add(w->out, open.n > 0 ? STR("}}") : STR("}"));
}

static void write_objects(struct writer *w, const struct config_key *key,
                          const struct any_list *list)
{
    buf_add_char(w->out, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_add(w->out, i > 0 ? STR(", ") : STR_NONE);
        write_item(w, key->items, list->p + i * key->item_size);
    }
    buf_add_char(w->out, ']');
}

static void write_value(struct writer *w, const struct config_key *key, const void *object)
{
    const void *m = (const char *)object + key->offset;
    switch (config_key_type(key)) {
    case CONFIG_BOOL:
        buf_add(w->out, *(const bool *)m ? STR("true") : STR("false"));
        break;
    case CONFIG_INT:
        buf_add_i64(w->out, *(const int64_t *)m);
        break;
    case CONFIG_REAL:
        buf_printf(w->out, "%g", *(const double *)m);
        break;
    case CONFIG_SIZE:
        write_size(w, *(const int64_t *)m);
        break;
    case CONFIG_DURATION:
        write_duration(w, *(const int64_t *)m);
        break;
    case CONFIG_WORD:
        write_word(w, key, *(const int *)m);
        break;
    case CONFIG_WORDS:
        write_words(w, key, *(const unsigned *)m);
        break;
    case CONFIG_TEXT:
    case CONFIG_PATH:
        write_secret_or_text(w, key, *(const struct str *)m);
        break;
    case CONFIG_JSON:
        buf_add(w->out, ((const struct str *)m)->n > 0 ? *(const struct str *)m : STR("null"));
        break;
    case CONFIG_TEXTS:
    case CONFIG_PATHS:
        write_texts(w, key, m);
        break;
    case CONFIG_OBJECTS:
        write_objects(w, key, m);
        break;
    case CONFIG_THUMBNAILS:
        write_thumbnails(w, m);
        break;
    }
}

void config_write_value(const struct config_key *key, const void *object, enum config_style style,
                        bool mask, struct buf *out)
{
    struct writer w = {out, style, mask};
    write_value(&w, key, object);
}

/* ---- the whole file --------------------------------------------------------------------------- */

static size_t depth_of(const char *path)
{
    size_t n = 0;
    for (; *path; path++) {
        n += *path == '.';
    }
    return n;
}

static const char *leaf_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* How many leading groups two paths share: "a.b.c" and "a.b.d" share 2. */
static size_t shared_groups(const char *a, const char *b)
{
    size_t n = 0;
    for (; *a && *a == *b; a++, b++) {
        n += *a == '.';
    }
    return n;
}

/* Writes the `group:` lines that the key's path opens beyond those of the key before it. */
static void write_groups(const char *before, const char *path, const char *comment, struct buf *out)
{
    size_t shared = before ? shared_groups(before, path) : 0, level = 0;
    buf_add(out, shared == 0 ? STR("\n") : STR_NONE);
    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1, level++) {
        if (level >= shared) {
            buf_printf(out, "%*s%s%.*s:\n", (int)level * 2, "", comment, (int)(dot - path), path);
        }
    }
}

/* Help as comment lines of at most about 90 columns. */
static void write_help(const char *help, size_t indent, struct buf *out)
{
    size_t width = 88 - indent;
    struct str rest = str_c(help);
    while (rest.n > 0) {
        size_t n = rest.n;
        if (n > width) {
            for (n = width; n > 0 && rest.p[n] != ' '; n--) {
            }
        }
        buf_printf(out, "%*s# %.*s\n", (int)indent, "", (int)n, rest.p);
        rest = str_from(rest, n < rest.n ? n + 1 : n);
    }
}

static const char *origin_name(const struct config_origin *o)
{
    static const char *const names[] = {
        [ORIGIN_DEFAULT] = "default",
        [ORIGIN_FILE] = "file",
        [ORIGIN_SECRET_FILE] = "secret file",
        [ORIGIN_ENVIRONMENT] = "environment",
    };
    return names[o->kind];
}

void config_show(const struct config *c, struct buf *out)
{
    const char *before = NULL;
    for (const struct config_key *k = config_keys; k->path; k++) {
        const struct config_origin *o = &c->origins[k - config_keys];
        size_t indent = depth_of(k->path) * 2;
        write_groups(before, k->path, "", out);
        write_help(k->help, indent, out);
        buf_printf(out, "%*s%s: ", (int)indent, "", leaf_of(k->path));
        config_write_value(k, c, STYLE_YAML, true, out);
        buf_printf(out, o->kind == ORIGIN_FILE ? "  # line %d\n" : "\n", o->line);
        before = k->path;
    }
}

void config_show_json(const struct config *c, struct buf *out)
{
    struct writer w = {out, STYLE_JSON, true};
    for (const struct config_key *k = config_keys; k->path; k++) {
        buf_add(out, k == config_keys ? STR("{") : STR(",\n "));
        write_text(&w, str_c(k->path));
        buf_add(out, STR(": {\"value\": "));
        write_value(&w, k, c);
        buf_add(out, STR(", \"origin\": "));
        write_text(&w, str_c(origin_name(&c->origins[k - config_keys])));
        buf_add(out, STR("}"));
    }
    buf_add(out, STR("}\n"));
}

/* ---- a file to begin with --------------------------------------------------------------------- */

struct sample {
    const struct config_setting *settings;
    size_t n;
    struct buf *out;
};

static const struct config_setting *sample_find(const struct sample *s, const char *path,
                                                bool as_file)
{
    for (size_t i = 0; i < s->n; i++) {
        struct str given = str_c(s->settings[i].path), want = str_c(path);
        bool is_it = as_file
                         ? str_starts(given, want) && str_eq(str_from(given, want.n), STR("_file"))
                         : str_eq(given, want);
        if (is_it) {
            return &s->settings[i];
        }
    }
    return NULL;
}

/* Is any key of the outermost group of `path` given? Then the line of the group must stand uncommented. */
static bool is_group_given(const struct sample *s, const char *path)
{
    const char *dot = strchr(path, '.');
    size_t n = dot ? (size_t)(dot - path) + 1 : 0;
    for (size_t i = 0; n > 0 && i < s->n; i++) {
        if (strncmp(s->settings[i].path, path, n) == 0) {
            return true;
        }
    }
    return false;
}

static void sample_key(const struct sample *s, const struct config_key *k, const char *before)
{
    const struct config_setting *given = sample_find(s, k->path, false);
    given = given ? given : sample_find(s, k->path, true);
    int indent = (int)depth_of(k->path) * 2;
    write_groups(before, k->path, is_group_given(s, k->path) ? "" : "#", s->out);
    write_help(k->help, (size_t)indent, s->out);
    if (given) {
        buf_printf(s->out, "%*s%s: %.*s\n", indent, "", leaf_of(given->path),
                   STR_ARG(given->value));
    } else {
        buf_printf(s->out, "%*s#%s: %s\n", indent, "", leaf_of(k->path),
                   k->fallback ? k->fallback : "");
    }
}

void config_sample(const struct config_setting *settings, size_t n, struct buf *out)
{
    struct sample s = {settings, n, out};
    const char *before = NULL;
    buf_add(out, STR("# Configuration of Ingot. Every key is here; what is commented out shows the "
                     "default.\n# `ingot config check` explains mistakes, `ingot config show` "
                     "prints what is in force.\n"));
    for (const struct config_key *k = config_keys; k->path; k++) {
        sample_key(&s, k, before);
        before = k->path;
    }
}
