/* SPDX-License-Identifier: Apache-2.0 */
#include "core/appservice.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "matrix/ids.h"
#include "wire/regex.h"
#include "wire/yaml.h"

enum { FILE_MAX_BYTES = 1 << 20 };

/* ---- reading one file ------------------------------------------------------------------------- */

struct registration {
    struct arena *arena; /* of the set */
    struct arena scratch;
    const struct yaml_value *root;
    struct appservice *as;
    struct err *err;
};

static int wrong(struct registration *r, const struct yaml_value *where, const char *fmt, ...)
    PRINTF(3, 4);
static int wrong(struct registration *r, const struct yaml_value *where, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct str what = arena_vprintf(&r->scratch, fmt, ap);
    va_end(ap);
    return err_set(r->err, E_INVALID, 0, NULL, "%.*s, line %d: %.*s", STR_ARG(r->as->file),
                   where ? where->line : 1, STR_ARG(what));
}

static int read_file(struct registration *r, struct buf *out)
{
    char chunk[16384];
    ssize_t n = -1;
    int fd = open(arena_cstr(&r->scratch, r->as->file), O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0) {
        buf_add(out, str_n(chunk, (size_t)n));
    }
    int why = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (n < 0) {
        return err_set(r->err, E_INVALID, 0, NULL, "%.*s: cannot be read: %s", STR_ARG(r->as->file),
                       strerror(why));
    }
    return out->overflow ? wrong(r, NULL, "is longer than %d bytes", FILE_MAX_BYTES) : 0;
}

static int read_yaml(struct registration *r)
{
    struct buf text = BUF_INIT(FILE_MAX_BYTES);
    struct err why = {0};
    int rc = read_file(r, &text);
    if (rc == 0 && yaml_parse(&r->scratch, buf_str(&text), &r->root, &why) != 0) {
        rc = err_set(r->err, E_INVALID, 0, NULL, "%.*s, %s", STR_ARG(r->as->file), why.message);
    }
    if (rc == 0 && r->root->kind != YAML_MAP) {
        rc =
            wrong(r, r->root, "is no registration: a mapping with id, url, as_token … is expected");
    }
    buf_release(&text);
    return rc;
}

static int read_text(struct registration *r, const char *key, struct str *out)
{
    const struct yaml_value *v = yaml_find(r->root, str_c(key));
    if (!v || v->kind != YAML_SCALAR || v->text.n == 0 || yaml_is_null(v)) {
        return wrong(r, v, "\"%s\" is missing", key);
    }
    *out = arena_str(r->arena, v->text);
    return 0;
}

static int read_flag(struct registration *r, const char *key, bool *out)
{
    const struct yaml_value *v = yaml_find(r->root, str_c(key));
    return yaml_is_null(v) || yaml_to_bool(v, out) ? 0
                                                   : wrong(r, v, "\"%s\" is true or false", key);
}

/* `url: null` is how an application service says that it wants no traffic. */
static int read_url(struct registration *r)
{
    const struct yaml_value *v = yaml_find(r->root, STR("url"));
    if (!v) {
        return wrong(r, NULL, "\"url\" is missing; null if it wants no traffic");
    }
    if (yaml_is_null(v)) {
        return 0;
    }
    struct str url = v->text;
    while (str_ends(url, STR("/"))) {
        url.n--;
    }
    if (v->kind != YAML_SCALAR ||
        !(str_starts(url, STR("http://")) || str_starts(url, STR("https://")))) {
        return wrong(r, v, "\"url\" begins with http:// or https://");
    }
    r->as->url = arena_str(r->arena, url);
    return 0;
}

static int read_namespace(struct registration *r, const struct yaml_value *v,
                          struct appservice_namespace *out)
{
    const struct yaml_value *regex = yaml_find(v, STR("regex")),
                            *exclusive = yaml_find(v, STR("exclusive"));
    struct err why = {0};
    if (!regex || regex->kind != YAML_SCALAR || regex->text.n == 0) {
        return wrong(r, v, "a namespace needs a \"regex\"");
    }
    if (!yaml_is_null(exclusive) && !yaml_to_bool(exclusive, &out->is_exclusive)) {
        return wrong(r, exclusive, "\"exclusive\" is true or false");
    }
    return regex_new(regex->text, &out->regex, &why) == 0
               ? 0
               : wrong(r, regex, "the regex cannot be understood: %s", why.message);
}

static int read_space(struct registration *r, enum appservice_space space, const char *key)
{
    const struct yaml_value *v = yaml_find(yaml_find(r->root, STR("namespaces")), str_c(key));
    int rc = 0;
    if (yaml_is_null(v)) {
        return 0;
    }
    if (v->kind != YAML_LIST) {
        return wrong(r, v, "namespaces.%s is a list", key);
    }
    r->as->spaces[space].p = arena_array(r->arena, struct appservice_namespace, v->n);
    r->as->spaces[space].n = v->n;
    for (size_t i = 0; rc == 0 && i < v->n; i++) {
        rc = read_namespace(r, v->items[i], &r->as->spaces[space].p[i]);
    }
    return rc;
}

static int read_spaces(struct registration *r)
{
    static const char *const keys[APPSERVICE_SPACES] = {[APPSERVICE_USERS] = "users",
                                                        [APPSERVICE_ALIASES] = "aliases",
                                                        [APPSERVICE_ROOMS] = "rooms"};
    const struct yaml_value *v = yaml_find(r->root, STR("namespaces"));
    int rc = 0;
    if (!v || (v->kind != YAML_MAP && !yaml_is_null(v))) {
        return wrong(r, v, "\"namespaces\" is missing: a mapping with users, aliases and rooms");
    }
    for (int i = 0; rc == 0 && i < APPSERVICE_SPACES; i++) {
        rc = read_space(r, (enum appservice_space)i, keys[i]);
    }
    return rc;
}

static int read_protocols(struct registration *r)
{
    const struct yaml_value *v = yaml_find(r->root, STR("protocols"));
    if (yaml_is_null(v)) {
        return 0;
    }
    if (v->kind == YAML_MAP) {
        return wrong(r, v, "\"protocols\" is a list of names");
    }
    size_t n = v->kind == YAML_LIST ? v->n : 1;
    struct str *names = arena_array(r->arena, struct str, n);
    for (size_t i = 0; i < n; i++) {
        const struct yaml_value *one = v->kind == YAML_LIST ? v->items[i] : v;
        if (one->kind != YAML_SCALAR || one->text.n == 0) {
            return wrong(r, one, "\"protocols\" is a list of names");
        }
        names[i] = arena_str(r->arena, one->text);
    }
    r->as->protocols = (struct config_strs){names, n};
    return 0;
}

static int read_sender(struct registration *r, struct str server_name)
{
    struct appservice *as = r->as;
    int rc = read_text(r, "sender_localpart", &as->sender_localpart);
    if (rc == 0 && !user_localpart_is_valid(as->sender_localpart, server_name)) {
        rc =
            wrong(r, yaml_find(r->root, STR("sender_localpart")),
                  "\"sender_localpart\" is made of a-z, 0-9 and . _ = - / +, without @ and server");
    }
    as->server_name = server_name;
    as->sender_id = rc == 0 ? user_id_make(r->arena, as->sender_localpart, server_name) : STR_NONE;
    return rc;
}

static int read_registration(struct registration *r, struct str server_name)
{
    struct appservice *as = r->as;
    struct str token = STR_NONE;
    as->is_rate_limited = true;
    int rc = read_yaml(r);
    rc = rc ? rc : read_text(r, "id", &as->id);
    if (rc == 0 && str_chr(as->id, '|') >= 0) {
        rc = wrong(r, yaml_find(r->root, STR("id")),
                   "\"id\" may not contain |, which stands "
                   "between it and its networks");
    }
    rc = rc ? rc : read_text(r, "as_token", &token);
    rc = rc ? rc : read_text(r, "hs_token", &as->hs_token);
    rc = rc ? rc : read_url(r);
    rc = rc ? rc : read_sender(r, server_name);
    rc = rc ? rc : read_flag(r, "rate_limited", &as->is_rate_limited);
    rc = rc ? rc : read_flag(r, "receive_ephemeral", &as->receives_ephemeral);
    rc = rc ? rc : read_flag(r, "de.sorunome.msc2409.push_ephemeral", &as->receives_old_ephemeral);
    rc = rc ? rc : read_spaces(r);
    rc = rc ? rc : read_protocols(r);
    if (rc == 0) {
        sha256(token, as->token_hash);
    }
    return rc;
}

/* ---- the set ---------------------------------------------------------------------------------- */

/* "each as_token and id MUST be unique per application service" */
static int check_unique(const struct appservice_set *set, const struct appservice *as,
                        struct err *err)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct appservice *other = &set->p[i];
        const char *what = str_eq(other->id, as->id)                                    ? "id"
                           : memcmp(other->token_hash, as->token_hash, SHA256_LEN) == 0 ? "as_token"
                                                                                        : NULL;
        if (what) {
            return err_set(err, E_INVALID, 0, NULL, "%.*s has the same %s as %.*s",
                           STR_ARG(as->file), what, STR_ARG(other->file));
        }
    }
    return 0;
}

static int add_file(struct appservice_set *set, struct str file, struct str server_name,
                    struct err *err)
{
    struct appservice *as = &set->p[set->n];
    struct registration r = {.arena = &set->arena, .as = as, .err = err};
    as->file = arena_str(&set->arena, file);
    arena_init(&r.scratch, 0);
    int rc = read_registration(&r, arena_str(&set->arena, server_name));
    arena_release(&r.scratch);
    rc = rc ? rc : check_unique(set, as, err);
    set->n++; /* also a half-read one: its expressions have to be freed */
    return rc;
}

int appservice_set_load(const struct config *config, struct appservice_set **out, struct err *err)
{
    struct appservice_set *set = xcalloc(1, sizeof(*set));
    int rc = 0;
    arena_init(&set->arena, 0);
    set->p = arena_array(&set->arena, struct appservice, config->appservices.n);
    for (size_t i = 0; rc == 0 && i < config->appservices.n; i++) {
        rc = add_file(set, config->appservices.p[i], config->server_name, err);
    }
    if (rc != 0) {
        appservice_set_free(set);
        return rc;
    }
    *out = set;
    return 0;
}

void appservice_set_free(struct appservice_set *set)
{
    if (!set) {
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        for (int space = 0; space < APPSERVICE_SPACES; space++) {
            for (size_t k = 0; k < set->p[i].spaces[space].n; k++) {
                regex_free(set->p[i].spaces[space].p[k].regex);
            }
        }
    }
    arena_release(&set->arena);
    free(set);
}

/* Hashes, so that how far two tokens agree cannot be measured. */
const struct appservice *appservice_set_by_hash(const struct appservice_set *set,
                                                const unsigned char hash[SHA256_LEN])
{
    for (size_t i = 0; i < set->n; i++) {
        if (memcmp(set->p[i].token_hash, hash, SHA256_LEN) == 0) {
            return &set->p[i];
        }
    }
    return NULL;
}

const struct appservice *appservice_set_by_id(const struct appservice_set *set, struct str id)
{
    for (size_t i = 0; i < set->n; i++) {
        if (str_eq(set->p[i].id, id)) {
            return &set->p[i];
        }
    }
    return NULL;
}

/* ---- namespaces ------------------------------------------------------------------------------- */

static bool has(const struct appservice *as, enum appservice_space space, struct str id,
                bool exclusively)
{
    for (size_t i = 0; i < as->spaces[space].n; i++) {
        const struct appservice_namespace *ns = &as->spaces[space].p[i];
        if ((ns->is_exclusive || !exclusively) && regex_matches(ns->regex, id)) {
            return true;
        }
    }
    return false;
}

bool appservice_has_user(const struct appservice *as, struct str user_id)
{
    return str_eq(user_id, as->sender_id) || (str_eq(id_domain(user_id), as->server_name) &&
                                              has(as, APPSERVICE_USERS, user_id, false));
}

bool appservice_has_alias(const struct appservice *as, struct str alias)
{
    return has(as, APPSERVICE_ALIASES, alias, false);
}

bool appservice_has_room(const struct appservice *as, struct str room_id)
{
    return has(as, APPSERVICE_ROOMS, room_id, false);
}

bool appservice_user_is_taken(const struct appservice_set *set, struct str user_id,
                              const struct appservice *except)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct appservice *as = &set->p[i];
        if (as != except &&
            (str_eq(user_id, as->sender_id) || has(as, APPSERVICE_USERS, user_id, true))) {
            return true;
        }
    }
    return false;
}

bool appservice_alias_is_taken(const struct appservice_set *set, struct str alias,
                               const struct appservice *except)
{
    for (size_t i = 0; i < set->n; i++) {
        if (&set->p[i] != except && has(&set->p[i], APPSERVICE_ALIASES, alias, true)) {
            return true;
        }
    }
    return false;
}
