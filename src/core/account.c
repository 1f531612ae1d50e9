/* SPDX-License-Identifier: Apache-2.0 */
#include "core/account.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/changes.h"
#include "core/device_list.h"
#include "core/erasure.h"
#include "core/limits.h"
#include "core/live_user.h"
#include "core/room_send.h"
#include "core/server.h"
#include "core/sign_in.h"
#include "core/user_directory.h"
#include "crypto/password.h"
#include "matrix/ids.h"
#include "store/names.h"
#include "store/profiles.h"
#include "store/push.h"
#include "store/registration_tokens.h"
#include "store/threepids.h"
#include "store/users.h"
#include "wire/canonical.h"

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

static struct password_cost cost_of(const struct server *s)
{
    return (struct password_cost){
        .passes = (uint64_t)s->config->password.hash_operations,
        .memory = (size_t)s->config->password.hash_memory,
    };
}

static int hash(struct server *s, struct arena *a, struct str password, struct str *out,
                struct err *err)
{
    const struct password_cost cost = cost_of(s);
    int rc = account_check_password(s, password, err);
    return rc == 0 ? password_hash(a, password, &cost, out, err) : rc;
}

struct rehash {
    uint64_t user_nid;
    struct str old, hash;
};

/* Unless the password was changed meanwhile. */
static int rehash_body(struct txn *t, void *arg)
{
    const struct rehash *r = arg;
    struct user_row now;
    int rc = users_get(txn_read(t), txn_arena(t), r->user_nid, &now, txn_err(t));
    return rc == 0 && str_eq(now.password_hash, r->old)
               ? users_set_password(t, r->user_nid, r->hash, txn_err(t))
               : rc;
}

/* Failing to do so takes nothing from who has just proved their password. */
static void rehash(struct server *s, struct arena *a, const struct user_row *row,
                   struct str password, const struct password_cost *cost)
{
    struct rehash r = {.user_nid = row->nid, .old = row->password_hash};
    struct err why = {0};
    if (password_hash(a, password, cost, &r.hash, &why) != 0 ||
        store_write(s->store, "account-rehash", rehash_body, &r, &why) != 0) {
        log_warn("a password could not be hashed anew", LOG_CSTR("why", why.message),
                 LOG_CSTR("detail", why.detail));
    }
}

bool account_has_password(struct server *s, struct arena *a, const struct user_row *row,
                          struct str password)
{
    const struct password_cost cost = cost_of(s);
    if (!row || !row->password_hash.p) {
        password_verify_nobody(password, &cost);
        return false;
    }
    bool is_right = password_verify(row->password_hash, s->config->password.pepper, password);
    if (is_right && password_needs_rehash(row->password_hash, &cost)) {
        rehash(s, a, row, password, &cost);
    }
    return is_right;
}

/* ---- making ----------------------------------------------------------------------------------- */

struct creation {
    struct server *server;
    bool is_own_wish;
    struct str user_id, displayname, registration_token;
    struct user_row row;
    struct threepid_row email; /* address.p == NULL: none */
    bool email_is_taken;
    const struct new_account *account;
};

/* The use of a token and the account that it buys are one transaction. */
static int use_token(struct txn *t, struct str token, struct err *err)
{
    if (!token.p) {
        return 0;
    }
    int rc = registration_tokens_hold(t, token, clock_wall_ms(), err);
    if (rc == E_NOT_FOUND) {
        return err_set(err, E_FORBIDDEN, 401, "M_UNAUTHORIZED",
                       "The registration token is not valid any more");
    }
    return rc ? rc : registration_tokens_complete(t, token, err);
}

static struct threepid_row email_of(const struct new_account *account)
{
    return (struct threepid_row){.medium = STR("email"),
                                 .address = account->email,
                                 .validated_ts = account->email_validated_ts,
                                 .added_ts = clock_wall_ms()};
}

/* Somebody may have taken the address since it was proved. */
static int put_email(struct txn *t, struct creation *c, struct err *err)
{
    c->email.user_nid = c->row.nid;
    int rc = c->email.address.p ? threepids_insert(t, &c->email, err) : 0;
    c->email_is_taken = rc == E_CONFLICT;
    return rc;
}

static int put_displayname(struct txn *t, const struct creation *c, struct err *err)
{
    struct buf json = BUF_INIT(6 * DISPLAYNAME_MAX + 2);
    canonical_write_str(&json, c->displayname);
    int rc = profiles_put(t, c->row.nid, STR("displayname"), buf_str(&json), err);
    buf_release(&json);
    return rc;
}

int account_check_room_for_one(struct server *s, struct db_read *r, struct err *err)
{
    int64_t most = s->config->registration.max_accounts;
    bool is_full = false;
    int rc = most ? users_are_at_least(r, most, &is_full, err) : 0;
    return rc == 0 && is_full ? limit_of_server(s, err, "This server takes no more accounts") : rc;
}

static int finish(struct txn *t, const struct creation *c)
{
    int rc = user_directory_update(t, c->row.nid, txn_err(t));
    return rc == 0 && c->account->also ? c->account->also(t, c->account->also_arg) : rc;
}

static int create_body(struct txn *t, void *arg)
{
    struct creation *c = arg;
    struct err *err = txn_err(t);
    int rc = c->is_own_wish ? account_check_room_for_one(c->server, txn_read(t), err) : 0;
    rc = rc ? rc : names_intern(t, c->user_id, &c->row.nid, err);
    rc = rc ? rc : users_insert(t, &c->row, err);
    rc = rc ? rc : use_token(t, c->registration_token, err);
    rc = rc ? rc : put_email(t, c, err);
    rc = rc ? rc : put_displayname(t, c, err);
    return rc ? rc : finish(t, c);
}

int account_check_name(struct server *s, struct arena *a, struct str localpart, struct err *err)
{
    struct user_row row;
    if (!user_localpart_is_valid(localpart, s->server_name)) {
        return err_set(err, E_INVALID, 400, "M_INVALID_USERNAME",
                       "A user name is made of a-z, 0-9 and . _ = - / +");
    }
    int rc = users_find(store_reader(s->store), a, localpart, &row, err);
    if (rc == 0) {
        return err_set(err, E_CONFLICT, 400, "M_USER_IN_USE", "The user name is taken");
    }
    return rc == E_NOT_FOUND ? 0 : rc;
}

int account_create(struct server *s, struct arena *a, const struct new_account *account,
                   uint64_t *out_nid, struct err *err)
{
    struct str name = account->displayname;
    struct creation c = {
        .server = s,
        .account = account,
        .is_own_wish = account->is_own_wish,
        .user_id = user_id_make(a, account->localpart, s->server_name),
        .displayname = name.n && name.n <= DISPLAYNAME_MAX ? name : account->localpart,
        .registration_token = account->registration_token,
        .email = email_of(account),
        .row = {.localpart = account->localpart,
                .is_admin = account->is_admin,
                .is_guest = account->is_guest,
                .appservice = account->appservice,
                .created_ts = clock_wall_ms()},
    };
    int rc = account_check_name(s, a, account->localpart, err);
    if (rc == 0 && account->password.p) {
        rc = hash(s, a, account->password, &c.row.password_hash, err);
    }
    rc = rc ? rc : store_write(s->store, "account-create", create_body, &c, err);
    if (rc == E_CONFLICT && !c.email_is_taken) {
        return err_set(err, E_CONFLICT, 400, "M_USER_IN_USE", "The user name is taken");
    }
    if (rc == 0 && out_nid) {
        *out_nid = c.row.nid;
    }
    return rc;
}

static int upgrade_body(struct txn *t, void *arg)
{
    struct creation *c = arg;
    struct err *err = txn_err(t);
    struct user_row now;
    int rc = c->is_own_wish ? account_check_room_for_one(c->server, txn_read(t), err) : 0;
    rc = rc ? rc : users_get(txn_read(t), txn_arena(t), c->row.nid, &now, err);
    if (rc == 0 && (!now.is_guest || now.is_deactivated)) {
        return err_not_found(err, "This is no guest any more");
    }
    rc = rc ? rc : use_token(t, c->registration_token, err);
    rc = rc ? rc : users_set_password(t, c->row.nid, c->row.password_hash, err);
    rc = rc ? rc : users_set_flag(t, c->row.nid, USER_GUEST, false, err);
    rc = rc ? rc : put_email(t, c, err);
    return rc ? rc : finish(t, c);
}

int account_upgrade_guest(struct server *s, struct arena *a, uint64_t user_nid,
                          const struct new_account *account, struct err *err)
{
    struct creation c = {.server = s,
                         .account = account,
                         .is_own_wish = account->is_own_wish,
                         .registration_token = account->registration_token,
                         .email = email_of(account),
                         .row = {.nid = user_nid}};
    int rc = account->password.p ? hash(s, a, account->password, &c.row.password_hash, err) : 0;
    return rc ? rc : store_write(s->store, "account-upgrade-guest", upgrade_body, &c, err);
}

/* ---- changing --------------------------------------------------------------------------------- */

struct change_of_password {
    struct server *server;
    uint64_t user_nid, keep_device;
    struct str hash;
    bool sign_out;
};

static int password_body(struct txn *t, void *arg)
{
    struct change_of_password *c = arg;
    int rc = users_set_password(t, c->user_nid, c->hash, txn_err(t));
    return rc == 0 && c->sign_out
               ? sign_out_all(t, c->server, c->user_nid, c->keep_device, txn_err(t))
               : rc;
}

int account_set_password(struct server *s, struct arena *a, uint64_t user_nid, struct str password,
                         bool sign_out, uint64_t keep_device, struct err *err)
{
    struct change_of_password c = {
        .server = s, .user_nid = user_nid, .keep_device = keep_device, .sign_out = sign_out};
    int rc = hash(s, a, password, &c.hash, err);
    return rc == 0 ? store_write(s->store, "account-password", password_body, &c, err) : rc;
}

/* Without one nobody could do what only an administrator may, nor make another one but on the machine itself. */
int account_check_not_last_admin(struct db_read *r, uint64_t user_nid, struct err *err)
{
    bool is_last;
    int rc = users_is_last_admin(r, user_nid, &is_last, err);
    return rc == 0 && is_last
               ? err_forbidden(err, "This is the last administrator of the server; make another "
                                    "one first (ingot user make-admin NAME)")
               : rc;
}

struct change_of_flag {
    uint64_t user_nid;
    bool value;
};

static int admin_body(struct txn *t, void *arg)
{
    const struct change_of_flag *c = arg;
    struct err *err = txn_err(t);
    int rc = c->value ? 0 : account_check_not_last_admin(txn_read(t), c->user_nid, err);
    return rc ? rc : users_set_flag(t, c->user_nid, USER_ADMIN, c->value, err);
}

int account_set_admin(struct server *s, uint64_t user_nid, bool is_admin, struct err *err)
{
    struct change_of_flag c = {user_nid, is_admin};
    return store_write(s->store, "account-admin", admin_body, &c, err);
}

struct ending_of_sessions {
    struct server *server;
    uint64_t user_nid;
};

struct moderation {
    struct server *server;
    uint64_t user;
    enum user_flag flag;
    bool value;
};

static int moderate_body(struct txn *t, void *arg)
{
    const struct moderation *m = arg;
    struct err *err = txn_err(t);
    int64_t now = txn_position(t);
    int rc = m->value ? account_check_not_last_admin(txn_read(t), m->user, err) : 0;
    if (rc != 0) {
        return rc;
    }
    /* Nothing is pushed to such an account (push/push.h); what it missed is not made up for. */
    changes_add(t, m->server, (struct change){CHANGE_PUSHERS, now, .user = m->user});
    rc = users_set_flag(t, m->user, m->flag, m->value, err);
    return rc == 0 ? pushers_skip(t, m->user, now, err) : rc;
}

int account_set_locked(struct server *s, uint64_t user_nid, bool is_locked, struct err *err)
{
    struct moderation m = {s, user_nid, USER_LOCKED, is_locked};
    return store_write(s->store, "account-moderate", moderate_body, &m, err);
}

int account_set_suspended(struct server *s, uint64_t user_nid, bool is_suspended, struct err *err)
{
    struct moderation m = {s, user_nid, USER_SUSPENDED, is_suspended};
    return store_write(s->store, "account-moderate", moderate_body, &m, err);
}

static int sign_out_body(struct txn *t, void *arg)
{
    const struct ending_of_sessions *e = arg;
    return sign_out_all(t, e->server, e->user_nid, 0, txn_err(t));
}

int account_sign_out(struct server *s, uint64_t user_nid, struct err *err)
{
    struct ending_of_sessions e = {s, user_nid};
    return store_write(s->store, "account-sign-out", sign_out_body, &e, err);
}

/* ---- ending ----------------------------------------------------------------------------------- */

struct ending {
    struct server *server;
    uint64_t user_nid;
    bool erase;
};

static int deactivate_body(struct txn *t, void *arg)
{
    const struct ending *e = arg;
    struct err *err = txn_err(t);
    int rc = account_check_not_last_admin(txn_read(t), e->user_nid, err);
    rc = rc ? rc : users_deactivate(t, e->user_nid, e->erase, err);
    if (rc == 0 && e->erase) {
        rc = erasure_add(t, e->server, e->user_nid, err);
    }
    return rc ? rc : device_list_announce(t, e->server, e->user_nid, err);
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
    struct ending e = {.server = s, .user_nid = user_nid, .erase = erase};
    int rc = store_write(s->store, "account-deactivate", deactivate_body, &e, err);
    return rc == 0 ? leave_all(s, a, user_nid, err) : rc;
}
