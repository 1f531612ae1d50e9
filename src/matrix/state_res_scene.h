/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories for the tests of state resolution: a room whose users say things on several forks at once. A line gets
 * its auth events from the state of its fork by the protocol's own selection, is checked against that state, and
 * becomes part of it. Users are bare words ("bob" is @bob:example.org), events have the ids that the story gives.
 *
 *     struct scene *s = scene_new("11");
 *     struct fork base = scene_room(s), a = base, b = base;
 *     SAY(s, &a, .id = "t1", .by = "alice", .type = "m.room.topic", .content = "{}");
 *     ASSERT_STATE(s, scene_resolve(s, a, b), "m.room.topic", "", "t1");
 *     scene_free(s);
 */
#ifndef INGOT_MATRIX_STATE_RES_SCENE_H
#define INGOT_MATRIX_STATE_RES_SCENE_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "crypto/hash.h"
#include "matrix/auth_events.h"
#include "matrix/auth_rules.h"
#include "matrix/room_version.h"
#include "matrix/state_res.h"
#include "tests/support/test.h"
#include "wire/canonical.h"

struct scene_event {
    struct event *ev;
    const char *label;
    uint64_t auth[AUTH_KEYS_MAX];
    size_t n_auth;
    enum auth_verdict verdict;
};

struct scene {
    struct arena arena;
    const struct room_version *version;
    struct smap names, nodes, labels;
    VEC(struct scene_event *) events; /* nid - 1 */
    uint64_t next_name;
    int64_t clock, depth;
    const struct event *create;
    struct str room_id;
    struct state_nodes vtable;
    struct state_res_source source;
    long fail_after; /* callbacks until one fails; negative: never */
};

struct fork {
    struct state_id root;
    struct str last; /* the newest event's id */
};

struct line {
    const char *id, *by, *type;
    const char *key;     /* state key; NULL: "" */
    const char *content; /* any order of keys */
    int64_t ts, depth;   /* 0: one more than before */
    bool is_forced;      /* goes into the state although the rules refuse it */
    enum auth_verdict verdict;
};

/* ---- what core would do ---- */

static struct str scene_id_bytes(const struct state_id *id)
{
    return str_n((const char *)id->b, sizeof(id->b));
}

static bool scene_fails(struct scene *s)
{
    return s->fail_after >= 0 && s->fail_after-- == 0;
}

static int scene_node_get(void *ctx, struct state_id id, struct str *out, struct err *err)
{
    struct scene *s = ctx;
    union map_val *at = smap_find(&s->nodes, scene_id_bytes(&id));
    if (!at || scene_fails(s)) {
        return err_set(err, E_BUSY, 0, NULL, "No node now");
    }
    *out = *(struct str *)at->ptr;
    return 0;
}

static int scene_node_put(void *ctx, struct state_id id, struct str bytes, struct err *err)
{
    struct scene *s = ctx;
    if (scene_fails(s)) {
        return err_set(err, E_BUSY, 0, NULL, "No writing now");
    }
    struct str *copy = arena_new(&s->arena, struct str);
    *copy = arena_str(&s->arena, bytes);
    smap_at(&s->nodes, scene_id_bytes(&id), NULL)->ptr = copy;
    return 0;
}

static int scene_event_get(void *ctx, uint64_t nid, const struct event **out, struct err *err)
{
    struct scene *s = ctx;
    if (scene_fails(s)) {
        return err_set(err, E_BUSY, 0, NULL, "No event now");
    }
    *out = s->events.p[nid - 1]->ev;
    return 0;
}

static int scene_auth(void *ctx, uint64_t nid, struct auth_links *out, struct err *err)
{
    struct scene *s = ctx;
    if (scene_fails(s)) {
        return err_set(err, E_BUSY, 0, NULL, "No edges now");
    }
    const struct scene_event *e = s->events.p[nid - 1];
    *out = (struct auth_links){.auth = e->auth, .n = e->n_auth, .verdict = e->verdict};
    return 0;
}

static uint64_t scene_nid(struct scene *s, struct str text)
{
    bool is_new;
    uint64_t nid = name_well_known(text);
    if (nid != 0) {
        return nid;
    }
    union map_val *at = smap_at(&s->names, text, &is_new);
    at->u = is_new ? s->next_name++ : at->u;
    return at->u;
}

static int scene_name(void *ctx, struct str text, uint64_t *out, struct err *err)
{
    struct scene *s = ctx;
    if (scene_fails(s)) {
        return err_set(err, E_BUSY, 0, NULL, "No names now");
    }
    *out = scene_nid(s, text);
    return 0;
}

/* ---- making a scene ---- */

static struct scene *scene_new(const char *version)
{
    struct scene *s = xcalloc(1, sizeof(*s));
    arena_init(&s->arena, 0);
    s->version = room_version_find(str_c(version));
    assert_non_null(s->version);
    s->next_name = NID_FIRST_FREE;
    s->fail_after = -1;
    s->vtable = (struct state_nodes){s, scene_node_get, scene_node_put};
    s->source = (struct state_res_source){.ctx = s,
                                          .nodes = &s->vtable,
                                          .event = scene_event_get,
                                          .auth = scene_auth,
                                          .name = scene_name,
                                          .auth_nids_ascend = true};
    s->room_id = s->version->is_room_id_create_hash ? STR("!create") : STR("!room:example.org");
    return s;
}

static void scene_free(struct scene *s)
{
    vec_for_each (at, &s->events) {
        event_unref(&(*at)->ev);
    }
    vec_release(&s->events);
    smap_release(&s->names);
    smap_release(&s->nodes);
    smap_release(&s->labels);
    arena_release(&s->arena);
    free(s);
}

static struct str scene_user(struct scene *s, const char *name)
{
    return arena_printf(&s->arena, "@%s:example.org", name);
}

/* Member events are about users; other keys are taken as they are. */
static struct str scene_key(struct scene *s, const char *type, const char *key)
{
    bool is_user = key && key[0] && strcmp(type, "m.room.member") == 0;
    return is_user ? scene_user(s, key) : arena_printf(&s->arena, "%s", key ? key : "");
}

static struct str scene_event_id(struct scene *s, const char *label)
{
    bool has_domain = s->version->event_id_format == EVENT_ID_OPAQUE;
    return arena_printf(&s->arena, "$%s%s", label, has_domain ? ":example.org" : "");
}

static struct str scene_canonical(struct scene *s, struct str text)
{
    json_t *tree;
    struct str out;
    struct err err;
    assert_ok(json_parse(&s->arena, text, 0, &tree, &err), &err);
    assert_ok(canonical_encode(&s->arena, tree, 0, &out, &err), &err);
    return out;
}

static struct str scene_list(struct scene *s, const struct str *ids, size_t n)
{
    bool has_hashes = s->version->event_id_format == EVENT_ID_OPAQUE;
    struct str list = STR("[");
    for (size_t i = 0; i < n; i++) {
        list = arena_printf(&s->arena, has_hashes ? "%.*s%s[\"%.*s\",{}]" : "%.*s%s\"%.*s\"",
                            STR_ARG(list), i ? "," : "", STR_ARG(ids[i]));
    }
    return ARENA_CONCAT(&s->arena, list, STR("]"));
}

static struct event *scene_load(struct scene *s, const struct event_draft *d, struct str id)
{
    struct arena *a = &s->arena;
    struct event *ev;
    struct err err;
    struct str client = arena_printf(
        a,
        "{\"content\":%.*s,\"event_id\":\"%.*s\",\"origin_server_ts\":%lld,\"room_id\":\"%.*s\","
        "\"sender\":\"%.*s\",\"state_key\":\"%.*s\",\"type\":\"%.*s\"}",
        STR_ARG(d->content), STR_ARG(id), (long long)d->origin_server_ts, STR_ARG(s->room_id),
        STR_ARG(d->sender), STR_ARG(d->state_key), STR_ARG(d->type));
    struct str auth = scene_list(s, d->auth_events, d->n_auth);
    struct str prev = scene_list(s, d->prev_events, d->n_prev);
    struct str server =
        arena_printf(a, "{\"auth_events\":%.*s,\"depth\":%lld,\"prev_events\":%.*s}", STR_ARG(auth),
                     (long long)d->depth, STR_ARG(prev));
    assert_ok(event_load(s->version, id, client, server, &ev, &err), &err);
    ev->ids.room = 1;
    ev->ids.event = s->events.n + 1;
    ev->ids.type = scene_nid(s, d->type);
    ev->ids.sender = scene_nid(s, d->sender);
    ev->ids.state_key = scene_nid(s, d->state_key);
    return ev;
}

struct scene_view {
    struct scene *s;
    struct state_id root;
};

static const struct event *scene_state_get(void *ctx, uint64_t type, struct str key)
{
    struct scene_view *v = ctx;
    uint64_t nid;
    struct err err;
    if (type == NID_CREATE && v->s->version->is_room_id_create_hash) {
        return v->s->create;
    }
    assert_ok(state_get(&v->s->vtable, v->root, type, scene_nid(v->s, key), &nid, &err), &err);
    return nid ? v->s->events.p[nid - 1]->ev : NULL;
}

static void scene_put(struct scene *s, struct fork *f, const struct scene_event *e)
{
    struct state_entry change = {e->ev->ids.type, e->ev->ids.state_key, e->ev->ids.event};
    struct err err;
    assert_ok(state_set(&s->vtable, f->root, &change, 1, &f->root, &err), &err);
    f->last = e->ev->event_id;
}

static size_t scene_auth_events(struct scene *s, struct fork *f, const struct event_draft *d,
                                struct scene_event *e, struct str *ids)
{
    struct auth_key keys[AUTH_KEYS_MAX];
    size_t n = auth_keys_for_draft(&s->arena, s->version, d, keys), found = 0;
    struct scene_view view = {s, f->root};
    for (size_t i = 0; i < n; i++) {
        const struct event *ev = scene_state_get(&view, keys[i].type, keys[i].state_key);
        if (ev) {
            e->auth[found] = ev->ids.event;
            ids[found++] = ev->event_id;
        }
    }
    return e->n_auth = found;
}

/* Says the line on the fork; NULL, and nothing happened, if the rules refuse it. */
static struct scene_event *scene_say(struct scene *s, struct fork *f, struct line l)
{
    struct scene_event *e = arena_new(&s->arena, struct scene_event);
    struct str ids[AUTH_KEYS_MAX];
    struct event_draft d = {
        .room_id = s->room_id,
        .type = str_c(l.type),
        .sender = scene_user(s, l.by),
        .state_key = scene_key(s, l.type, l.key),
        .is_state = true,
        .content = scene_canonical(s, l.content ? str_c(l.content) : STR("{}")),
        .origin_server_ts = l.ts ? l.ts : ++s->clock,
        .depth = l.depth ? l.depth : ++s->depth,
        .prev_events = &f->last,
        .n_prev = f->last.n > 0,
        .auth_events = ids,
    };
    d.n_auth = scene_auth_events(s, f, &d, e, ids);
    e->ev = scene_load(s, &d, scene_event_id(s, l.id));
    e->label = (const char *)arena_cstr(&s->arena, str_c(l.id));
    e->verdict = l.verdict;
    struct scene_view view = {s, f->root};
    struct auth_state state = {scene_state_get, &view};
    struct err err;
    if (!l.is_forced && auth_check(e->ev, &state, &err)) {
        event_unref(&e->ev);
        return NULL;
    }
    s->create = s->create ? s->create : e->ev;
    s->source.create = s->create;
    vec_push(&s->events, e);
    smap_at(&s->labels, str_c(e->label), NULL)->ptr = e;
    scene_put(s, f, e);
    return e;
}

#define SAY(s, fork, ...) assert_non_null(scene_say((s), (fork), (struct line){__VA_ARGS__}))

static struct scene_event *scene_find(struct scene *s, const char *label)
{
    union map_val *at = smap_find(&s->labels, str_c(label));
    assert_non_null(at);
    return at->ptr;
}

/* Lays events that were said elsewhere into the state of the fork: what a merge or a faulty server may do. */
static void scene_lay(struct scene *s, struct fork *f, const char *label)
{
    scene_put(s, f, scene_find(s, label));
}

/* Puts `"alice":100` into the users of a power_levels content, in versions where creators may be listed. */
static const char *scene_power(struct scene *s, const char *others, const char *rest)
{
    bool lists_creator = !s->version->has_privileged_creators;
    return arena_printf(&s->arena, "{\"users\":{%s%s%s}%s%s}",
                        lists_creator ? "\"@alice:example.org\":100" : "",
                        lists_creator && others[0] ? "," : "", others, rest[0] ? "," : "", rest)
        .p;
}

static void scene_member(struct scene *s, struct fork *f, const char *id, const char *by,
                         const char *whom, const char *membership)
{
    const char *content = arena_printf(&s->arena, "{\"membership\":\"%s\"}", membership).p;
    SAY(s, f, .id = id, .by = by, .type = "m.room.member", .key = whom, .content = content);
}

static void scene_join(struct scene *s, struct fork *f, const char *who)
{
    const char *id = arena_printf(&s->arena, "join-%s", who).p;
    scene_member(s, f, id, who, who, "join");
}

/* alice makes a public room with power levels in which bob may do what takes 50. */
static struct fork scene_room(struct scene *s)
{
    struct fork f = {.root = STATE_EMPTY};
    const char *creator =
        s->version->has_creator_in_content ? "{\"creator\":\"@alice:example.org\"}" : "{}";
    SAY(s, &f, .id = "create", .by = "alice", .type = "m.room.create", .content = creator);
    scene_join(s, &f, "alice");
    SAY(s, &f, .id = "power", .by = "alice", .type = "m.room.power_levels",
        .content = scene_power(s, "\"@bob:example.org\":50", ""));
    SAY(s, &f, .id = "public", .by = "alice", .type = "m.room.join_rules",
        .content = "{\"join_rule\":\"public\"}");
    scene_join(s, &f, "bob");
    scene_join(s, &f, "carol");
    SAY(s, &f, .id = "topic", .by = "alice", .type = "m.room.topic",
        .content = "{\"topic\":\"-\"}");
    return f;
}

static struct state_id scene_resolve_n(struct scene *s, const struct state_id *roots, size_t n)
{
    struct state_id out;
    struct err err;
    assert_ok(state_resolve(s->version, &s->source, roots, n, &out, &err), &err);
    return out;
}

/* Resolves two forks, both ways round. */
static struct state_id scene_resolve(struct scene *s, struct fork a, struct fork b)
{
    const struct state_id ab[] = {a.root, b.root}, ba[] = {b.root, a.root};
    struct state_id out = scene_resolve_n(s, ab, 2);
    assert_true(state_id_eq(out, scene_resolve_n(s, ba, 2)));
    return out;
}

/* label NULL: nothing there */
static void scene_assert(struct scene *s, struct state_id root, const char *type, const char *key,
                         const char *label)
{
    struct err err;
    uint64_t nid;
    assert_ok(state_get(&s->vtable, root, scene_nid(s, str_c(type)),
                        scene_nid(s, scene_key(s, type, key)), &nid, &err),
              &err);
    assert_string_equal(nid ? s->events.p[nid - 1]->label : "(none)", label ? label : "(none)");
}

#endif
