/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the config module: the key table and the conversion of values. */
#ifndef INGOT_CORE_CONFIG_INTERNAL_H
#define INGOT_CORE_CONFIG_INTERNAL_H

#include "base/vec.h"
#include "core/config.h"
#include "wire/yaml.h"

/* The member that a key of this type fills stands behind it. */
enum config_type {
    CONFIG_BOOL,       /* bool */
    CONFIG_INT,        /* int64_t */
    CONFIG_REAL,       /* double */
    CONFIG_SIZE,       /* int64_t, bytes */
    CONFIG_DURATION,   /* int64_t, milliseconds */
    CONFIG_WORD,       /* an enum */
    CONFIG_WORDS,      /* unsigned, bits */
    CONFIG_TEXT,       /* struct str */
    CONFIG_PATH,       /* struct str */
    CONFIG_JSON,       /* struct str: any mapping */
    CONFIG_TEXTS,      /* struct config_strs */
    CONFIG_PATHS,      /* struct config_strs */
    CONFIG_OBJECTS,    /* {p, n}: a list of structs, described by `items` */
    CONFIG_THUMBNAILS, /* {p, n}: `WIDTHxHEIGHT crop|scale` */
};

struct config_word {
    const char *word;
    int value;
};

struct config_key {
    const char *path;      /* dotted */
    enum config_type type; /* follows from the struct member */
    enum config_type as;   /* what it is more exactly (a path, a size …); 0: just that */
    size_t offset;
    const char *fallback; /* the default as YAML text; NULL: must be given */
    int64_t min, max;     /* of numbers; max 0: none */
    const struct config_word *words;
    const struct config_key *items; /* of CONFIG_OBJECTS: table of one item */
    size_t item_size;
    /* What is wrong with the value, or NULL. For the types that hold struct str (each element of lists). */
    const char *(*check)(struct str value);
    bool secret, reload;
    const char *help;
};

enum origin_kind { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_SECRET_FILE, ORIGIN_ENVIRONMENT };
struct config_origin {
    enum origin_kind kind;
    int line; /* ORIGIN_FILE and ORIGIN_SECRET_FILE: of the key */
};

static inline enum config_type config_key_type(const struct config_key *key)
{
    return key->as ? key->as : key->type;
}

extern const struct config_key config_keys[]; /* ends with a NULL path */
size_t config_key_count(void);

/* What a value is read with. */
struct config_findings {
    VEC(struct str) v;
};

struct config_reader {
    struct arena *arena;
    struct str directory; /* of the configuration file; relative paths start here */
    struct err *err;
    struct config_findings *findings; /* NULL: the first thing that is wrong ends the reading */
};

/* Of what has just been read: returns rc, or notes the finding and lets the reading go on. */
int config_go_on(struct config_reader *r, int rc);

/* E_INVALID "line L: …" */
int config_fail(struct config_reader *r, int line, const char *fmt, ...) PRINTF(3, 4);
/* Converts v into the member of `object` that the key describes. */
int config_read_value(struct config_reader *r, const struct config_key *key,
                      const struct yaml_value *v, void *object);
/* Reads a mapping into `object` by `table`. `set` (may be NULL) learns the origin of each key by its index
 * in the table; keys that are not there get their defaults. */
int config_read_object(struct config_reader *r, const struct config_key *table,
                       const struct yaml_value *map, void *object, struct config_origin *set);
/* As config_read_value from a text that may hold a secret: it is taken literally, no YAML. */
int config_read_secret(struct config_reader *r, const struct config_key *key, struct str text,
                       int line, void *object);

/* Writes the key or group nearest to what somebody typed; false if nothing is near. */
#define CONFIG_PATH_MAX 64
bool config_nearest(const struct config_key *table, const char *typed, char out[CONFIG_PATH_MAX]);

/* Appends the value on one line, as YAML in flow style or as JSON; secrets in clear or masked. */
enum config_style { STYLE_YAML, STYLE_JSON };
void config_write_value(const struct config_key *key, const void *object, enum config_style style,
                        bool mask, struct buf *out);

#endif
