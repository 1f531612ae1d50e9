/* SPDX-License-Identifier: Apache-2.0 */
#include "store/key_backups.h"

#include "base/clock.h"
#include "store/statements.h"

#define BACKUP_COLUMNS "version, algorithm, auth_data, etag, n_keys"
COLS(backup_cols, struct key_backup, COL(struct key_backup, version),
     COL(struct key_backup, algorithm), COL(struct key_backup, auth_data),
     COL(struct key_backup, etag), COL(struct key_backup, n_keys));

static const struct sql newest_number = {
    "SELECT max(version) FROM key_backups WHERE user_nid = $1"};
static const struct sql create = {
    "INSERT INTO key_backups (user_nid, version, algorithm, auth_data, etag, n_keys, is_deleted)"
    " VALUES ($1, $2, $3, $4, 0, 0, FALSE)"};
static const struct sql get = {
    "SELECT " BACKUP_COLUMNS
    " FROM key_backups WHERE user_nid = $1 AND version = $2 AND NOT is_deleted"};
static const struct sql get_newest = {"SELECT " BACKUP_COLUMNS
                                      " FROM key_backups WHERE user_nid = $1"
                                      " AND NOT is_deleted ORDER BY version DESC LIMIT 1"};
static const struct sql set_auth_data = {"UPDATE key_backups SET auth_data = $3 WHERE user_nid = "
                                         "$1 AND version = $2 AND NOT is_deleted"};
static const struct sql delete = {
    "UPDATE key_backups SET is_deleted = TRUE, auth_data = '{}', etag = etag + 1, n_keys = 0"
    " WHERE user_nid = $1 AND version = $2"};
static const struct sql delete_of_user = {
    "UPDATE key_backups SET is_deleted = TRUE, auth_data = '{}', n_keys = 0 WHERE user_nid = $1"};
static const struct sql count_change = {"UPDATE key_backups SET etag = etag + 1, n_keys = n_keys + "
                                        "$3 WHERE user_nid = $1 AND version = $2"};

#define SESSION_COLUMNS                                                                            \
    "room_id, session_id, first_message_index, forwarded_count, is_verified, session_data"
COLS(session_cols, struct backup_session, COL(struct backup_session, room_id),
     COL(struct backup_session, session_id), COL(struct backup_session, first_message_index),
     COL(struct backup_session, forwarded_count), COL(struct backup_session, is_verified),
     COL(struct backup_session, session_data));

static const struct sql insert_session = {
    "INSERT INTO key_backup_sessions (user_nid, version, " SESSION_COLUMNS ")"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"};
static const struct sql improve_session = {
    "UPDATE key_backup_sessions SET first_message_index = $5, forwarded_count = $6, is_verified = "
    "$7,"
    " session_data = $8 WHERE user_nid = $1 AND version = $2 AND room_id = $3 AND session_id = $4"
    " AND (($7 AND NOT is_verified) OR (is_verified = $7"
    " AND ($5 < first_message_index OR ($5 = first_message_index AND $6 < forwarded_count))))"};

#define ALL      " FROM key_backup_sessions WHERE user_nid = $1 AND version = $2"
#define OF_ROOM  ALL " AND room_id = $3"
#define ONE      OF_ROOM " AND session_id = $4"
#define IN_ORDER " ORDER BY room_id, session_id"
static const struct sql select_all = {"SELECT " SESSION_COLUMNS ALL IN_ORDER};
static const struct sql select_of_room = {"SELECT " SESSION_COLUMNS OF_ROOM IN_ORDER};
static const struct sql select_one = {"SELECT " SESSION_COLUMNS ONE};
static const struct sql delete_all = {"DELETE" ALL};
static const struct sql delete_of_room = {"DELETE" OF_ROOM};
static const struct sql delete_one = {"DELETE" ONE};
static const struct sql delete_sessions_of_user = {
    "DELETE FROM key_backup_sessions WHERE user_nid = $1"};

STATEMENTS(key_backups, &newest_number, &create, &get, &get_newest, &set_auth_data, &delete,
           &delete_of_user, &count_change, &insert_session, &improve_session, &select_all,
           &select_of_room, &select_one, &delete_all, &delete_of_room, &delete_one,
           &delete_sessions_of_user);

int key_backups_create(struct txn *t, uint64_t user_nid, struct str algorithm, struct str auth_data,
                       int64_t *out_version, struct err *err)
{
    int64_t newest = 0;
    int rc = db_int(txn_read(t), &newest_number, PARAMS(P_INT(user_nid)), &newest, err);
    /* Not the next number alone: after a restore that one may be taken, for another key, in what clients remember. */
    *out_version = MAX(newest + 1, clock_wall_ms() / 1000);
    return rc ? rc
              : db_exec(t, &create,
                        PARAMS(P_INT(user_nid), P_INT(*out_version), P_TEXT(algorithm),
                               P_TEXT(auth_data)),
                        err);
}

int key_backups_get(struct db_read *r, struct arena *a, uint64_t user_nid, int64_t version,
                    struct key_backup *out, struct err *err)
{
    if (version == 0) {
        return db_row(r, a, &get_newest, PARAMS(P_INT(user_nid)), &backup_cols, out, err);
    }
    return db_row(r, a, &get, PARAMS(P_INT(user_nid), P_INT(version)), &backup_cols, out, err);
}

static int no_such_version(struct err *err)
{
    return err_not_found(err, "There is no such backup version");
}

int key_backups_set_auth_data(struct txn *t, uint64_t user_nid, int64_t version,
                              struct str auth_data, struct err *err)
{
    int64_t changed;
    int rc =
        db_exec_count(t, &set_auth_data, PARAMS(P_INT(user_nid), P_INT(version), P_TEXT(auth_data)),
                      &changed, err);
    return rc == 0 && changed == 0 ? no_such_version(err) : rc;
}

int key_backups_delete(struct txn *t, uint64_t user_nid, int64_t version, struct err *err)
{
    int64_t changed;
    int rc = db_exec_count(t, &delete, PARAMS(P_INT(user_nid), P_INT(version)), &changed, err);
    if (rc == 0 && changed == 0) {
        return no_such_version(err);
    }
    return rc ? rc : db_exec(t, &delete_all, PARAMS(P_INT(user_nid), P_INT(version)), err);
}

int key_backups_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    int rc = db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
    return rc ? rc : db_exec(t, &delete_sessions_of_user, PARAMS(P_INT(user_nid)), err);
}

/* ---- keys --------------------------------------------------------------------------------------------- */

struct tally {
    int64_t added, changed;
};

static int put_session(struct txn *t, uint64_t user_nid, int64_t version,
                       const struct backup_session *s, struct tally *tally, struct err *err)
{
    struct db_params params =
        PARAMS(P_INT(user_nid), P_INT(version), P_TEXT(s->room_id), P_TEXT(s->session_id),
               P_INT(s->first_message_index), P_INT(s->forwarded_count), P_BOOL(s->is_verified),
               P_TEXT(s->session_data));
    int64_t n;
    int rc = db_exec_count(t, &insert_session, params, &n, err);
    if (rc == 0 && n > 0) {
        tally->added++;
        tally->changed++;
        return 0;
    }
    if (rc == 0) {
        rc = db_exec_count(t, &improve_session, params, &n, err);
        tally->changed += n > 0;
    }
    return rc;
}

/* Brings the version's row up to date and gives it. */
static int settle(struct txn *t, uint64_t user_nid, int64_t version, const struct tally *tally,
                  struct key_backup *out, struct err *err)
{
    int rc = 0;
    if (tally->changed > 0) {
        rc = db_exec(t, &count_change, PARAMS(P_INT(user_nid), P_INT(version), P_INT(tally->added)),
                     err);
    }
    return rc || !out ? rc
                      : key_backups_get(txn_read(t), txn_arena(t), user_nid, version, out, err);
}

static int check_version(struct txn *t, uint64_t user_nid, int64_t version, struct err *err)
{
    struct key_backup found;
    return key_backups_get(txn_read(t), txn_arena(t), user_nid, version, &found, err);
}

int backup_sessions_put(struct txn *t, uint64_t user_nid, int64_t version,
                        const struct backup_session *sessions, size_t n, struct key_backup *out,
                        struct err *err)
{
    struct tally tally = {0};
    int rc = check_version(t, user_nid, version, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = put_session(t, user_nid, version, &sessions[i], &tally, err);
    }
    return rc ? rc : settle(t, user_nid, version, &tally, out, err);
}

/* The statement for a range, of the three; *params has room for four. */
static const struct sql *for_range(const struct backup_range *g,
                                   const struct sql *const by_width[3], struct db_value values[4],
                                   struct db_params *params)
{
    size_t width = !g->room_id.p ? 0 : !g->session_id.p ? 1 : 2;
    values[0] = P_INT(g->user_nid);
    values[1] = P_INT(g->version);
    values[2] = P_TEXT(g->room_id);
    values[3] = P_TEXT(g->session_id);
    *params = (struct db_params){.p = values, .n = 2 + width};
    return by_width[width];
}

int backup_sessions_each(struct db_read *r, const struct backup_range *range,
                         struct backup_session *row, int (*fn)(void *row, void *arg), void *arg,
                         struct err *err)
{
    static const struct sql *const by_width[] = {&select_all, &select_of_room, &select_one};
    struct db_value values[4];
    struct db_params params;
    const struct sql *sql = for_range(range, by_width, values, &params);
    return db_each(r, sql, params, &session_cols, row, fn, arg, err);
}

int backup_sessions_delete(struct txn *t, const struct backup_range *range, struct key_backup *out,
                           struct err *err)
{
    static const struct sql *const by_width[] = {&delete_all, &delete_of_room, &delete_one};
    struct db_value values[4];
    struct db_params params;
    const struct sql *sql = for_range(range, by_width, values, &params);
    int64_t deleted = 0;
    int rc = check_version(t, range->user_nid, range->version, err);
    if (rc == 0) {
        rc = db_exec_count(t, sql, params, &deleted, err);
    }
    struct tally tally = {.added = -deleted, .changed = deleted};
    return rc ? rc : settle(t, range->user_nid, range->version, &tally, out, err);
}
