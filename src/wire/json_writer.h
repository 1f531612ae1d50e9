/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Append-only JSON writer over a struct buf, for responses on hot paths: no tree, commas by itself, stored
 * JSON is spliced as it is. Strings are escaped as in canonical JSON and must be UTF-8. Past the buffer's cap
 * the buffer's `overflow` is set; check it once at the end. Misuse (a value without a key, ends that do not
 * match, deeper than JW_DEPTH) is a bug and aborts.
 *
 *     struct buf b = BUF_INIT(1 << 20);
 *     struct json_writer w = jw_over(&b);
 *     jw_object(&w);
 *     JW_STR(&w, "room_id", room_id);
 *     JW_ARRAY(&w, "chunk");
 *     jw_raw(&w, stored_event);
 *     jw_end(&w);
 *     jw_end(&w);
 *
 * JW_X(w, "key", value) takes a literal key that needs no escaping; the bytes `"key":` are made by the compiler.
 */
#ifndef INGOT_WIRE_JSON_WRITER_H
#define INGOT_WIRE_JSON_WRITER_H

#include "base/buf.h"
#include "wire/json.h"

enum {
    JW_DEPTH = 63,
};

struct json_writer {
    struct buf *out;
    unsigned depth;
    uint64_t in_object; /* bit d: level d is an object (else an array) */
    uint64_t has_items; /* bit d: level d needs a comma before what follows */
    bool after_key;
};

static inline struct json_writer jw_over(struct buf *out)
{
    return (struct json_writer){.out = out};
}

void jw_object(struct json_writer *w);
void jw_array(struct json_writer *w);
void jw_end(struct json_writer *w); /* of the innermost object or array */
void jw_key(struct json_writer *w, struct str key);
void jw_str(struct json_writer *w, struct str s);
void jw_int(struct json_writer *w, int64_t v);
void jw_bool(struct json_writer *w, bool v);
void jw_null(struct json_writer *w);
void jw_raw(struct json_writer *w, struct str json);      /* one complete JSON value */
void jw_json(struct json_writer *w, const json_t *value); /* members keep their order */
/* Splices the members of a stored JSON object ("{...}", may be "{}") into the open object. */
void jw_members(struct json_writer *w, struct str object);
/* The same for members without the braces around them: `"a":1,"b":2`. */
void jw_members_raw(struct json_writer *w, struct str members);
/* `"key":` as ready bytes; what the macros below use. */
void jw_key_raw(struct json_writer *w, struct str quoted_key_and_colon);
/* True when everything that was opened is closed again and the buffer did not overflow. */
bool jw_is_complete(const struct json_writer *w);

#define JW_KEY(w, key)            jw_key_raw((w), STR("\"" key "\":"))
#define JW_STR(w, key, v)         (JW_KEY((w), key), jw_str((w), (v)))
#define JW_STR_OR_NULL(w, key, v) (JW_KEY((w), key), (v).p ? jw_str((w), (v)) : jw_null((w)))
#define JW_INT(w, key, v)         (JW_KEY((w), key), jw_int((w), (v)))
#define JW_BOOL(w, key, v)        (JW_KEY((w), key), jw_bool((w), (v)))
#define JW_RAW(w, key, v)         (JW_KEY((w), key), jw_raw((w), (v)))
#define JW_JSON(w, key, v)        (JW_KEY((w), key), jw_json((w), (v)))
#define JW_OBJECT(w, key)         (JW_KEY((w), key), jw_object((w)))
#define JW_ARRAY(w, key)          (JW_KEY((w), key), jw_array((w)))

/* A tree as compact JSON in the arena, members in their order: for what need not be canonical. */
struct str json_encode(struct arena *a, const json_t *value);

#endif
