/* SPDX-License-Identifier: Apache-2.0 */
#include "media/preview.h"

#include "wire/json_writer.h"
#include "wire/url.h"

enum {
    TITLE_MAX = 500,
    TEXT_MAX = 600,
    VALUE_MAX = 512, /* of what goes through as it is: a stored preview stays below 20 KB */
    URL_MAX = 2048,
    ANSWER_MAX = 256 * 1024,
};
#define MINUTE ((int64_t)60 * 1000)

/* ---- texts ------------------------------------------------------------------------------------ */

struct str preview_cut(struct arena *a, struct str text, size_t max)
{
    struct str dots = STR("\u2026");
    if (text.n <= max) {
        return text;
    }
    size_t n = max - dots.n;
    while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80) { /* not within a character */
        n--;
    }
    for (size_t i = n; i > n - n / 4; i--) {
        if (text.p[i] == ' ') {
            n = i;
            break;
        }
    }
    return ARENA_CONCAT(a, str_n(text.p, n), dots);
}

/* The first of them that is there. */
static struct str first_of(struct str a, struct str b)
{
    return a.n > 0 ? a : b;
}

/* ---- pages ------------------------------------------------------------------------------------ */

/* Value of the first such line. */
static struct str fact(struct str facts, const char *wanted)
{
    struct str line, key, value;
    while (facts.n > 0) {
        (void)str_split(facts, '\n', &line, &facts);
        if (str_split(line, '\t', &key, &value) && str_eq(key, str_c(wanted))) {
            return value;
        }
    }
    return STR_NONE;
}

/* These have a member of their own, or are told from the picture as it is stored here. */
static bool is_ours(struct str key)
{
    return str_eq(key, STR("og:title")) || str_eq(key, STR("og:description")) ||
           str_eq(key, STR("og:site_name")) || str_eq(key, STR("og:type")) ||
           (str_starts(key, STR("og:image")) && !str_eq(key, STR("og:image:alt")));
}

static bool has_property(const struct preview *p, struct str key)
{
    for (size_t i = 0; i < p->n_more; i++) {
        if (str_eq(p->more[i].key, key)) {
            return true;
        }
    }
    return false;
}

static void add_property(struct preview *p, struct str key, struct str value)
{
    bool is_wanted = str_starts(key, STR("og:")) && !is_ours(key) && value.n <= VALUE_MAX;
    if (is_wanted && p->n_more < PREVIEW_MORE_MAX && !has_property(p, key)) {
        p->more[p->n_more++] = (struct preview_property){key, value};
    }
}

static void add_properties(struct preview *p, struct str facts)
{
    struct str line, key, value;
    while (facts.n > 0) {
        (void)str_split(facts, '\n', &line, &facts);
        if (str_split(line, '\t', &key, &value)) {
            add_property(p, key, value);
        }
    }
}

static struct str any_fact(struct str facts, const char *const *keys)
{
    struct str found = STR_NONE;
    for (; *keys && found.n == 0; keys++) {
        found = fact(facts, *keys);
    }
    return found;
}

void preview_from_page(struct arena *a, struct str facts, struct preview *out)
{
    static const char *const titles[] = {"og:title", "twitter:title", "title", "heading", NULL};
    static const char *const descriptions[] = {"og:description", "twitter:description",
                                               "description", "text", NULL};
    static const char *const images[] = {
        "og:image:secure_url", "og:image",  "og:image:url", "twitter:image",
        "twitter:image:src",   "image_src", "image",        NULL};
    facts = arena_str(a, facts);
    *out = (struct preview){.title = preview_cut(a, any_fact(facts, titles), TITLE_MAX),
                            .description = preview_cut(a, any_fact(facts, descriptions), TEXT_MAX),
                            .site_name = preview_cut(a, fact(facts, "og:site_name"), TITLE_MAX),
                            .type = preview_cut(a, fact(facts, "og:type"), TITLE_MAX),
                            .image = any_fact(facts, images),
                            .base = fact(facts, "base"),
                            .oembed = fact(facts, "oembed")};
    add_properties(out, facts);
}

void preview_from_file(struct arena *a, struct str facts, struct str url_path, struct preview *out)
{
    struct str path, query, name = STR_NONE;
    struct err ignored;
    (void)str_split(url_path, '?', &path, &query);
    for (size_t i = path.n; i > 0 && path.p[i - 1] != '/'; i--) {
        name = str_from(path, i - 1);
    }
    if (url_decode_segment(a, name, &name, &ignored) != 0) {
        name = STR_NONE;
    }
    facts = arena_str(a, facts);
    *out = (struct preview){.title = preview_cut(a, name, TITLE_MAX),
                            .description = preview_cut(a, fact(facts, "text"), TEXT_MAX)};
}

/* ---- oEmbed ----------------------------------------------------------------------------------- */

/* Control characters have no place in a preview. */
static struct str clean(struct arena *a, const json_t *object, const char *key, size_t max)
{
    struct str text = arena_str(a, json_str(json_get(object, key)));
    char *p = (char *)text.p;
    for (size_t i = 0; i < text.n; i++) {
        p[i] = (char)((unsigned char)p[i] < 0x20 || p[i] == 0x7f ? ' ' : p[i]);
    }
    return preview_cut(a, str_trim(text), max);
}

bool preview_from_oembed(struct arena *a, const json_t *answer, struct preview *out,
                         struct str *out_html)
{
    struct str type = json_str(json_get(answer, "type"));
    *out_html = STR_NONE;
    if (type.n == 0) {
        return false;
    }
    *out = (struct preview){.title = clean(a, answer, "title", TITLE_MAX),
                            .description = clean(a, answer, "description", TEXT_MAX),
                            .site_name = clean(a, answer, "provider_name", TITLE_MAX),
                            .image = clean(a, answer, "thumbnail_url", URL_MAX)};
    out->title = first_of(out->title, clean(a, answer, "author_name", TITLE_MAX));
    if (str_eq(type, STR("photo"))) {
        out->image = first_of(clean(a, answer, "url", URL_MAX), out->image);
    } else if (str_eq(type, STR("video"))) {
        out->type = STR("video.other");
    } else if (str_eq(type, STR("rich")) && out->description.n == 0) {
        *out_html = json_str(json_get(answer, "html"));
    }
    return true;
}

void preview_fill(struct preview *into, const struct preview *from)
{
    into->title = first_of(into->title, from->title);
    into->description = first_of(into->description, from->description);
    into->site_name = first_of(into->site_name, from->site_name);
    into->type = first_of(into->type, from->type);
    into->image = first_of(into->image, from->image);
    for (size_t i = 0; i < from->n_more; i++) {
        add_property(into, from->more[i].key, from->more[i].value);
    }
}

/* ---- the answer ------------------------------------------------------------------------------- */

static void put(struct json_writer *w, struct str key, struct str value)
{
    if (value.n > 0) {
        jw_key(w, key);
        jw_str(w, value);
    }
}

static void put_image(struct json_writer *w, const struct preview_image *image)
{
    if (image->mxc_uri.n == 0) {
        return;
    }
    JW_STR(w, "og:image", image->mxc_uri);
    JW_STR(w, "og:image:type", image->type);
    JW_INT(w, "og:image:width", image->width);
    JW_INT(w, "og:image:height", image->height);
    JW_INT(w, "matrix:image:size", image->size);
}

/* A description of a picture without the picture is nothing. */
static bool is_left_out(const struct preview_property *p, const struct preview_image *image)
{
    return image->mxc_uri.n == 0 && str_starts(p->key, STR("og:image"));
}

struct str preview_json(struct arena *a, const struct preview *p, const struct preview_image *image)
{
    struct buf json = BUF_INIT(ANSWER_MAX);
    struct json_writer w = jw_over(&json);
    jw_object(&w);
    put(&w, STR("og:title"), p->title);
    put(&w, STR("og:description"), p->description);
    put(&w, STR("og:site_name"), p->site_name);
    put(&w, STR("og:type"), p->type);
    for (size_t i = 0; i < p->n_more; i++) {
        if (!is_left_out(&p->more[i], image)) {
            put(&w, p->more[i].key, p->more[i].value);
        }
    }
    put_image(&w, image);
    jw_end(&w);
    bug_on(json.overflow); /* all parts are bounded, far below it together */
    struct str out = arena_str(a, buf_str(&json));
    buf_release(&json);
    return out;
}

int64_t preview_lifetime_ms(struct str cache_control)
{
    struct str rest = cache_control, word, key, value;
    int64_t lifetime = 60 * MINUTE;
    uint64_t seconds;
    while (rest.n > 0) {
        (void)str_split(rest, ',', &word, &rest);
        word = str_trim(word);
        if (str_eq_nocase(word, STR("no-store")) || str_eq_nocase(word, STR("no-cache"))) {
            return 10 * MINUTE;
        }
        if (str_split(word, '=', &key, &value) && str_eq_nocase(key, STR("max-age")) &&
            str_to_u64(value, &seconds)) {
            lifetime = (int64_t)MIN(seconds, 86400) * 1000;
        }
    }
    return MAX(lifetime, 10 * MINUTE);
}
