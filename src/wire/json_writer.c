/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_writer.h"

#include "wire/canonical.h"

static bool is_in_object(const struct json_writer *w)
{
    return w->in_object >> w->depth & 1;
}

static void comma(struct json_writer *w)
{
    uint64_t level = UINT64_C(1) << w->depth;
    if (w->has_items & level) {
        buf_add_char(w->out, ',');
    }
    w->has_items |= level;
}

/* What stands before every value: nothing after a key, else the comma of an array. The top has one value. */
static void before_value(struct json_writer *w)
{
    bug_on(is_in_object(w) != w->after_key);
    bug_on(w->depth == 0 && w->has_items);
    if (!w->after_key) {
        comma(w);
    }
    w->after_key = false;
}

static void open_level(struct json_writer *w, char bracket, uint64_t is_object)
{
    before_value(w);
    bug_on(w->depth == JW_DEPTH);
    buf_add_char(w->out, bracket);
    w->depth++;
    uint64_t level = UINT64_C(1) << w->depth;
    w->has_items &= ~level;
    w->in_object = (w->in_object & ~level) | is_object << w->depth;
}

void jw_object(struct json_writer *w)
{
    open_level(w, '{', 1);
}

void jw_array(struct json_writer *w)
{
    open_level(w, '[', 0);
}

void jw_end(struct json_writer *w)
{
    bug_on(w->depth == 0 || w->after_key);
    buf_add_char(w->out, is_in_object(w) ? '}' : ']');
    w->depth--;
}

static void before_key(struct json_writer *w)
{
    bug_on(!is_in_object(w) || w->after_key);
    comma(w);
    w->after_key = true;
}

void jw_key(struct json_writer *w, struct str key)
{
    before_key(w);
    canonical_write_str(w->out, key);
    buf_add_char(w->out, ':');
}

void jw_key_raw(struct json_writer *w, struct str quoted_key_and_colon)
{
    before_key(w);
    buf_add(w->out, quoted_key_and_colon);
}

void jw_str(struct json_writer *w, struct str s)
{
    before_value(w);
    canonical_write_str(w->out, s);
}

void jw_int(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_add_i64(w->out, v);
}

void jw_bool(struct json_writer *w, bool v)
{
    jw_raw(w, v ? STR("true") : STR("false"));
}

void jw_null(struct json_writer *w)
{
    jw_raw(w, STR("null"));
}

void jw_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_add(w->out, json);
}

/* The only errors are overflow, which is sticky in the buffer, and reals that are not finite, which no JSON text
 * gives. */
static void write_tree(struct buf *out, const json_t *value)
{
    int rc = canonical_write(out, value, CANONICAL_LAX | CANONICAL_UNSORTED, NULL);
    bug_on(rc != 0 && !out->overflow);
}

void jw_json(struct json_writer *w, const json_t *value)
{
    before_value(w);
    write_tree(w->out, value);
}

void jw_members(struct json_writer *w, struct str object)
{
    bug_on(!is_in_object(w) || w->after_key);
    bug_on(object.n < 2 || object.p[0] != '{' || object.p[object.n - 1] != '}');
    if (object.n > 2) {
        comma(w);
        buf_add(w->out, str_n(object.p + 1, object.n - 2));
    }
}

void jw_members_raw(struct json_writer *w, struct str members)
{
    bug_on(!is_in_object(w) || w->after_key);
    if (members.n > 0) {
        comma(w);
        buf_add(w->out, members);
    }
}

bool jw_is_complete(const struct json_writer *w)
{
    return w->depth == 0 && w->has_items && !w->out->overflow;
}

struct str json_encode(struct arena *a, const json_t *value)
{
    struct buf b = BUF_INIT(SIZE_MAX / 4);
    write_tree(&b, value);
    struct str out = arena_str(a, buf_str(&b));
    buf_release(&b);
    return out;
}
