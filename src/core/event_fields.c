/* SPDX-License-Identifier: Apache-2.0 */
#include "core/event_fields.h"

enum { PATH_MAX_BYTES = 4096, PATH_DEPTH_MAX = 32 };

/* Splits off the first key of a path, with `\.` and `\\` resolved. False when the path is used up. */
static bool next_key(struct arena *a, struct str *path, struct str *out)
{
    if (!path->p) {
        return false;
    }
    char *key = arena_alloc(a, path->n + 1);
    size_t n = 0, i = 0;
    for (; i < path->n && path->p[i] != '.'; i++) {
        bool escaped = path->p[i] == '\\' && i + 1 < path->n &&
                       (path->p[i + 1] == '.' || path->p[i + 1] == '\\');
        i += escaped;
        key[n++] = path->p[i];
    }
    *out = str_n(key, n);
    *path = i < path->n ? str_from(*path, i + 1) : STR_NONE;
    return true;
}

/* Copies what the path leads to from one object to the other, making the objects on the way. */
static void copy_path(struct arena *a, const json_t *from, json_t *to, struct str path)
{
    struct str key;
    for (int depth = 0; depth < PATH_DEPTH_MAX && next_key(a, &path, &key); depth++) {
        const json_t *value = json_find(from, key);
        if (!value) {
            return;
        }
        if (!path.p) {
            json_put(to, key, json_incref((json_t *)value));
            return;
        }
        json_t *inner = (json_t *)json_find(to, key);
        if (inner == value) {
            return; /* another path has taken the whole of it */
        }
        if (!json_is_object(value)) {
            return;
        }
        if (!inner) {
            json_put(to, key, inner = json_object());
        }
        from = value;
        to = inner;
    }
}

const json_t *event_fields_select(struct arena *a, const json_t *event,
                                  const struct str_list *fields)
{
    json_t *out = json_object();
    for (size_t i = 0; i < fields->n; i++) {
        if (fields->p[i].n <= PATH_MAX_BYTES) {
            copy_path(a, event, out, fields->p[i]);
        }
    }
    return out;
}
