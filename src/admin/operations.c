/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/operations.h"

#include "admin/appservice_operations.h"
#include "admin/control.h"
#include "admin/media_operations.h"
#include "admin/registration_token_operations.h"
#include "admin/room_operations.h"
#include "core/account.h"
#include "core/data_lock.h"
#include "core/server.h"
#include "matrix/ids.h"
#include "media/routes.h"
#include "store/users.h"
#include "wire/jfield.h"

#define LIST_MAX   1000
#define RESULT_MAX (16 << 20)

struct operation {
    const char *name;
    int (*run)(struct server *s, struct arena *a, const json_t *arguments,
               struct json_writer *result, struct err *err);
};

/* The arguments that the user operations share. */
struct user_arguments {
    struct str name; /* "bob" or "@bob:example.org" */
    struct str password;
    bool is_admin, keep_devices, erase;
};
static const struct jfield user_fields[] = {
    FIELD(struct user_arguments, name, .min = 1, .max = ID_MAX_BYTES),
    FIELD(struct user_arguments, password, .flags = OPT),
    FIELD_AS(struct user_arguments, "admin", is_admin, .flags = OPT),
    FIELD(struct user_arguments, keep_devices, .flags = OPT),
    FIELD(struct user_arguments, erase, .flags = OPT),
    {0},
};

/* ---- users ------------------------------------------------------------------------------------ */

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

static int user_add(struct server *s, struct arena *a, const json_t *arguments,
                    struct json_writer *result, struct err *err)
{
    struct user_arguments args = {0};
    int rc = decode(s, a, arguments, &args, err);
    const struct new_account account = {
        .localpart = args.name, .password = args.password, .is_admin = args.is_admin};
    rc = rc ? rc : account_create(s, a, &account, NULL, err);
    if (rc == 0) {
        write_user_id(s, a, args.name, result);
    }
    return rc;
}

static int user_password(struct server *s, struct arena *a, const json_t *arguments,
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

static int user_deactivate(struct server *s, struct arena *a, const json_t *arguments,
                           struct json_writer *result, struct err *err)
{
    struct user_arguments args = {0};
    struct user_row row;
    int rc = decode_existing(s, a, arguments, &args, &row, err);
    rc = rc ? rc : account_deactivate(s, a, row.nid, args.erase, err);
    if (rc == 0) {
        write_user_id(s, a, row.localpart, result);
    }
    return rc;
}

static int user_make_admin(struct server *s, struct arena *a, const json_t *arguments,
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

static void write_user(struct server *s, struct arena *a, const struct user_row *row,
                       struct json_writer *result)
{
    jw_object(result);
    JW_STR(result, "user_id", user_id_make(a, row->localpart, s->server_name));
    JW_STR(result, "name", row->localpart);
    JW_BOOL(result, "admin", row->is_admin);
    JW_BOOL(result, "guest", row->is_guest);
    JW_BOOL(result, "deactivated", row->is_deactivated);
    JW_BOOL(result, "locked", row->is_locked);
    JW_BOOL(result, "suspended", row->is_suspended);
    JW_INT(result, "created_ts", row->created_ts);
    jw_end(result);
}

/* One page: the users after `after` in order of name. The caller asks again while "next" is there. */
static int user_list(struct server *s, struct arena *a, const json_t *arguments,
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
        write_user(s, a, &rows[i], result);
    }
    jw_end(result);
    if (n == LIST_MAX) {
        JW_STR(result, "next", rows[n - 1].localpart);
    }
    jw_end(result);
    return 0;
}

/* ---- running ---------------------------------------------------------------------------------- */

static const struct operation operations[] = {
    {"user.add", user_add},
    {"user.list", user_list},
    {"user.password", user_password},
    {"user.deactivate", user_deactivate},
    {"user.make_admin", user_make_admin},
    {"appservice.queues", appservice_queues_operation},
    {"room.list", room_list_operation},
    {"room.show", room_show_operation},
    {"room.block", room_block_operation},
    {"room.delete", room_delete_operation},
    {"room.purge_history", room_purge_history_operation},
    {"media.list", media_list_operation},
    {"media.show", media_show_operation},
    {"media.quarantine", media_quarantine_operation},
    {"media.unquarantine", media_unquarantine_operation},
    {"media.delete", media_delete_operation},
    {"media.usage", media_usage_operation},
    {"registration_token.add", registration_token_add},
    {"registration_token.list", registration_token_list},
    {"registration_token.show", registration_token_show},
    {"registration_token.update", registration_token_update},
    {"registration_token.remove", registration_token_remove},
};

int operation_run(struct server *s, struct arena *a, struct str name, const json_t *arguments,
                  struct json_writer *result, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (str_eq(name, str_c(operations[i].name))) {
            return operations[i].run(s, a, arguments, result, err);
        }
    }
    return err_set(err, E_NOT_FOUND, 0, NULL, "the running server does not know \"%.*s\"",
                   STR_ARG(name));
}

static int run_here(const struct config *config, struct arena *a, const char *name,
                    struct str arguments, const json_t **out_result, struct err *err)
{
    struct server *s = NULL;
    struct buf text = BUF_INIT(RESULT_MAX);
    struct json_writer w = jw_over(&text);
    json_t *parsed = NULL, *result = NULL;
    int rc = server_new(config, &s, err);
    rc = rc ? rc : media_start(s, err);
    rc = rc ? rc : json_parse(a, arguments, 0, &parsed, err);
    rc = rc ? rc : operation_run(s, a, str_c(name), parsed, &w, err);
    rc = rc ? rc : json_parse(a, buf_str(&text), 0, &result, err);
    if (s) {
        media_stop(s);
    }
    server_free(s);
    buf_release(&text);
    *out_result = result;
    return rc;
}

int operation_call(const struct config *config, struct arena *a, const char *name,
                   struct str arguments, const json_t **out_result, struct err *err)
{
    struct data_lock lock = DATA_LOCK_NONE;
    const char *dir = arena_cstr(a, config->data_dir);
    int rc = data_lock_take(dir, &lock, err);
    if (rc == E_CONFLICT) {
        return control_call(dir, a, str_c(name), arguments, out_result, err);
    }
    if (rc == 0) {
        rc = run_here(config, a, name, arguments, out_result, err);
    }
    data_lock_release(&lock);
    return rc;
}
