/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: ingot.yaml as one typed, immutable struct. ONE table (config_keys.c) names each key with
 * its type, default, bounds and help; reader, checks, `config show`, the sample file and reload all follow
 * from it. To add a key: a member here, a row there.
 *
 * Rules of the file:
 *  - An unknown key is an error that names line and nearest known key.
 *  - A secret is given inline, as `KEY_file: PATH`, or by the environment variable INGOT_<PATH in capitals,
 *    dots as underscores>, e.g. INGOT_REGISTRATION_SHARED_SECRET. The environment wins.
 *  - Relative paths start at the directory of the file.
 *  - Sizes are bytes or 64K, 50M, 1G (powers of 1024); durations carry a unit: 500ms, 20s, 5m, 24h, 7d.
 *
 * A struct config is immutable and may be read by all threads. A reload makes a second one; the old one
 * must live as long as anybody may still hold one of its strings.
 */
#ifndef INGOT_CORE_CONFIG_H
#define INGOT_CORE_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "db/db.h"
#include "net/mail.h"
#include "net/ratelimit.h"

struct config_strs {
    const struct str *p;
    size_t n;
};

struct config_listener {
    struct str bind; /* an address, not a name */
    int64_t port;
    struct str tls_certificate, tls_private_key; /* PEM files, absolute; both or neither */
    unsigned serve;                              /* enum serve */
    struct config_strs
        trusted_proxies; /* addresses or CIDR ranges whose X-Forwarded-For is believed */
};

enum config_registration { REGISTRATION_CLOSED, REGISTRATION_TOKEN, REGISTRATION_OPEN };
enum config_email { EMAIL_OFF, EMAIL_OPTIONAL, EMAIL_REQUIRED };
enum config_captcha { CAPTCHA_OFF, CAPTCHA_RECAPTCHA, CAPTCHA_HCAPTCHA, CAPTCHA_TURNSTILE };
enum config_migrate { MIGRATE_AUTO, MIGRATE_MANUAL };
enum config_lookup { LOOKUP_EVERYBODY, LOOKUP_USERS, LOOKUP_SHARED_ROOMS };
enum config_presence { PRESENCE_OFF, PRESENCE_OWN, PRESENCE_FULL };

struct config_rate {
    double per_second; /* 0: no limit */
    int64_t burst;
};

struct config_thumbnail {
    int width, height;
    bool crop; /* else: scale */
};

/* What to ask about pages whose own words say little. */
struct config_oembed {
    struct str endpoint;
    struct config_strs urls; /* globs over whole URLs */
};

struct config {
    struct str server_name, data_dir, public_url; /* public_url: no slash at the end, never empty */
    struct {
        const struct config_listener *p;
        size_t n;
    } listeners;
    struct {
        enum db_engine engine;
        struct str url;               /* of PostgreSQL; may hold a password: never log */
        struct str password;          /* for it; empty: in the URL, or where libpq looks */
        int64_t statement_timeout_ms; /* 0: none */
        int64_t readers;              /* 0: as many as workers */
        enum config_migrate migrate;
    } database;
    struct {
        enum config_registration mode;
        bool guests;
        enum config_email email;          /* whether an address is asked for */
        struct config_strs email_domains; /* only of these; empty: of any */
        struct str shared_secret;         /* empty: /_synapse/admin/v1/register is off */
        struct config_strs tokens;        /* accepted for ever, beside those in the database */
        int64_t max_accounts;             /* of people who register themselves; 0: no limit */
        struct {
            struct str version, name, url; /* version empty: no m.login.terms stage */
        } terms;
    } registration;
    struct {
        struct str smtp_url; /* empty: no e-mail */
        struct str user, password, ca_file, from, from_name, app_name;
        enum mail_tls starttls;
        int64_t timeout_ms, link_lifetime_ms;
        bool hide_accounts;
        struct config_strs next_link_hosts;
        struct {
            bool enabled;
            int64_t delay_ms, max_delay_ms;
        } notifications;
    } email;
    struct {
        enum config_captcha provider;
        struct str site_key, secret, verify_url, script_url; /* the URLs are never empty */
    } captcha;
    struct {
        bool enabled;
        struct str pepper; /* appended before bcrypt, as Synapse does; for imported hashes */
        int64_t minimum_length, hash_memory, hash_operations; /* argon2id: bytes, passes */
    } password;
    struct {
        int64_t lifetime_ms; /* of tokens that can be refreshed; 0: they do not expire */
        bool query_string_allowed;
        bool appservices; /* may sign in as their users */
    } access_tokens;
    struct {
        bool enabled;
        struct config_rate rate[RATE_CLASSES]; /* by enum rate_class; RATE_NONE is unused */
    } rate_limits;
    enum config_presence presence;
    struct {
        enum config_lookup lookup; /* who may look up profiles */
    } profiles;
    struct {
        bool enabled, allow_private_addresses;
        struct str ca_file;
        struct config_strs trusted_key_servers;
        int64_t policy_server_timeout_ms;
    } federation;
    struct {
        bool enabled, allow_private_addresses, group_unread_count_by_room;
        int64_t give_up_after_ms;
    } push;
    struct {
        struct config_strs allowed; /* "*": every one */
        bool allow_private_addresses, plain_http;
    } identity_servers;
    struct config_strs appservices; /* registration files, absolute */
    struct {
        int64_t max_upload_size, max_pixels, unused_expiry_ms, max_pending_uploads;
        bool dynamic_thumbnails;
        struct {
            const struct config_thumbnail *p;
            size_t n;
        } thumbnail_sizes;
        int64_t thumbnailers, thumbnail_memory, thumbnail_timeout_ms, thumbnails_waiting;
        int64_t user_quota, user_quota_files; /* bytes, uploads; 0: no limit */
        struct str quota_info_url;            /* empty: none */
        bool freeze_unauthenticated;
        struct {
            int64_t local_ms, remote_ms, previews_ms; /* 0: for ever */
        } retention;
        struct {
            int64_t remote_size, remote_files, preview_size, preview_files;
        } cache;
        struct {
            bool enabled, allow_private_addresses;
            struct config_strs allowed_ranges, blocked_ranges; /* addresses or CIDR ranges */
            struct config_strs url_allowlist, url_blocklist;   /* globs, see config_keys.c */
            struct config_strs ports;                          /* numbers; empty: any */
            int64_t max_page_size, max_image_size, timeout_ms;
            struct str accept_language;
            struct {
                const struct config_oembed *p;
                size_t n;
            } oembed;
        } previews;
    } media;
    struct {
        struct str default_version;
        int64_t forgotten_retention_ms; /* 0: for ever */
    } rooms;
    struct {
        bool enabled;
        int64_t default_max_lifetime_ms; /* 0: for ever, as for allowed_lifetime_max_ms */
        int64_t allowed_lifetime_min_ms, allowed_lifetime_max_ms, purge_every_ms;
    } retention;
    struct {
        int64_t keep_for_ms;
    } redaction;
    struct {
        bool enabled, search_all_users;
    } user_directory;
    struct {
        struct str client_base_url, server; /* empty: public_url; no delegation */
        struct str identity_server;
        struct str extra_client, support; /* JSON objects, or empty */
        struct str policy_key;            /* base64 of an Ed25519 key, or empty */
    } well_known;
    struct {
        struct config_strs uris;
        struct str shared_secret;      /* credentials are made per user; empty: those that follow */
        struct str username, password; /* the same for all */
        int64_t user_lifetime_ms;
    } turn;
    struct {
        int64_t workers, slow_workers, network_threads; /* 0: by the number of processors */
        int64_t waiting_workers;
        int64_t memory_budget, max_connections, max_connections_per_address;
        struct {
            int64_t memory, memory_per_address, memory_per_user; /* bytes; 0: no limit */
            int64_t disk, disk_per_address, disk_per_user;
            int64_t min_bytes_per_second, window_ms;
        } under_way;
        int64_t devices_per_user, rooms_per_user, to_device_messages; /* 0: no limit */
        int64_t account_data, key_backup;   /* bytes of one user; 0: no limit */
        struct str info_uri, admin_contact; /* told with errors; empty: public_url */
    } limits;
    struct {
        enum log_level level;
        enum log_format format;
    } log;
    struct config_origin *origins; /* where each value came from; the module's business */
    struct str path;               /* of the file, absolute */
    struct arena arena;            /* everything above that is not a number */
};

/* Where the file is when nobody says: $INGOT_CONFIG, else ./data/ingot.yaml, else /etc/ingot/ingot.yaml.
 * NULL if none of them is there. Static storage or the environment's. */
const char *config_default_path(void);

/* Reads, checks and completes the file. *out is the caller's, to be freed with config_free. E_INVALID with
 * file and line, E_NOT_FOUND if there is no such file. */
MUST_USE int config_load(const char *path, struct config **out, struct err *err);
/* As config_load, but goes on behind what is wrong: *out_findings, in the arena of *out, has a sentence with its line
 * for each, and what they are about has its default in *out. */
MUST_USE int config_check(const char *path, struct config **out, const struct str **out_findings,
                          size_t *out_n, struct err *err);
void config_free(struct config *c); /* accepts NULL */

/* How to reach the database; the texts are in the arena. */
struct db_config config_database(const struct config *c, struct arena *a);
/* How many threads run requests (limits.workers). */
unsigned config_workers(const struct config *c);
/* How many connections clients may have when the system allows so many open files. */
int64_t config_most_connections(const struct config *c, int64_t open_files);

/* Sizes and durations as the file has them, for the command line: bytes, milliseconds. */
MUST_USE bool config_size_parse(struct str text, int64_t *out);
MUST_USE bool config_duration_parse(struct str text, int64_t *out);

/* Every key with its effective value as YAML that config_load would read again, except for secrets, which
 * are masked; each with its help and where it came from. As JSON: {"key.path":{"value":…,"origin":…}}. */
void config_show(const struct config *c, struct buf *out);
void config_show_json(const struct config *c, struct buf *out);

/* A file to begin with: every key with its help, commented out with its default, except for those given. */
struct config_setting {
    const char *path; /* "registration.shared_secret_file" */
    struct str value; /* YAML text */
};
void config_sample(const struct config_setting *settings, size_t n, struct buf *out);

/* Reads the file of `old` again. *out is the new configuration; *out_restart (in its arena) names the changed
 * keys that only a restart brings into force (in *out they keep the old value, with memory of `old`, which must
 * therefore outlive *out), *out_applied the other changed ones. On an error nothing changes. */
MUST_USE int config_reload(const struct config *old, struct config **out,
                           struct config_strs *out_applied, struct config_strs *out_restart,
                           struct err *err);

#endif
