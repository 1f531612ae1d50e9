/* SPDX-License-Identifier: Apache-2.0 */
#include "core/account.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/batch.h"
#include "core/live_user.h"
#include "core/server.h"
#include "crypto/password.h"
#include "matrix/ids.h"
#include "store/devices.h"
#include "store/names.h"
#include "store/users.h"

/* ---- passwords -------------------------------------------------------------------------------- */

static size_t count_characters(struct str utf8)
{
    size_t n = 0;
    for (size_t i = 0; i < utf8.n; i++) {
        n += ((unsigned char)utf8.p[i] & 0xc0) != 0x80;
    }
    return n;
}

int account_check_password(struct server *s, struct str password, struct err *err)
{
    int64_t least = s->config->password.minimum_length;
    if (!str_is_utf8(password) || password.n > PASSWORD_MAX) {
        return err_invalid_param(err, "A password is at most %d bytes of UTF-8", PASSWORD_MAX);
    }
    if ((int64_t)count_characters(password) < least) {
        return err_set(err, E_INVALID, 400, "M_WEAK_PASSWORD",
                       "A password needs at least %lld characters", (long long)least);
    }
    return 0;
}

static int hash(struct server *s, struct arena *a, struct str password, struct str *out,
                struct err *err)
{
    const struct password_cost cost = {
        .passes = (uint64_t)s->config->password.hash_operations,
        .memory = (size_t)s->config->password.hash_memory,
    };
    int rc = account_check_password(s, password, err);
    return rc == 0 ? password_hash(a, password, &cost, out, err) : rc;
}

/* ---- making ----------------------------------------------------------------------------------- */

struct creation {
    struct str user_id;
    struct user_row row;
};

static int create_body(struct txn *t, void *arg)
{
    struct creation *c = arg;
    int rc = names_intern(t, c->user_id, &c->row.nid, txn_err(t));
    return rc == 0 ? users_insert(t, &c->row, txn_err(t)) : rc;
}

int account_create(struct server *s, struct arena *a, const struct new_account *account,
                   uint64_t *out_nid, struct err *err)
{
    struct creation c = {
        .user_id = user_id_make(a, account->localpart, s->server_name),
        .row = {.localpart = account->localpart,
                .is_admin = account->is_admin,
                .is_guest = account->is_guest,
                .appservice = account->appservice,
                .created_ts = clock_wall_ms()},
    };
    if (!user_localpart_is_valid(account->localpart, s->server_name)) {
        return err_set(err, E_INVALID, 400, "M_INVALID_USERNAME",
                       "A user name is made of a-z, 0-9 and . _ = - / +");
    }
    int rc = account->password.p ? hash(s, a, account->password, &c.row.password_hash, err) : 0;
    rc = rc ? rc : store_write(s->store, "account-create", create_body, &c, err);
    if (rc == E_CONFLICT) {
        return err_set(err, E_CONFLICT, 400, "M_USER_IN_USE", "The user name is taken");
    }
    if (rc == 0 && out_nid) {
        *out_nid = c.row.nid;
    }
    return rc;
}

/* ---- changing --------------------------------------------------------------------------------- */

struct change_of_password {
    uint64_t user_nid, keep_device;
    struct str hash;
    bool sign_out;
};

static int end_devices(struct txn *t, uint64_t user_nid, uint64_t keep, struct err *err)
{
    struct device_row *devices;
    size_t n;
    int rc = devices_of_user(txn_read(t), txn_arena(t), user_nid, &devices, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (devices[i].nid != keep) {
            rc = devices_delete(t, user_nid, devices[i].nid, err);
        }
    }
    return rc;
}

static int password_body(struct txn *t, void *arg)
{
    struct change_of_password *c = arg;
    int rc = users_set_password(t, c->user_nid, c->hash, txn_err(t));
    return rc == 0 && c->sign_out ? end_devices(t, c->user_nid, c->keep_device, txn_err(t)) : rc;
}

int account_set_password(struct server *s, struct arena *a, uint64_t user_nid, struct str password,
                         bool sign_out, uint64_t keep_device, struct err *err)
{
    struct change_of_password c = {
        .user_nid = user_nid, .keep_device = keep_device, .sign_out = sign_out};
    int rc = hash(s, a, password, &c.hash, err);
    return rc == 0 ? store_write(s->store, "account-password", password_body, &c, err) : rc;
}

struct change_of_flag {
    uint64_t user_nid;
    bool value;
};

static int admin_body(struct txn *t, void *arg)
{
    const struct change_of_flag *c = arg;
    return users_set_flag(t, c->user_nid, USER_ADMIN, c->value, txn_err(t));
}

int account_set_admin(struct server *s, uint64_t user_nid, bool is_admin, struct err *err)
{
    struct change_of_flag c = {user_nid, is_admin};
    return store_write(s->store, "account-admin", admin_body, &c, err);
}

/* ---- ending ----------------------------------------------------------------------------------- */

static int deactivate_body(struct txn *t, void *arg)
{
    const struct change_of_flag *c = arg;
    return users_deactivate(t, c->user_nid, c->value, txn_err(t));
}

static int leave(struct server *s, struct arena *a, uint64_t user_nid, struct str user_id,
                 uint64_t room_nid, struct err *err)
{
    struct room *room;
    int rc = room_get_nid(s, room_nid, &room, err);
    if (rc != 0) {
        return rc;
    }
    const struct new_event ev = {
        .type = STR("m.room.member"),
        .sender = user_id,
        .sender_nid = user_nid,
        .state_key = user_id,
        .is_state = true,
        .content = STR("{\"membership\":\"leave\"}"),
    };
    rc = room_send(s, a, room, &ev, NULL, err);
    room_unref(&room);
    return rc;
}

static bool is_in(enum membership m)
{
    return m == MEMBERSHIP_JOIN || m == MEMBERSHIP_INVITE || m == MEMBERSHIP_KNOCK;
}

static int leave_all(struct server *s, struct arena *a, uint64_t user_nid, struct err *err)
{
    struct user_room *rooms;
    struct str user_id;
    size_t n;
    int rc = names_text(s->store, store_reader(s->store), user_nid, a, &user_id, err);
    rc = rc ? rc : user_rooms(s, a, user_nid, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct err why = {0};
        if (is_in(rooms[i].membership) &&
            leave(s, a, user_nid, user_id, rooms[i].room, &why) != 0) {
            log_warn("a deactivated user could not leave a room", LOG_STR("user", user_id),
                     LOG_CSTR("why", why.message), LOG_CSTR("detail", why.detail));
        }
    }
    return rc;
}

/* The account ends first: whoever still holds a token cannot join again behind us. */
int account_deactivate(struct server *s, struct arena *a, uint64_t user_nid, bool erase,
                       struct err *err)
{
    struct change_of_flag c = {user_nid, erase};
    int rc = store_write(s->store, "account-deactivate", deactivate_body, &c, err);
    return rc == 0 ? leave_all(s, a, user_nid, err) : rc;
}
