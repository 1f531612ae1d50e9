/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all configuration keys: the only place that knows names, defaults and bounds. */
#include <arpa/inet.h>

#include "core/config_internal.h"
#include "matrix/glob.h"
#include "matrix/ids.h"
#include "net/router.h"
#include "wire/base64.h"

#define KB      ((int64_t)1024)
#define MB      (1024 * KB)
#define GB      (1024 * MB)
#define SECONDS ((int64_t)1000)
#define DAYS    (86400 * SECONDS)

/* The YAML type follows from the struct member; CONFIG_PATH and the like are said where they apply. */
#define TYPE_OF(T, m)                                                                              \
    _Generic(((T *)0)->m, bool                                                                     \
             : CONFIG_BOOL, int64_t                                                                \
             : CONFIG_INT, double                                                                  \
             : CONFIG_REAL, struct str                                                             \
             : CONFIG_TEXT, struct config_strs                                                     \
             : CONFIG_TEXTS, default                                                               \
             : CONFIG_OBJECTS)
#define KEY_OF(T, name, m, def, text, ...)                                                         \
    {                                                                                              \
        .path = (name), .type = TYPE_OF(T, m), .offset = offsetof(T, m), .fallback = (def),        \
        .help = (text), __VA_ARGS__                                                                \
    }
/* A key whose path in the file is its path in the struct. */
#define KEY(m, def, text, ...)          KEY_OF(struct config, #m, m, def, text, __VA_ARGS__)
#define KEY_AS(name, m, def, text, ...) KEY_OF(struct config, name, m, def, text, __VA_ARGS__)
#define ITEM(name, m, def, text, ...)                                                              \
    KEY_OF(struct config_listener, name, m, def, text, __VA_ARGS__)

static const char *check_server_name(struct str v)
{
    return server_name_is_valid(v) ? NULL : "is no valid server name (host or host:port)";
}

static const char *check_identity_server(struct str v)
{
    bool is_ok = str_eq(v, STR("*")) || server_name_is_valid(v);
    return is_ok ? NULL : "is neither \"*\" nor a host or host:port";
}

static const char *check_url(struct str v)
{
    struct str rest = str_starts(v, STR("https://"))  ? str_from(v, strlen("https://"))
                      : str_starts(v, STR("http://")) ? str_from(v, strlen("http://"))
                                                      : STR_NONE;
    bool has_host = rest.n > 0 && rest.p[0] != '/';
    return v.n == 0 || has_host ? NULL : "must begin with https:// or http:// and a host";
}

static const char *check_smtp_url(struct str v)
{
    struct str rest = str_starts(v, STR("smtps://"))  ? str_from(v, strlen("smtps://"))
                      : str_starts(v, STR("smtp://")) ? str_from(v, strlen("smtp://"))
                                                      : STR_NONE;
    bool is_host = rest.n > 0 && server_name_is_valid(rest);
    return v.n == 0 || is_host ? NULL : "must be smtp://HOST[:PORT] or smtps://HOST[:PORT]";
}

static const char *check_mail_address(struct str v)
{
    struct arena a;
    struct str form;
    arena_init(&a, 0);
    bool is_valid = mail_address_parse(&a, v, &form);
    arena_release(&a);
    return v.n == 0 || is_valid ? NULL : "must be an e-mail address such as ingot@example.org";
}

/* These stand in every error of their kind, whose further members have 256 bytes. */
static const char *check_contact(struct str v)
{
    bool is_mail = str_starts(v, STR("mailto:"));
    if (v.n > 200) {
        return "is longer than 200 bytes";
    }
    return is_mail || !check_url(v) ? NULL : "must begin with mailto:, https:// or http://";
}

static const char *check_turn_uri(struct str v)
{
    struct str scheme, rest, host, query;
    bool has_scheme = str_split(v, ':', &scheme, &rest);
    bool is_turn = str_eq(scheme, STR("turn")) || str_eq(scheme, STR("turns"));
    bool is_stun = str_eq(scheme, STR("stun")) || str_eq(scheme, STR("stuns"));
    bool has_query = str_split(rest, '?', &host, &query);
    bool is_good =
        has_scheme && (is_stun || is_turn) && server_name_is_valid(host) &&
        (!has_query ||
         (is_turn && (str_eq(query, STR("transport=udp")) || str_eq(query, STR("transport=tcp")))));
    return is_good ? NULL
                   : "must be turn:, turns:, stun: or stuns: with HOST[:PORT], no slashes, and for "
                     "turn perhaps ?transport=udp or tcp (RFC 7065)";
}

static const char *check_support(struct str v)
{
    bool is_useful =
        str_find(v, STR("\"contacts\"")) >= 0 || str_find(v, STR("\"support_page\"")) >= 0;
    return v.n == 0 || is_useful ? NULL : "needs contacts or support_page";
}

static const char *check_ed25519_key(struct str v)
{
    unsigned char key[32];
    return v.n == 0 || base64_decode_exact(key, sizeof(key), v, BASE64_ANY)
               ? NULL
               : "is no Ed25519 key in base64 (43 characters)";
}

static bool is_address(struct str v)
{
    char z[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (v.n >= sizeof(z)) {
        return false;
    }
    memcpy(z, v.p, v.n);
    z[v.n] = '\0';
    return inet_pton(AF_INET, z, bytes) == 1 || inet_pton(AF_INET6, z, bytes) == 1;
}

static const char *check_address(struct str v)
{
    return is_address(v) ? NULL : "is no IPv4 or IPv6 address";
}

static const char *check_address_range(struct str v)
{
    struct str address, bits;
    uint64_t n = 0;
    bool has_bits = str_split(v, '/', &address, &bits);
    uint64_t max = str_chr(address, ':') >= 0 ? 128 : 32;
    bool is_ok = is_address(address) && (!has_bits || (str_to_u64(bits, &n) && n <= max));
    return is_ok ? NULL : "is no address and no range such as 10.0.0.0/8";
}

static const char *check_port(struct str v)
{
    uint64_t n;
    return str_to_u64(v, &n) && n >= 1 && n <= 65535 ? NULL : "is no port from 1 to 65535";
}

static const char *check_glob(struct str v)
{
    return v.n > 0 && v.n <= GLOB_MAX_BYTES ? NULL : "must have 1 to 256 characters";
}

/* It becomes a header of requests. */
static const char *check_language(struct str v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < 0x20 || v.p[i] > 0x7e) {
            return "has characters that no header may have";
        }
    }
    return v.n > 0 && v.n <= 100 ? NULL : "must have 1 to 100 characters";
}

static const char *check_room_version(struct str v)
{
    int64_t n;
    return str_to_i64(v, &n) && n >= 1 && n <= 12 ? NULL : "must be a room version from 1 to 12";
}

static const struct config_word serve_words[] = {
    {"client", SERVE_CLIENT},
    {"federation", SERVE_FEDERATION},
    {"media", SERVE_MEDIA},
    {"admin", SERVE_ADMIN},
    {"metrics", SERVE_METRICS},
    {"web", SERVE_WEB},
    {NULL, 0},
};
static const struct config_word migrate_words[] = {
    {"auto", MIGRATE_AUTO},
    {"manual", MIGRATE_MANUAL},
    {NULL, 0},
};
static const struct config_word engine_words[] = {
    {"sqlite", DB_SQLITE},
    {"postgresql", DB_POSTGRESQL},
    {NULL, 0},
};
static const struct config_word registration_words[] = {
    {"open", REGISTRATION_OPEN},
    {"token", REGISTRATION_TOKEN},
    {"closed", REGISTRATION_CLOSED},
    {NULL, 0},
};
static const struct config_word email_words[] = {
    {"off", EMAIL_OFF},
    {"optional", EMAIL_OPTIONAL},
    {"required", EMAIL_REQUIRED},
    {NULL, 0},
};
static const struct config_word starttls_words[] = {
    {"required", MAIL_TLS_REQUIRED},
    {"optional", MAIL_TLS_OPTIONAL},
    {"off", MAIL_TLS_OFF},
    {NULL, 0},
};
static const struct config_word captcha_words[] = {
    {"off", CAPTCHA_OFF},
    {"recaptcha", CAPTCHA_RECAPTCHA},
    {"hcaptcha", CAPTCHA_HCAPTCHA},
    {"turnstile", CAPTCHA_TURNSTILE},
    {NULL, 0},
};
static const struct config_word presence_words[] = {
    {"off", PRESENCE_OFF},
    {"own", PRESENCE_OWN},
    {"full", PRESENCE_FULL},
    {NULL, 0},
};
static const struct config_word lookup_words[] = {
    {"everybody", LOOKUP_EVERYBODY},
    {"users", LOOKUP_USERS},
    {"shared_rooms", LOOKUP_SHARED_ROOMS},
    {NULL, 0},
};
static const struct config_word level_words[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {NULL, 0},
};
static const struct config_word format_words[] = {
    {"text", LOG_TEXT},
    {"json", LOG_JSON},
    {NULL, 0},
};

static const struct config_key listener_keys[] = {
    ITEM("bind", bind, "127.0.0.1", "Address to listen on; \"::\" is every address.",
         .check = check_address),
    ITEM("port", port, NULL, "TCP port.", .min = 1, .max = 65535),
    ITEM("tls.certificate", tls_certificate, "", "Certificate chain, PEM.", .as = CONFIG_PATH),
    ITEM("tls.private_key", tls_private_key, "", "Private key, PEM.", .as = CONFIG_PATH),
    ITEM("serve", serve, "[client, media, web]", "What is served here.", .as = CONFIG_WORDS,
         .words = serve_words),
    ITEM("trusted_proxies", trusted_proxies, "[]",
         "Addresses or ranges whose X-Forwarded-For is believed.", .check = check_address_range),
    {NULL},
};

static const struct config_key oembed_keys[] = {
    KEY_OF(struct config_oembed, "endpoint", endpoint, NULL, "URL of the provider's endpoint.",
           .check = check_url),
    KEY_OF(struct config_oembed, "urls", urls, NULL,
           "Pages it knows, with * for any characters: https://video.example/watch*.",
           .check = check_glob),
    {NULL},
};

#define RATE(class, name, speed, most, text)                                                       \
    KEY_AS("rate_limits." name ".per_second", rate_limits.rate[class].per_second, speed, text,     \
           .max = 1000000, .reload = true),                                                        \
        KEY_AS("rate_limits." name ".burst", rate_limits.rate[class].burst, most,                  \
               "How many may come at once.", .min = 1, .max = 1000000, .reload = true)

const struct config_key config_keys[] = {
    KEY(server_name, NULL,
        "The part of user ids behind the colon, e.g. example.org. Can never be changed.",
        .check = check_server_name),
    KEY(data_dir, NULL, "Database, media and signing keys live here.", .as = CONFIG_PATH),
    KEY(public_url, "",
        "Where clients reach this server. Default: https://SERVER_NAME, for localhost "
        "http://localhost:8008.",
        .check = check_url),
    KEY(listeners,
        "[{bind: 127.0.0.1, port: 8008,"
        " serve: [client, federation, media, admin, metrics, web]}]",
        "Where to listen: bind, port, tls {certificate, private_key}, serve, trusted_proxies. "
        "serve is any of client, federation, media, admin, metrics, web.",
        .items = listener_keys, .item_size = sizeof(struct config_listener)),

    KEY(database.engine, "sqlite", "sqlite (inside data_dir) or postgresql.", .as = CONFIG_WORD,
        .words = engine_words),
    KEY(database.url, "", "Of PostgreSQL: postgresql://user@host/db?sslmode=verify-full",
        .secret = true),
    KEY(database.password, "", "For PostgreSQL, so that the URL need not hold it.", .secret = true),
    KEY_AS("database.statement_timeout", database.statement_timeout_ms, "60s",
           "PostgreSQL: a statement that takes longer is given up; 0: none.",
           .as = CONFIG_DURATION),
    KEY(database.readers, "0",
        "Connections that read, beside the one that writes; 0: as many as limits.workers.",
        .max = 1024),
    KEY(database.migrate, "auto",
        "auto: the server brings the database up to date when it starts; manual: it refuses to"
        " start until `ingot db migrate` has.",
        .as = CONFIG_WORD, .words = migrate_words),

    KEY(registration.mode, "closed",
        "Who may create an account: open (anybody), token (with a registration token), closed.",
        .as = CONFIG_WORD, .words = registration_words, .reload = true),
    KEY(registration.guests, "false", "Whether guests may come in.", .reload = true),
    KEY(registration.email, "off",
        "Whether new people give an e-mail address, which is verified: off, optional, required.",
        .as = CONFIG_WORD, .words = email_words, .reload = true),
    KEY(registration.email_domains, "[]",
        "Only addresses of these domains may be used by people; empty: of any.",
        .check = check_server_name, .reload = true),
    KEY(registration.shared_secret, "",
        "Allows tools to create accounts by /_synapse/admin/v1/register.", .secret = true,
        .reload = true),
    KEY(registration.tokens, "[]", "Registration tokens, beside those made by the admin.",
        .secret = true, .reload = true),
    KEY(registration.max_accounts, "0",
        "How many active accounts there may be before nobody can register any more; 0: no limit. "
        "Guests, bridges' users and what administrators make do not count.",
        .max = 1000000000, .reload = true),
    KEY(registration.terms.version, "",
        "If set, people accept terms when they register; change it when the terms change.",
        .reload = true),
    KEY(registration.terms.name, "Terms of service", "Title of the terms.", .reload = true),
    KEY(registration.terms.url, "", "Where the terms can be read.", .check = check_url,
        .reload = true),

    KEY(email.smtp_url, "",
        "Mail server to send through, smtp://HOST:587 or smtps://HOST:465. Empty: no e-mail.",
        .check = check_smtp_url, .reload = true),
    KEY(email.starttls, "required",
        "Encryption with smtp://: required, optional (somebody on the path can prevent it), off.",
        .as = CONFIG_WORD, .words = starttls_words, .reload = true),
    KEY(email.user, "", "Account at the mail server; empty: without authentication.",
        .reload = true),
    KEY(email.password, "", "Its password.", .secret = true, .reload = true),
    KEY(email.ca_file, "", "CAs that the mail server's certificate may come from, PEM.",
        .as = CONFIG_PATH, .reload = true),
    KEY(email.from, "", "Address that mails come from.", .check = check_mail_address,
        .reload = true),
    KEY(email.from_name, "", "Name beside it. Default: app_name.", .reload = true),
    KEY(email.app_name, "Matrix", "What mails call this service.", .reload = true),
    KEY_AS("email.timeout", email.timeout_ms, "20s", "Time that sending one mail may take.",
           .as = CONFIG_DURATION, .min = SECONDS, .max = 600 * SECONDS, .reload = true),
    KEY_AS("email.link_lifetime", email.link_lifetime_ms, "1h",
           "How long a link that verifies an address is good.", .as = CONFIG_DURATION,
           .min = SECONDS, .max = 7 * DAYS, .reload = true),
    KEY(email.hide_accounts, "true",
        "Do not tell who asks whether an address belongs to an account: its owner gets a mail.",
        .reload = true),
    KEY(email.next_link_hosts, "[]",
        "Hosts of web apps to which people are sent back by themselves after verifying. Other "
        "apps' links are shown, to be followed by hand; with this list they are refused.",
        .check = check_server_name, .reload = true),
    KEY(email.notifications.enabled, "true",
        "Whether people may be told of missed messages by e-mail.", .reload = true),
    KEY_AS("email.notifications.delay", email.notifications.delay_ms, "10m",
           "How long a message stays unread before a mail tells of it.", .as = CONFIG_DURATION,
           .min = SECONDS, .max = 7 * DAYS, .reload = true),
    KEY_AS("email.notifications.max_delay", email.notifications.max_delay_ms, "24h",
           "The pause between mails doubles while nothing is read, up to this.",
           .as = CONFIG_DURATION, .min = SECONDS, .max = 30 * DAYS, .reload = true),

    KEY(captcha.provider, "off",
        "Puzzle at registration: off, recaptcha, hcaptcha, turnstile. Clients know it as "
        "m.login.recaptcha.",
        .as = CONFIG_WORD, .words = captcha_words, .reload = true),
    KEY(captcha.site_key, "", "Public key given by the provider.", .reload = true),
    KEY(captcha.secret, "", "Secret key given by the provider.", .secret = true, .reload = true),
    KEY(captcha.verify_url, "", "Where answers are checked. Default: the provider's.",
        .check = check_url, .reload = true),
    KEY(captcha.script_url, "", "The script that shows the puzzle. Default: the provider's.",
        .check = check_url, .reload = true),

    KEY(password.enabled, "true", "Whether people may sign in with a password.", .reload = true),
    KEY(password.pepper, "", "Secret mixed into hashes imported from Synapse.", .secret = true),
    KEY(password.minimum_length, "8", "Shortest password that is accepted.", .min = 1, .max = 512,
        .reload = true),
    KEY(password.hash_memory, "19M", "Memory for one argon2id hash.", .as = CONFIG_SIZE,
        .min = 8 * KB, .max = 4 * GB, .reload = true),
    KEY(password.hash_operations, "2", "Passes of argon2id.", .min = 1, .max = 64, .reload = true),

    KEY_AS("access_tokens.lifetime", access_tokens.lifetime_ms, "5m",
           "Of tokens that a client can refresh; 0 for no end.", .as = CONFIG_DURATION,
           .max = 3650 * DAYS, .reload = true),
    KEY(access_tokens.query_string_allowed, "false",
        "Accept ?access_token=… as clients did before Matrix 1.11."),
    KEY(access_tokens.appservices, "true",
        "Whether application services may sign in as their users. Without it they can only act "
        "for them.",
        .reload = true),

    KEY(rate_limits.enabled, "true", "Whether the limits below apply.", .reload = true),
    RATE(RATE_DEFAULT, "default", "50", "200",
         "Requests of one user that cost little: one thing read or written. Who is not signed in "
         "counts by address."),
    RATE(RATE_READ, "read", "20", "300",
         "Requests of one user for pages of events, for state or members of rooms."),
    RATE(RATE_MESSAGE, "message", "10", "50", "Events sent by one user."),
    RATE(RATE_REGISTER, "register", "0.2", "10", "Registrations from one address."),
    RATE(RATE_LOGIN, "login", "0.2", "10", "Sign-ins from one address and to one account."),
    RATE(RATE_EMAIL, "email", "0.01", "5", "Mails asked for from one address, and to one mailbox."),
    RATE(RATE_JOIN, "join", "1", "20", "Joins, knocks and new rooms of one user."),
    RATE(RATE_INVITE, "invite", "1", "30", "Invitations by one user."),
    RATE(RATE_MEDIA, "media", "10", "100", "Uploads and downloads of one user."),
    RATE(RATE_PREVIEW, "preview", "1", "30", "Link previews asked for by one user."),
    RATE(RATE_KEYS, "keys", "10", "100", "Uploads and queries of encryption keys by one user."),
    RATE(RATE_SEARCH, "search", "2", "20", "Searches of one user."),
    RATE(RATE_SYNC, "sync", "20", "200",
         "Requests of one user for news (/sync), all devices together."),
    RATE(RATE_FEDERATION, "federation", "100", "500", "Requests of one other server."),

    KEY(presence, "own", "off; own: only between users of this server; full: over federation too.",
        .as = CONFIG_WORD, .words = presence_words, .reload = true),

    KEY(profiles.lookup, "everybody",
        "Who may look up profiles: everybody, users (who are signed in), shared_rooms (who share a "
        "room with the user).",
        .as = CONFIG_WORD, .words = lookup_words, .reload = true),

    KEY(federation.enabled, "true", "Whether this server talks to other servers."),
    KEY(federation.ca_file, "", "Further CAs that other servers' certificates may come from, PEM.",
        .as = CONFIG_PATH),
    KEY(federation.allow_private_addresses, "false",
        "Allow requests to private address ranges. Only for closed networks and tests."),
    KEY_AS("federation.policy_server_timeout", federation.policy_server_timeout_ms, "5s",
           "How long a room's policy server may take for the signature on one event.",
           .as = CONFIG_DURATION, .min = SECONDS, .max = 600 * SECONDS, .reload = true),
    KEY(federation.trusted_key_servers, "[]",
        "Servers asked for the keys of servers that do not answer.", .check = check_server_name),

    KEY(identity_servers.allowed, "[\"*\"]",
        "Identity servers that users may have asked (host or host:port); \"*\" for every one, [] "
        "for "
        "none.",
        .check = check_identity_server, .reload = true),
    KEY(identity_servers.allow_private_addresses, "false",
        "Allow identity servers in private address ranges. Only for closed networks and tests.",
        .reload = true),
    KEY(identity_servers.plain_http, "false", "Ask identity servers without TLS. Only for tests.",
        .reload = true),

    KEY(push.enabled, "true", "Whether notifications are sent to the push gateways of clients."),
    KEY(push.allow_private_addresses, "false",
        "Allow push gateways in private address ranges, and over plain HTTP.", .reload = true),
    KEY(push.group_unread_count_by_room, "false",
        "Whether the number that clients show on their icon is that of rooms with something "
        "unread, "
        "not of unread messages.",
        .reload = true),
    KEY_AS("push.give_up_after", push.give_up_after_ms, "24h",
           "An event that a gateway has not taken for so long is not offered any more.",
           .as = CONFIG_DURATION, .min = SECONDS, .max = 30 * DAYS, .reload = true),

    KEY(appservices, "[]",
        "Registration files of bridges and other application services, in Synapse's format; read "
        "again on SIGHUP.",
        .as = CONFIG_PATHS, .reload = true),

    KEY(media.max_upload_size, "50M", "Largest file that may be uploaded.", .as = CONFIG_SIZE,
        .min = KB, .max = 1024 * GB, .reload = true),
    KEY(media.max_pixels, "64000000", "Larger pictures get no thumbnail.", .min = 1,
        .max = 4000000000, .reload = true),
    KEY(media.thumbnail_sizes,
        "[32x32 crop, 96x96 crop, 320x240 scale, 640x480 scale, 800x600 scale]",
        "Thumbnails are made in these sizes; a request gets the next one up.",
        .as = CONFIG_THUMBNAILS, .reload = true),
    KEY(media.dynamic_thumbnails, "false", "Make thumbnails in exactly the size asked for.",
        .reload = true),
    KEY_AS("media.unused_expiry", media.unused_expiry_ms, "24h",
           "How long a media id that was created ahead may wait for its upload.",
           .as = CONFIG_DURATION, .min = 60 * SECONDS, .max = 30 * DAYS, .reload = true),
    KEY(media.max_pending_uploads, "5", "Media ids created ahead that one user may have waiting.",
        .min = 1, .max = 10000, .reload = true),
    KEY(media.thumbnailers, "3",
        "Sandboxed processes that make thumbnails; 0 for none. They start when they are needed; "
        "one user never has all of them.",
        .max = 64),
    KEY(media.thumbnail_memory, "1G", "Address space that a thumbnailer may use.",
        .as = CONFIG_SIZE, .min = 256 * MB, .max = 64 * GB),
    KEY_AS("media.thumbnail_timeout", media.thumbnail_timeout_ms, "20s",
           "Time that one thumbnail may take.", .as = CONFIG_DURATION, .min = SECONDS,
           .max = 600 * SECONDS),
    KEY(media.thumbnails_waiting, "200",
        "Thumbnails that one user, or one address without a user, may have waiting to be made.",
        .min = 1, .max = 10000),
    KEY(media.user_quota, "0",
        "Bytes that the uploads of one user may have together; 0 for no limit. Not for "
        "application services.",
        .as = CONFIG_SIZE, .reload = true),
    KEY(media.user_quota_files, "0", "Uploads that one user may have; 0 for no limit.",
        .reload = true),
    KEY(media.quota_info_url, "",
        "Page that tells people what to do about their quota; it goes out with the refusal.",
        .check = check_url, .reload = true),
    KEY(media.freeze_unauthenticated, "true",
        "Media stored while this is on are never served by the old endpoints without access token.",
        .reload = true),
    KEY_AS("media.retention.local", media.retention.local_ms, "0",
           "Uploads that nobody has asked for in this time are deleted, but for avatars and room "
           "icons in use; 0 for never.",
           .as = CONFIG_DURATION, .max = 36500 * DAYS, .reload = true),
    KEY_AS("media.retention.remote", media.retention.remote_ms, "0",
           "The same for media of other servers, which can be fetched again.",
           .as = CONFIG_DURATION, .max = 36500 * DAYS, .reload = true),
    KEY_AS("media.retention.previews", media.retention.previews_ms, "30d",
           "The same for pictures of link previews.", .as = CONFIG_DURATION, .max = 36500 * DAYS,
           .reload = true),
    KEY(media.cache.remote_size, "10G",
        "Room for media of other servers; beyond it those go that were not asked for the longest. "
        "0 for no limit.",
        .as = CONFIG_SIZE, .reload = true),
    KEY(media.cache.remote_files, "0", "How many of them there may be; 0 for no limit.",
        .reload = true),
    KEY(media.cache.preview_size, "1G", "Room for pictures of link previews, likewise.",
        .as = CONFIG_SIZE, .reload = true),
    KEY(media.cache.preview_files, "0", "How many of them there may be; 0 for no limit.",
        .reload = true),

    /* Off, as in other servers: whoever may ask for previews makes this server send requests. */
    KEY(media.previews.enabled, "false",
        "Whether this server fetches pages to make previews of links. It then sends requests to "
        "any public address that a user names, and sees the links that people share.",
        .reload = true),
    KEY(media.previews.allow_private_addresses, "false",
        "Preview pages in private address ranges, too. Only for closed networks and tests.",
        .reload = true),
    KEY(media.previews.allowed_ranges, "[]",
        "Private addresses or ranges that may be reached nevertheless.",
        .check = check_address_range, .reload = true),
    KEY(media.previews.blocked_ranges, "[]",
        "Addresses or ranges that are not reached though they are public.",
        .check = check_address_range, .reload = true),
    KEY(media.previews.url_allowlist, "[]",
        "If not empty, only these are previewed: hosts, or host/path, with * for any characters.",
        .check = check_glob, .reload = true),
    KEY(media.previews.url_blocklist, "[]",
        "These are not previewed: *.example.org, example.com/private/*.", .check = check_glob,
        .reload = true),
    KEY(media.previews.ports, "[80, 443]", "Ports that may be connected to; [] for any.",
        .check = check_port, .reload = true),
    KEY(media.previews.max_page_size, "1M", "What is read of a page; the rest is not looked at.",
        .as = CONFIG_SIZE, .min = KB, .max = 32 * MB, .reload = true),
    KEY(media.previews.max_image_size, "10M", "Larger pictures are left out.", .as = CONFIG_SIZE,
        .min = KB, .max = 1024 * MB, .reload = true),
    KEY_AS("media.previews.timeout", media.previews.timeout_ms, "10s",
           "Time that one of the requests for a preview may take.", .as = CONFIG_DURATION,
           .min = SECONDS, .max = 120 * SECONDS, .reload = true),
    KEY(media.previews.accept_language, "en",
        "Language asked for, behind the one that the client prefers.", .check = check_language,
        .reload = true),
    KEY(media.previews.oembed, "[]",
        "oEmbed providers beside those that pages name: endpoint and the urls it is asked about.",
        .items = oembed_keys, .item_size = sizeof(struct config_oembed), .reload = true),

    KEY(rooms.default_version, "\"12\"", "Version of new rooms.", .check = check_room_version,
        .reload = true),

    KEY_AS("rooms.forgotten_retention", rooms.forgotten_retention_ms, "0",
           "Delete a room this long after the last user of this server has forgotten it; 0: never.",
           .as = CONFIG_DURATION, .max = 3650 * DAYS, .reload = true),

    KEY(retention.enabled, "false",
        "Whether messages expire, as m.room.retention of their room or the default below says. "
        "Expired messages are deleted for good.",
        .reload = true),
    KEY_AS("retention.default_max_lifetime", retention.default_max_lifetime_ms, "0",
           "Lifetime of messages in rooms that do not say it themselves; 0 for no end.",
           .as = CONFIG_DURATION, .max = 36500 * DAYS, .reload = true),
    KEY_AS("retention.allowed_lifetime_min", retention.allowed_lifetime_min_ms, "0",
           "Rooms that want less keep their messages this long.", .as = CONFIG_DURATION,
           .max = 36500 * DAYS, .reload = true),
    KEY_AS("retention.allowed_lifetime_max", retention.allowed_lifetime_max_ms, "0",
           "Rooms that want more keep their messages this long only; 0 for no bound.",
           .as = CONFIG_DURATION, .max = 36500 * DAYS, .reload = true),
    KEY_AS("retention.purge_every", retention.purge_every_ms, "1d",
           "Expired messages are hidden at once, and deleted from the database this often.",
           .as = CONFIG_DURATION, .min = SECONDS, .max = 365 * DAYS, .reload = true),

    KEY_AS("redaction.keep_for", redaction.keep_for_ms, "7d",
           "How long the database keeps what was redacted; no client sees it in any case.",
           .as = CONFIG_DURATION, .max = 36500 * DAYS, .reload = true),

    KEY(user_directory.enabled, "true", "Whether people may search for people.", .reload = true),
    KEY(user_directory.search_all_users, "false",
        "Find every user of this server, not only those in public or shared rooms.",
        .reload = true),

    KEY(well_known.client_base_url, "", "In /.well-known/matrix/client. Default: public_url.",
        .check = check_url, .reload = true),
    KEY(well_known.server, "",
        "host:port in /.well-known/matrix/server where other servers reach this one.",
        .reload = true),
    KEY(well_known.identity_server, "", "Identity server to tell clients of.", .check = check_url,
        .reload = true),
    KEY(well_known.extra_client, "",
        "A mapping with further members of /.well-known/matrix/client.", .as = CONFIG_JSON,
        .reload = true),
    KEY(well_known.support, "", "A mapping: the content of /.well-known/matrix/support.",
        .as = CONFIG_JSON, .check = check_support, .reload = true),
    KEY(well_known.policy_key, "",
        "Public Ed25519 key of the policy server under this name, in base64, for "
        "/.well-known/matrix/policy_server.",
        .check = check_ed25519_key, .reload = true),

    KEY(turn.uris, "[]", "TURN servers for calls: turn:turn.example.org?transport=udp, turns:… .",
        .check = check_turn_uri, .reload = true),
    KEY(turn.shared_secret, "",
        "The secret that the TURN server shares with this one (static-auth-secret of coturn).",
        .secret = true, .reload = true),
    KEY(turn.username, "", "Where there is no shared secret: one name for all users.",
        .reload = true),
    KEY(turn.password, "", "Where there is no shared secret: one password for all users.",
        .secret = true, .reload = true),
    KEY_AS("turn.user_lifetime", turn.user_lifetime_ms, "1h",
           "How long the credentials are good that users get.", .as = CONFIG_DURATION,
           .min = 60 * SECONDS, .max = 30 * DAYS, .reload = true),

    KEY(limits.workers, "0", "Threads that run requests; 0: by the number of processors.",
        .max = 1024),
    KEY(limits.waiting_workers, "1024",
        "Threads beside them, made when needed, for requests that wait for a room, the database or "
        "another server. Half of them may wait for one room, half for policy servers; who comes "
        "then is told to try again.",
        .min = 16, .max = 65536),
    KEY(limits.slow_workers, "0",
        "How many of them may wait for other servers or hash passwords; 0: a quarter of them.",
        .max = 1024),
    KEY(limits.network_threads, "0", "Threads that read and write sockets; 0: by processors.",
        .max = 256),
    KEY(limits.memory_budget, "256M", "Memory for caches.", .as = CONFIG_SIZE, .min = MB,
        .max = 1024 * GB),
    KEY(limits.max_connections, "20000",
        "Connections open at a time, for each listener; those where a /sync waits count apart. All "
        "together take at most three quarters of the file descriptors that the system allows "
        "(LimitNOFILE, ulimit -n). Who comes beyond is answered 503.",
        .min = 16, .max = 1000000),
    KEY(limits.max_connections_per_address, "2000",
        "Of them, those from one address; trusted_proxies and this machine itself have no limit. "
        "0: none.",
        .max = 1000000),
    KEY(limits.under_way.memory, "256M",
        "Memory for the bodies that come in and the answers that go out at a time. Who would "
        "exceed it, "
        "or take more of it than there is left for others, is told to try again (503). 0: no "
        "limit.",
        .as = CONFIG_SIZE, .max = 1024 * GB, .reload = true),
    KEY(limits.under_way.memory_per_address, "64M",
        "Of it, for one address; trusted_proxies and this machine itself have no limit. More is "
        "told to try again (429). Below 16M, large key backups cannot be sent. 0: no limit.",
        .as = CONFIG_SIZE, .max = 1024 * GB, .reload = true),
    KEY(limits.under_way.memory_per_user, "64M", "Of it, for one user; as for an address.",
        .as = CONFIG_SIZE, .max = 1024 * GB, .reload = true),
    KEY(limits.under_way.disk, "16G",
        "Disk for uploads that come in and long answers that go out at a time; as for memory.",
        .as = CONFIG_SIZE, .max = 1024 * 1024 * GB, .reload = true),
    KEY(limits.under_way.disk_per_address, "4G",
        "Of it, for one address. Below media.max_upload_size, large files cannot be sent.",
        .as = CONFIG_SIZE, .max = 1024 * 1024 * GB, .reload = true),
    KEY(limits.under_way.disk_per_user, "2G", "Of it, for one user; as for an address.",
        .as = CONFIG_SIZE, .max = 1024 * 1024 * GB, .reload = true),
    KEY(limits.under_way.min_bytes_per_second, "1K",
        "Who sends a body or takes an answer more slowly is cut off.", .as = CONFIG_SIZE, .min = 1,
        .max = MB, .reload = true),
    KEY_AS("limits.under_way.window", limits.under_way.window_ms, "30s",
           "The time over which that is measured, again and again. A pause ends nothing that is "
           "shorter.",
           .as = CONFIG_DURATION, .min = SECONDS, .max = 3600 * SECONDS, .reload = true),
    KEY(limits.devices_per_user, "1000",
        "Devices that one user may be signed in with; 0: no limit. More are refused.",
        .max = 1000000, .reload = true),
    KEY(limits.rooms_per_user, "0", "Rooms that one user may be joined to; 0: no limit.",
        .max = 1000000, .reload = true),
    KEY(limits.to_device_messages, "10000",
        "Messages kept for a device that does not fetch them; of more, old ones of whoever sent "
        "most "
        "are dropped. 0: no limit.",
        .max = 100000000, .reload = true),
    KEY(limits.account_data, "16M",
        "Account data that one user may have in all rooms together; 0: no limit. More is refused.",
        .as = CONFIG_SIZE, .max = GB, .reload = true),
    KEY(limits.key_backup, "128M",
        "Backups of room keys that one user may have; 0: no limit. More is refused.",
        .as = CONFIG_SIZE, .max = 64 * GB, .reload = true),
    KEY(limits.info_uri, "",
        "Page about these limits, told to users who reach one. Default: public_url.",
        .check = check_contact, .reload = true),
    KEY(limits.admin_contact, "",
        "Whom to ask when the server is full: mailto: or https://. Default: public_url.",
        .check = check_contact, .reload = true),

    KEY(log.level, "info", "debug, info, warn or error.", .as = CONFIG_WORD, .words = level_words,
        .reload = true),
    KEY(log.format, "text", "text for people, json for machines.", .as = CONFIG_WORD,
        .words = format_words, .reload = true),
    {NULL},
};

size_t config_key_count(void)
{
    return ARRAY_LEN(config_keys) - 1;
}
