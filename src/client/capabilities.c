/* SPDX-License-Identifier: Apache-2.0 */
/* What a client finds out before it does anything: versions, capabilities, well-known files, TURN servers. */
#include "base/clock.h"
#include "client/handler.h"
#include "client/routes.h"
#include "core/mailer.h"
#include "crypto/hash.h"
#include "matrix/room_version.h"
#include "wire/base64.h"
#include "wire/json.h"

/* ---- GET versions ---- */

/* What clients still ask for by its unstable name although it is specified, and is there. */
static const char *const unstable_features[] = {
    "m.lazy_load_members",
    "org.matrix.e2e_cross_signing",
    "org.matrix.msc2285.stable",
    "org.matrix.msc3440.stable",
};

static int get_versions(struct request *rq, UNUSED struct err *err)
{
    enum { NEWEST = 19 }; /* v1.19; v1.1 is the oldest of this numbering */
    json_t *out = json_object(), *versions = json_array(), *features = json_object();
    for (int minor = 1; minor <= NEWEST; minor++) {
        json_array_append_new(versions, json_new_str(arena_printf(rq->arena, "v1.%d", minor)));
    }
    for (size_t i = 0; i < ARRAY_LEN(unstable_features); i++) {
        json_put_bool(features, unstable_features[i], true);
    }
    json_put(out, STR("versions"), versions);
    json_put(out, STR("unstable_features"), features);
    return reply_json(rq, 200, out);
}

/* ---- GET capabilities ---- */

static void put_switch(json_t *capabilities, const char *name, bool enabled)
{
    json_t *value = json_object();
    json_put_bool(value, "enabled", enabled);
    json_put(capabilities, str_c(name), value);
}

static json_t *version_list(const struct config *config)
{
    json_t *out = json_object(), *available = json_object();
    for (size_t i = 0; i < room_versions_n; i++) {
        json_put(available, room_versions[i].id, json_new_str(STR("stable")));
    }
    json_put_str(out, "default", config->rooms.default_version);
    json_put(out, STR("available"), available);
    return out;
}

/* Only who may moderate accounts is told that it can be done. */
static void put_account_moderation(json_t *capabilities)
{
    json_t *value = json_object();
    json_put_bool(value, "lock", true);
    json_put_bool(value, "suspend", true);
    json_put(capabilities, STR("m.account_moderation"), value);
}

static int get_capabilities(struct request *rq, UNUSED struct err *err)
{
    const struct config *config = server_of(rq)->config;
    json_t *out = json_object(), *c = json_object();
    put_switch(c, "m.change_password", config->password.enabled);
    put_switch(c, "m.set_displayname", true);
    put_switch(c, "m.set_avatar_url", true);
    put_switch(c, "m.profile_fields", true);
    put_switch(c, "m.3pid_changes", mailer_is_on(config));
    put_switch(c, "m.get_login_token", true);
    json_put(c, STR("m.room_versions"), version_list(config));
    if (rq->who.is_admin) {
        put_account_moderation(c);
    }
    json_put(out, STR("capabilities"), c);
    return reply_json(rq, 200, out);
}

/* ---- well-known ---- */

static int parse_object(struct request *rq, struct str json, json_t **out, struct err *err)
{
    return json_parse(rq->arena, json.n ? json : STR("{}"), JPARSE_REALS, out, err);
}

static void put_base_url(json_t *out, struct str key, struct str url)
{
    json_t *value = json_object();
    json_put_str(value, "base_url", url);
    json_put(out, key, value);
}

static int get_well_known_client(struct request *rq, struct err *err)
{
    const struct config *config = server_of(rq)->config;
    struct str url = config->well_known.client_base_url;
    json_t *out;
    int rc = parse_object(rq, config->well_known.extra_client, &out, err);
    if (rc != 0) {
        return rc;
    }
    put_base_url(out, STR("m.homeserver"), url.n ? url : config->public_url);
    if (config->well_known.identity_server.n) {
        put_base_url(out, STR("m.identity_server"), config->well_known.identity_server);
    }
    return reply_json(rq, 200, out);
}

static int get_well_known_support(struct request *rq, struct err *err)
{
    struct str support = server_of(rq)->config->well_known.support;
    if (support.n == 0) {
        return err_not_found(err, "There is no support information");
    }
    return reply_bytes(rq, 200, "application/json", support);
}

static int get_well_known_policy_server(struct request *rq, struct err *err)
{
    struct str key = server_of(rq)->config->well_known.policy_key;
    json_t *out = json_object(), *keys = json_object();
    if (key.n == 0) {
        return err_not_found(err, "There is no policy server under this name");
    }
    json_put_str(keys, "ed25519", key);
    json_put(out, STR("public_keys"), keys);
    return reply_json(rq, 200, out);
}

/* ---- GET turnServer ---- */

/* The scheme that TURN servers call "REST API": the name is the end of its own validity, the password a MAC of it. */
static void put_made_credentials(json_t *out, struct request *rq)
{
    const struct config *config = server_of(rq)->config;
    unsigned char mac[SHA1_LEN];
    int64_t end = (clock_wall_ms() + config->turn.user_lifetime_ms) / 1000;
    struct str name =
        arena_printf(rq->arena, "%lld:%.*s", (long long)end, STR_ARG(rq->who.user_id));
    hmac_sha1(config->turn.shared_secret, name, mac);
    json_put_str(out, "username", name);
    json_put_str(out, "password",
                 base64_encode(rq->arena, str_n((char *)mac, sizeof(mac)), BASE64_PADDED));
}

static int get_turn_server(struct request *rq, UNUSED struct err *err)
{
    const struct config *config = server_of(rq)->config;
    json_t *out = json_object(), *uris = json_array();
    if (config->turn.uris.n == 0) {
        return reply_empty_object(rq); /* clients take it for "there is none" */
    }
    for (size_t i = 0; i < config->turn.uris.n; i++) {
        json_array_append_new(uris, json_new_str(config->turn.uris.p[i]));
    }
    if (config->turn.shared_secret.n) {
        put_made_credentials(out, rq);
    } else {
        json_put_str(out, "username", config->turn.username);
        json_put_str(out, "password", config->turn.password);
    }
    json_put(out, STR("uris"), uris);
    json_put_int(out, "ttl", config->turn.user_lifetime_ms / 1000);
    return reply_json(rq, 200, out);
}

const struct route capabilities_routes[] = {
    {HTTP_GET, "/_matrix/client/versions", get_versions, .auth = ROUTE_NONE, .rate = RATE_NONE},
    {HTTP_GET, "/_matrix/client/v3/capabilities", get_capabilities, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {HTTP_GET, "/.well-known/matrix/client", get_well_known_client, .auth = ROUTE_NONE,
     .rate = RATE_NONE},
    {HTTP_GET, "/.well-known/matrix/policy_server", get_well_known_policy_server,
     .auth = ROUTE_NONE, .rate = RATE_NONE},
    {HTTP_GET, "/.well-known/matrix/support", get_well_known_support, .auth = ROUTE_NONE,
     .rate = RATE_NONE},
    {HTTP_GET, "/_matrix/client/v3/voip/turnServer", get_turn_server, .auth = ROUTE_USER,
     .rate = RATE_DEFAULT},
    {0},
};
