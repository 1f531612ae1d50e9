/* SPDX-License-Identifier: Apache-2.0 */
#include "media/page_read.h"

#include <libxml/HTMLparser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "media/page_charset.h"

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define KEY_MAX     64
#define VALUE_MAX   4096 /* bytes */
#define TEXT_MAX    2000
#define FACTS_MAX   100
#define IMAGE_MIN   64 /* pixels of a side: smaller ones are decoration */
#define IMAGE_LARGE 16384

/* ---- facts ---- */

struct facts {
    char *out;
    size_t n, count;
};

/* A value under way: white space becomes one space, other control characters go. */
struct value {
    char text[VALUE_MAX];
    size_t n, max;
    bool after_space; /* or at the beginning */
};

static void value_init(struct value *v, size_t max)
{
    v->n = 0;
    v->max = max;
    v->after_space = true;
}

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t char_len(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* `text` is valid UTF-8 (the parser's). False when the value is full. */
static bool value_add(struct value *v, const xmlChar *text)
{
    for (const unsigned char *p = text; p && *p;) {
        size_t len = char_len(*p);
        bool space = is_space(*p),
             skip = (space && v->after_space) || (!space && *p < 0x20) || *p == 0x7f;
        if (!skip && v->n + len > v->max) {
            return false;
        }
        if (!skip) {
            memcpy(v->text + v->n, space ? (const unsigned char *)" " : p, len);
            v->n += len;
            v->after_space = space;
        }
        for (size_t i = 0; i < len && *p; i++) {
            p++;
        }
    }
    return true;
}

static void value_space(struct value *v)
{
    (void)value_add(v, (const xmlChar *)" ");
}

static void put(struct facts *f, const char *key, const struct value *v)
{
    size_t key_len = strlen(key), n = v->n - (v->n > 0 && v->text[v->n - 1] == ' ');
    if (n == 0 || f->count == FACTS_MAX || f->n + key_len + n + 2 > PAGE_FACTS_MAX) {
        return;
    }
    memcpy(f->out + f->n, key, key_len);
    f->out[f->n + key_len] = '\t';
    memcpy(f->out + f->n + key_len + 1, v->text, n);
    f->n += key_len + n + 2;
    f->out[f->n - 1] = '\n';
    f->count++;
}

static void put_text(struct facts *f, const char *key, const xmlChar *text)
{
    struct value v;
    value_init(&v, VALUE_MAX);
    (void)value_add(&v, text);
    put(f, key, &v);
}

/* ---- the tree, without recursion: a page may be as deep as it is long ---- */

static xmlNode *next_in(xmlNode *root, xmlNode *n, bool enter)
{
    if (enter && n->type == XML_ELEMENT_NODE && n->children) {
        return n->children;
    }
    while (n != root && !n->next) {
        n = n->parent;
    }
    return n == root ? NULL : n->next;
}

static bool is_named(const xmlNode *n, const char *const *names, size_t count)
{
    for (size_t i = 0; n->type == XML_ELEMENT_NODE && i < count; i++) {
        if (strcasecmp((const char *)n->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is(const xmlNode *n, const char *name)
{
    return is_named(n, &name, 1);
}

/* What stands here is not what the page is about. */
static bool is_aside(const xmlNode *n)
{
    static const char *const names[] = {"script", "style",  "noscript", "template", "svg",
                                        "iframe", "nav",    "header",   "footer",   "aside",
                                        "form",   "select", "textarea", "button",   "head",
                                        "object", "video",  "audio",    "canvas"};
    return is_named(n, names, COUNT(names));
}

static void add_text_of(xmlNode *root, struct value *v)
{
    bool has_room = true;
    for (xmlNode *n = root; n && has_room; n = next_in(root, n, n == root || !is_aside(n))) {
        if (n->type == XML_TEXT_NODE) {
            has_room = value_add(v, n->content);
        } else if (is(n, "br") || is(n, "li") || is(n, "td") || is(n, "div") || is(n, "p")) {
            value_space(v);
        }
    }
}

static void put_text_of(struct facts *f, const char *key, xmlNode *n)
{
    struct value v;
    value_init(&v, VALUE_MAX);
    add_text_of(n, &v);
    put(f, key, &v);
}

/* ---- elements ---- */

struct page {
    struct facts facts;
    struct value text;
    xmlNode *image; /* the best so far */
    long image_area;
    bool has_title, has_heading, has_base;
};

/* Room is left for the text. */
static bool is_full(const struct page *p)
{
    return p->facts.count >= FACTS_MAX - 10 || p->facts.n >= PAGE_FACTS_MAX / 2;
}

static void put_attribute(struct page *p, const char *key, xmlNode *n, const char *attribute)
{
    xmlChar *value = xmlGetProp(n, (const xmlChar *)attribute);
    if (value) {
        put_text(&p->facts, key, value);
        xmlFree(value);
    }
}

static bool is_meta_key(const char *key)
{
    return strncmp(key, "og:", 3) == 0 || strncmp(key, "twitter:", 8) == 0 ||
           strcmp(key, "description") == 0 || strcmp(key, "image") == 0;
}

/* Lower case; false if it could break the line or is none of those that we want. */
static bool meta_key(const xmlChar *text, char key[KEY_MAX])
{
    size_t n = 0;
    for (; text[n] && n < KEY_MAX - 1; n++) {
        char c = (char)text[n];
        if (c <= ' ' || c > '~') {
            return false;
        }
        key[n] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    key[n] = '\0';
    return !text[n] && is_meta_key(key);
}

static void on_meta(struct page *p, xmlNode *n)
{
    static const char *const names[] = {"property", "name", "itemprop"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char key[KEY_MAX];
        xmlChar *text = xmlGetProp(n, (const xmlChar *)names[i]);
        bool is_wanted = text && meta_key(text, key);
        xmlFree(text);
        if (is_wanted) {
            put_attribute(p, strcmp(key, "image") == 0 ? "image_src" : key, n, "content");
            return;
        }
    }
}

static bool has_attribute(xmlNode *n, const char *name, const char *wanted)
{
    xmlChar *value = xmlGetProp(n, (const xmlChar *)name);
    bool is_it = value && strcasecmp((const char *)value, wanted) == 0;
    xmlFree(value);
    return is_it;
}

static void on_link(struct page *p, xmlNode *n)
{
    if (has_attribute(n, "rel", "alternate") &&
        has_attribute(n, "type", "application/json+oembed")) {
        put_attribute(p, "oembed", n, "href");
    } else if (has_attribute(n, "rel", "image_src")) {
        put_attribute(p, "image_src", n, "href");
    }
}

/* Pixels as declared; 0 if not, or not in pixels. */
static long side(xmlNode *n, const char *name)
{
    xmlChar *value = xmlGetProp(n, (const xmlChar *)name);
    char *end = NULL;
    long pixels = value ? strtol((const char *)value, &end, 10) : 0;
    bool is_number = end && (*end == '\0' || strcasecmp(end, "px") == 0);
    xmlFree(value);
    return is_number && pixels > 0 && pixels <= IMAGE_LARGE ? pixels : 0;
}

static void on_image(struct page *p, xmlNode *n)
{
    long w = side(n, "width"), h = side(n, "height");
    bool is_small = (w > 0 && w < IMAGE_MIN) || (h > 0 && h < IMAGE_MIN);
    if (!is_small && xmlHasProp(n, (const xmlChar *)"src") &&
        (!p->image || w * h > p->image_area)) {
        p->image = n;
        p->image_area = w * h;
    }
}

/* Once each: the first of its kind counts. */
static void once(struct page *p, bool *is_done, const char *key, xmlNode *n)
{
    if (!*is_done) {
        *is_done = true;
        put_text_of(&p->facts, key, n);
    }
}

static void on_element(struct page *p, xmlNode *n, bool is_inside)
{
    if (is(n, "meta")) {
        if (!is_full(p)) {
            on_meta(p, n);
        }
    } else if (is(n, "link")) {
        if (!is_full(p)) {
            on_link(p, n);
        }
    } else if (is(n, "title")) {
        once(p, &p->has_title, "title", n);
    } else if (is(n, "base") && !p->has_base && xmlHasProp(n, (const xmlChar *)"href")) {
        p->has_base = true;
        put_attribute(p, "base", n, "href");
    } else if (is(n, "h1") || is(n, "h2")) {
        once(p, &p->has_heading, "heading", n);
    } else if (is(n, "img") && is_inside) {
        on_image(p, n);
    }
}

/* A part of the page that we are in until `end`, the first node behind it (NULL: to the end of the page). */
struct part {
    bool is_in;
    xmlNode *end;
};

static void part_leave(struct part *part, const xmlNode *n)
{
    part->is_in = part->is_in && n != part->end;
}

static void part_enter(struct part *part, xmlNode *root, xmlNode *n)
{
    *part = (struct part){true, next_in(root, n, false)};
}

/* What is drawn, or another document, or none yet: a <title> in there is not the page's, nor is anything else. */
static bool is_foreign(const xmlNode *n)
{
    static const char *const names[] = {"svg", "math", "template", "iframe", "object"};
    return is_named(n, names, COUNT(names));
}

/* Everything else is looked at for what describes the page; text and pictures count only outside of what is_aside, and
 * a paragraph in a paragraph is part of it. */
static void walk(struct page *p, xmlNode *root)
{
    struct part aside = {0}, paragraph = {0};
    for (xmlNode *n = root; n; n = next_in(root, n, !is_foreign(n))) {
        part_leave(&aside, n);
        part_leave(&paragraph, n);
        if (!aside.is_in && is_aside(n)) {
            part_enter(&aside, root, n);
        }
        if (n->type != XML_ELEMENT_NODE) {
            continue;
        }
        on_element(p, n, !aside.is_in);
        if (is(n, "p") && !aside.is_in && !paragraph.is_in) {
            value_space(&p->text);
            add_text_of(n, &p->text);
            part_enter(&paragraph, root, n);
        }
    }
}

static void finish(struct page *p, xmlNode *root)
{
    if (p->text.n == 0) {
        add_text_of(root, &p->text);
    }
    put(&p->facts, "text", &p->text);
    if (p->image) {
        put_attribute(p, "image", p->image, "src");
    }
}

/* ---- reading ---- */

static void ignore(void *context, const char *format, ...)
{
    (void)context;
    (void)format;
}

void page_read_init(void)
{
    char out[PAGE_FACTS_MAX];
    page_charset_init();
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, ignore);
    (void)page_read("<p>&eacute;", 11, "", out); /* whatever is loaded late is loaded now */
}

size_t page_read(const char *bytes, size_t n, const char *charset, char *out)
{
    struct page p = {.facts = {.out = out}};
    value_init(&p.text, TEXT_MAX);
    size_t len;
    char *text = page_charset_to_utf8(bytes, n, charset, &len);
    /* The tree is made of bytes that are UTF-8 by now, whatever a <meta> says. */
    htmlDocPtr doc =
        text && len > 0
            ? htmlReadMemory(text, (int)len, NULL, "UTF-8",
                             HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                 HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC | HTML_PARSE_COMPACT)
            : NULL;
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (root) {
        walk(&p, root);
        finish(&p, root);
    }
    xmlFreeDoc(doc);
    free(text);
    return p.facts.n;
}

size_t page_read_plain(const char *bytes, size_t n, const char *charset, char *out)
{
    struct facts f = {.out = out};
    struct value v;
    size_t len;
    char *text = page_charset_to_utf8(bytes, n, charset, &len);
    value_init(&v, TEXT_MAX);
    if (text) {
        char *whole = realloc(text, len + 1);
        text = whole ? whole : text;
        text[whole ? len : 0] = '\0';
        (void)value_add(&v, (const xmlChar *)text);
        put(&f, "text", &v);
    }
    free(text);
    return f.n;
}
