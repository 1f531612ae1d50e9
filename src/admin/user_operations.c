/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/user_operations.h"

#include "core/account.h"
#include "core/live_user.h"
#include "core/server.h"
#include "matrix/ids.h"
#include "store/devices.h"
#include "store/users.h"
#include "wire/jfield.h"

enum { LIST_MAX = 1000 };

/* The arguments that the user operations share. */
struct user_arguments {
    struct str name; /* "bob" or "@bob:example.org" */
    struct str password;
    bool is_admin, keep_devices, erase, dry_run, locked, suspended;
};
static const struct jfield user_fields[] = {
    FIELD(struct user_arguments, name, .min = 1, .max = ID_MAX_BYTES),
    FIELD(struct user_arguments, password, .flags = OPT),
    FIELD_AS(struct user_arguments, "admin", is_admin, .flags = OPT),
    FIELD(struct user_arguments, keep_devices, .flags = OPT),
    FIELD(struct user_arguments, erase, .flags = OPT),
    FIELD(struct user_arguments, dry_run, .flags = OPT),
    FIELD(struct user_arguments, locked, .flags = OPT),
    FIELD(struct user_arguments, suspended, .flags = OPT),
    {0},
};

/* The local part of a name as people write it. */
static int read_name(struct server *s, struct str *name, struct err *err)
{
    struct matrix_id id;
    if (name->n == 0 || name->p[0] != '@') {
        return 0;
    }
    if (!user_id_parse(*name, &id) || !server_is_local(s, *name)) {
        return err_set(err, E_INVALID, 0, NULL, "%.*s is no user of this server", STR_ARG(*name));
    }
    *name = id.local;
    return 0;
}

static int decode(struct server *s, struct arena *a, const json_t *arguments,
                  struct user_arguments *out, struct err *err)
{
    int rc = json_decode(a, arguments, user_fields, out, err);
    return rc == 0 ? read_name(s, &out->name, err) : rc;
}

/* The arguments and the account that they name. */
static int decode_existing(struct server *s, struct arena *a, const json_t *arguments,
                           struct user_arguments *out, struct user_row *row, struct err *err)
{
    int rc = decode(s, a, arguments, out, err);
    rc = rc ? rc : users_find(store_reader(s->store), a, out->name, row, err);
    return rc == E_NOT_FOUND
               ? err_set(err, E_NOT_FOUND, 0, NULL, "there is no user \"%.*s\"", STR_ARG(out->name))
               : rc;
}

static void write_user_id(struct server *s, struct arena *a, struct str localpart,
                          struct json_writer *result)
{
    jw_object(result);
    JW_STR(result, "user_id", user_id_make(a, localpart, s->server_name));
    jw_end(result);
}

/* Without the braces. */
static void write_user(struct server *s, struct arena *a, const struct user_row *row,
                       struct json_writer *result)
{
    JW_STR(result, "user_id", user_id_make(a, row->localpart, s->server_name));
    JW_STR(result, "name", row->localpart);
    JW_BOOL(result, "admin", row->is_admin);
    JW_BOOL(result, "guest", row->is_guest);
    JW_BOOL(result, "deactivated", row->is_deactivated);
    JW_BOOL(result, "locked", row->is_locked);
    JW_BOOL(result, "suspended", row->is_suspended);
    JW_INT(result, "created_ts", row->created_ts);
}

static void write_device(const struct device_row *d, struct json_writer *result)
{
    jw_object(result);
    JW_STR(result, "device_id", d->device_id);
    if (d->display_name.p) {
        JW_STR(result, "display_name", d->display_name);
    }
    if (d->last_seen_ip.p) {
        JW_STR(result, "last_seen_ip", d->last_seen_ip);
        JW_INT(result, "last_seen_ts", d->last_seen_ts);
    }
    jw_end(result);
}

static size_t count_joined(const struct user_room *rooms, size_t n)
{
    size_t joined = 0;
    for (size_t i = 0; i < n; i++) {
        joined += rooms[i].membership == MEMBERSHIP_JOIN;
    }
    return joined;
}

/* The account, its devices, and in how many rooms it is. */
static int write_belongings(struct server *s, struct arena *a, const struct user_row *row,
                            struct json_writer *result, struct err *err)
{
    struct device_row *devices;
    struct user_room *rooms;
    size_t n_devices, n_rooms;
    int rc = devices_of_user(store_reader(s->store), a, row->nid, &devices, &n_devices, err);
    rc = rc ? rc : user_rooms(s, a, row->nid, &rooms, &n_rooms, err);
    if (rc != 0) {
        return rc;
    }
    jw_object(result);
    write_user(s, a, row, result);
    JW_INT(result, "joined_rooms", (int64_t)count_joined(rooms, n_rooms));
    JW_ARRAY(result, "devices");
    for (size_t i = 0; i < n_devices; i++) {
        write_device(&devices[i], result);
    }
    jw_end(result);
    jw_end(result);
    return 0;
}

int user_add_operation(struct server *s, struct arena *a, const json_t *arguments,
                       struct json_writer *result, struct err *err)
{
    struct user_arguments args = {0};
    int rc = decode(s, a, arguments, &args, err);
    args.name = user_localpart_lower(a, args.name);
    const struct new_account account = {
        .localpart = args.name, .password = args.password, .is_admin = args.is_admin};
    rc = rc ? rc : account_create(s, a, &account, NULL, err);
    if (rc == 0) {
        write_user_id(s, a, args.name, result);
    }
    return rc;
}

int user_password_operation(struct server *s, struct arena *a, const json_t *arguments,
                            struct json_writer *result, struct err *err)
{
    struct user_arguments args = {0};
    struct user_row row;
    int rc = decode_existing(s, a, arguments, &args, &row, err);
    if (rc == 0 && row.is_deactivated) {
        rc = err_set(err, E_CONFLICT, 0, NULL, "the account is deactivated");
    }
    rc = rc ? rc : account_set_password(s, a, row.nid, args.password, !args.keep_devices, 0, err);
    if (rc == 0) {
        write_user_id(s, a, row.localpart, result);
    }
    return rc;
}

int user_deactivate_operation(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err)
{
    struct user_arguments args = {0};
    struct user_row row;
    int rc = decode_existing(s, a, arguments, &args, &row, err);
    if (rc == 0 && args.dry_run) {
        rc = account_check_not_last_admin(store_reader(s->store), row.nid, err);
        return rc ? rc : write_belongings(s, a, &row, result, err);
    }
    rc = rc ? rc : account_deactivate(s, a, row.nid, args.erase, err);
    if (rc == 0) {
        write_user_id(s, a, row.localpart, result);
    }
    return rc;
}

int user_make_admin_operation(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err)
{
    struct user_arguments args = {.is_admin = true};
    struct user_row row;
    int rc = decode_existing(s, a, arguments, &args, &row, err);
    rc = rc ? rc : account_set_admin(s, row.nid, args.is_admin, err);
    if (rc == 0) {
        write_user_id(s, a, row.localpart, result);
    }
    return rc;
}

/* One page: the users after `after` in order of name. The caller asks again while "next" is there. */
int user_list_operation(struct server *s, struct arena *a, const json_t *arguments,
                        struct json_writer *result, struct err *err)
{
    struct str after = json_str(json_get(arguments, "after"));
    struct user_row *rows;
    size_t n;
    int rc = users_list(store_reader(s->store), a, after, LIST_MAX, &rows, &n, err);
    if (rc != 0) {
        return rc;
    }
    jw_object(result);
    JW_ARRAY(result, "users");
    for (size_t i = 0; i < n; i++) {
        jw_object(result);
        write_user(s, a, &rows[i], result);
        jw_end(result);
    }
    jw_end(result);
    if (n == LIST_MAX) {
        JW_STR(result, "next", rows[n - 1].localpart);
    }
    jw_end(result);
    return 0;
}

int user_show_operation(struct server *s, struct arena *a, const json_t *arguments,
                        struct json_writer *result, struct err *err)
{
    struct user_arguments args = {0};
    struct user_row row;
    int rc = decode_existing(s, a, arguments, &args, &row, err);
    return rc ? rc : write_belongings(s, a, &row, result, err);
}

/* An account that has not ended. */
static int decode_active(struct server *s, struct arena *a, const json_t *arguments,
                         struct user_arguments *out, struct user_row *row, struct err *err)
{
    int rc = decode_existing(s, a, arguments, out, row, err);
    return rc == 0 && row->is_deactivated
               ? err_set(err, E_CONFLICT, 0, NULL, "the account is deactivated, for good")
               : rc;
}

int user_set_locked_operation(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err)
{
    struct user_arguments args = {0};
    struct user_row row;
    int rc = decode_active(s, a, arguments, &args, &row, err);
    rc = rc ? rc : account_set_locked(s, row.nid, args.locked, err);
    if (rc == 0) {
        write_user_id(s, a, row.localpart, result);
    }
    return rc;
}

int user_set_suspended_operation(struct server *s, struct arena *a, const json_t *arguments,
                                 struct json_writer *result, struct err *err)
{
    struct user_arguments args = {0};
    struct user_row row;
    int rc = decode_active(s, a, arguments, &args, &row, err);
    rc = rc ? rc : account_set_suspended(s, row.nid, args.suspended, err);
    if (rc == 0) {
        write_user_id(s, a, row.localpart, result);
    }
    return rc;
}

int user_logout_operation(struct server *s, struct arena *a, const json_t *arguments,
                          struct json_writer *result, struct err *err)
{
    struct user_arguments args = {0};
    struct user_row row;
    int rc = decode_active(s, a, arguments, &args, &row, err);
    rc = rc ? rc : account_sign_out(s, row.nid, err);
    if (rc == 0) {
        write_user_id(s, a, row.localpart, result);
    }
    return rc;
}
