/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/operations.h"

#include <unistd.h>

#include "admin/appservice_operations.h"
#include "admin/control.h"
#include "admin/media_operations.h"
#include "admin/owner.h"
#include "admin/registration_token_operations.h"
#include "admin/room_operations.h"
#include "admin/user_operations.h"
#include "base/log.h"
#include "core/data_lock.h"
#include "core/server.h"
#include "media/routes.h"

#define RESULT_MAX (16 << 20)

struct operation {
    const char *name;
    bool is_action; /* it changes something: the log has it */
    int (*run)(struct server *s, struct arena *a, const json_t *arguments,
               struct json_writer *result, struct err *err);
};

/* ---- running ---------------------------------------------------------------------------------- */

enum { READING = false, ACTION = true };

static const struct operation operations[] = {
    {"user.add", ACTION, user_add_operation},
    {"user.list", READING, user_list_operation},
    {"user.password", ACTION, user_password_operation},
    {"user.deactivate", ACTION, user_deactivate_operation},
    {"user.make_admin", ACTION, user_make_admin_operation},
    {"user.show", READING, user_show_operation},
    {"user.set_locked", ACTION, user_set_locked_operation},
    {"user.set_suspended", ACTION, user_set_suspended_operation},
    {"user.logout", ACTION, user_logout_operation},
    {"appservice.queues", READING, appservice_queues_operation},
    {"room.list", READING, room_list_operation},
    {"room.show", READING, room_show_operation},
    {"room.block", ACTION, room_block_operation},
    {"room.delete", ACTION, room_delete_operation},
    {"room.purge_history", ACTION, room_purge_history_operation},
    {"media.list", READING, media_list_operation},
    {"media.show", READING, media_show_operation},
    {"media.quarantine", ACTION, media_quarantine_operation},
    {"media.unquarantine", ACTION, media_unquarantine_operation},
    {"media.delete", ACTION, media_delete_operation},
    {"media.usage", READING, media_usage_operation},
    {"registration_token.add", ACTION, registration_token_add},
    {"registration_token.list", READING, registration_token_list},
    {"registration_token.show", READING, registration_token_show},
    {"registration_token.update", ACTION, registration_token_update},
    {"registration_token.remove", ACTION, registration_token_remove},
};

/* The first of what an operation can be done to. Registration tokens are secrets. */
static struct str whom(const json_t *arguments)
{
    static const char *const keys[] = {"name", "room", "media", "user"};
    struct str found = STR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(keys) && found.n == 0; i++) {
        found = json_str(json_get(arguments, keys[i]));
    }
    return found;
}

/* A trial, or a further step of what has been told. */
static bool is_told(const json_t *arguments)
{
    bool is_trial = false, goes_on = false;
    (void)json_get_bool(arguments, "dry_run", &is_trial);
    (void)json_get_bool(arguments, "goes_on", &goes_on);
    return is_trial || goes_on || json_str(json_get(arguments, "cursor")).n > 0;
}

int operation_run(struct server *s, struct arena *a, struct str who, struct str name,
                  const json_t *arguments, struct json_writer *result, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        const struct operation *o = &operations[i];
        if (str_eq(name, str_c(o->name))) {
            int rc = o->run(s, a, arguments, result, err);
            if (o->is_action && !is_told(arguments)) {
                log_administration(who, o->name, whom(arguments),
                                   rc == 0 ? STR_NONE : str_c(err->message));
            }
            return rc;
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
    rc = rc ? rc : operation_run(s, a, control_user(a, geteuid()), str_c(name), parsed, &w, err);
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
    const struct owner before = owner_become(dir);
    int rc = data_lock_take(dir, &lock, err);
    if (rc == E_CONFLICT) {
        owner_return(&before);
        return control_call(dir, a, str_c(name), arguments, out_result, err);
    }
    if (rc == 0) {
        rc = run_here(config, a, name, arguments, out_result, err);
    }
    data_lock_release(&lock);
    owner_return(&before);
    return rc;
}
