/* SPDX-License-Identifier: Apache-2.0 */
#include "store/key_backups.h"

#include "base/clock.h"
#include "store/statements.h"
#include "store/user_totals.h"

#define BACKUP_COLUMNS "version, algorithm, auth_data, etag, n_keys, bytes"
COLS(backup_cols, struct key_backup, COL(struct key_backup, version),
     COL(struct key_backup, algorithm), COL(struct key_backup, auth_data),
     COL(struct key_backup, etag), COL(struct key_backup, n_keys), COL(struct key_backup, bytes));

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
/* The keys go later, see backup_sweep. */
static const struct sql delete = {
    "UPDATE key_backups SET is_deleted = TRUE, auth_data = '{}', etag = etag + 1, n_keys = 0"
    " WHERE user_nid = $1 AND version = $2 AND NOT is_deleted"};
static const struct sql has_version = {
    "SELECT count(*) FROM key_backups WHERE user_nid = $1 AND version = $2"};
static const struct sql delete_of_user = {
    "UPDATE key_backups SET is_deleted = TRUE, auth_data = '{}', n_keys = 0 WHERE user_nid = $1"};
static const struct sql count_change = {
    "UPDATE key_backups SET etag = etag + 1, n_keys = n_keys + $3, bytes = bytes + $4"
    " WHERE user_nid = $1 AND version = $2"};
static const struct sql left = {"SELECT user_nid, version FROM key_backups WHERE is_deleted AND "
                                "bytes > 0 ORDER BY user_nid, version LIMIT 1",
                                .may_scan = true}; /* the index holds only those */
static const struct sql none_left = {
    "UPDATE key_backups SET bytes = 0 WHERE user_nid = $1 AND version = $2"};
static const struct sql sum_of_user = {
    "SELECT COUNT(*), CAST(COALESCE(SUM(bytes + octet_length(auth_data) + 64), 0) AS BIGINT) FROM "
    "key_backups WHERE user_nid = $1"};
COLS(sum_cols, struct user_sum, COL(struct user_sum, n), COL(struct user_sum, bytes));
_Static_assert(TOTAL_ROW_BYTES == 64, "as in the statements and the migration");

#define SESSION_COLUMNS                                                                            \
    "room_id, session_id, first_message_index, forwarded_count, is_verified, session_data"
COLS(session_cols, struct backup_session, COL(struct backup_session, room_id),
     COL(struct backup_session, session_id), COL(struct backup_session, first_message_index),
     COL(struct backup_session, forwarded_count), COL(struct backup_session, is_verified),
     COL(struct backup_session, session_data));

static const struct sql find_session = {
    "SELECT first_message_index, forwarded_count, is_verified, octet_length(session_data) FROM "
    "key_backup_sessions WHERE user_nid = $1 AND version = $2 AND room_id = $3 AND session_id = "
    "$4"};
static const struct sql put_session = {
    "INSERT INTO key_backup_sessions (user_nid, version, " SESSION_COLUMNS ")"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (user_nid, version, room_id, session_id)"
    " DO UPDATE SET first_message_index = excluded.first_message_index, forwarded_count ="
    " excluded.forwarded_count, is_verified = excluded.is_verified, session_data ="
    " excluded.session_data"};

#define ALL      " FROM key_backup_sessions WHERE user_nid = $1 AND version = $2"
#define OF_ROOM  ALL " AND room_id = $3"
#define ONE      OF_ROOM " AND session_id = $4"
#define IN_ORDER " ORDER BY room_id, session_id"
static const struct sql select_all = {"SELECT " SESSION_COLUMNS ALL IN_ORDER};
static const struct sql select_of_room = {"SELECT " SESSION_COLUMNS OF_ROOM IN_ORDER};
static const struct sql select_one = {"SELECT " SESSION_COLUMNS ONE};
#define GIVING_BYTES                                                                               \
    " RETURNING octet_length(room_id) + octet_length(session_id) + octet_length(session_data)"
static const struct sql delete_all = {
    "DELETE" ALL " AND (room_id, session_id) IN (SELECT room_id, session_id" ALL IN_ORDER
    " LIMIT $3)" GIVING_BYTES};
static const struct sql delete_of_room = {"DELETE" OF_ROOM
                                          " AND session_id IN (SELECT session_id" OF_ROOM
                                          " ORDER BY session_id LIMIT $4)" GIVING_BYTES};
static const struct sql delete_one = {"DELETE" ONE GIVING_BYTES};

STATEMENTS(key_backups, &newest_number, &create, &get, &get_newest, &set_auth_data, &delete,
           &has_version, &delete_of_user, &count_change, &left, &none_left, &sum_of_user,
           &find_session, &put_session, &select_all, &select_of_room, &select_one, &delete_all,
           &delete_of_room, &delete_one);

/* ---- versions ----------------------------------------------------------------------------------------- */

/* Whether the user may keep `more` bytes than now. */
static int check_room(struct txn *t, uint64_t user_nid, int64_t more, int64_t most, struct err *err)
{
    struct user_sum now;
    if (more <= 0 || most == 0) {
        return 0;
    }
    int rc = user_totals_get(txn_read(t), user_nid, TOTAL_KEY_BACKUPS, &now, err);
    return rc == 0 && now.bytes + more > most
               ? err_too_large(err, "The key backups of a user may have %lld bytes in all",
                               (long long)most)
               : rc;
}

/* The same; and notes it. */
static int take_room(struct txn *t, uint64_t user_nid, struct user_sum more, int64_t most,
                     struct err *err)
{
    int rc = check_room(t, user_nid, more.bytes, most, err);
    return rc ? rc : user_totals_add(t, user_nid, TOTAL_KEY_BACKUPS, more, err);
}

int key_backups_create(struct txn *t, uint64_t user_nid, struct str algorithm, struct str auth_data,
                       int64_t most, int64_t *out_version, struct err *err)
{
    struct user_sum more = {.n = 1, .bytes = (int64_t)auth_data.n + TOTAL_ROW_BYTES};
    int64_t newest = 0;
    int rc = take_room(t, user_nid, more, most, err);
    rc = rc ? rc : db_int(txn_read(t), &newest_number, PARAMS(P_INT(user_nid)), &newest, err);
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

/* E_NOT_FOUND in words. */
static int get_version(struct txn *t, uint64_t user_nid, int64_t version, struct key_backup *out,
                       struct err *err)
{
    int rc = key_backups_get(txn_read(t), txn_arena(t), user_nid, version, out, err);
    return rc == E_NOT_FOUND ? no_such_version(err) : rc;
}

int key_backups_set_auth_data(struct txn *t, uint64_t user_nid, int64_t version,
                              struct str auth_data, int64_t most, struct err *err)
{
    struct key_backup old;
    int rc = get_version(t, user_nid, version, &old, err);
    if (rc == 0) {
        struct user_sum more = {.bytes = (int64_t)auth_data.n - (int64_t)old.auth_data.n};
        rc = take_room(t, user_nid, more, most, err);
    }
    return rc ? rc
              : db_exec(t, &set_auth_data,
                        PARAMS(P_INT(user_nid), P_INT(version), P_TEXT(auth_data)), err);
}

static int was_deleted(struct txn *t, uint64_t user_nid, int64_t version, struct err *err)
{
    int64_t n = 0;
    int rc = db_int(txn_read(t), &has_version, PARAMS(P_INT(user_nid), P_INT(version)), &n, err);
    return rc == 0 && n == 0 ? no_such_version(err) : rc;
}

int key_backups_delete(struct txn *t, uint64_t user_nid, int64_t version, struct err *err)
{
    struct key_backup old;
    int rc = key_backups_get(txn_read(t), txn_arena(t), user_nid, version, &old, NULL);
    if (rc == E_NOT_FOUND) {
        return was_deleted(t, user_nid, version, err);
    }
    if (rc == 0) {
        struct user_sum less = {.bytes = (int64_t)STR("{}").n - (int64_t)old.auth_data.n};
        rc = user_totals_add(t, user_nid, TOTAL_KEY_BACKUPS, less, err);
    }
    return rc ? rc : db_exec(t, &delete, PARAMS(P_INT(user_nid), P_INT(version)), err);
}

int key_backups_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    struct user_sum sum;
    int rc = db_exec(t, &delete_of_user, PARAMS(P_INT(user_nid)), err);
    rc = rc ? rc : user_totals_clear(t, user_nid, TOTAL_KEY_BACKUPS, err);
    rc =
        rc ? rc
           : db_row(txn_read(t), NULL, &sum_of_user, PARAMS(P_INT(user_nid)), &sum_cols, &sum, err);
    return rc ? rc : user_totals_add(t, user_nid, TOTAL_KEY_BACKUPS, sum, err);
}

/* ---- keys --------------------------------------------------------------------------------------------- */

/* What a change makes of a version. */
struct tally {
    int64_t added, changed, bytes;
};

struct stored_session {
    int64_t first_message_index, forwarded_count;
    bool is_verified;
    int64_t bytes; /* of session_data */
};
COLS(stored_cols, struct stored_session, COL(struct stored_session, first_message_index),
     COL(struct stored_session, forwarded_count), COL(struct stored_session, is_verified),
     COL(struct stored_session, bytes));

static bool is_better(const struct backup_session *s, const struct stored_session *old)
{
    if (s->is_verified != old->is_verified) {
        return s->is_verified;
    }
    return s->first_message_index != old->first_message_index
               ? s->first_message_index < old->first_message_index
               : s->forwarded_count < old->forwarded_count;
}

/* Whether the key is to be stored; counts what that changes. */
static int weigh_session(struct txn *t, uint64_t user_nid, int64_t version,
                         const struct backup_session *s, bool *out, struct tally *tally,
                         struct err *err)
{
    struct stored_session old = {0};
    bool found;
    int rc =
        db_find(txn_read(t), NULL, &find_session,
                PARAMS(P_INT(user_nid), P_INT(version), P_TEXT(s->room_id), P_TEXT(s->session_id)),
                &stored_cols, &old, &found, err);
    *out = rc == 0 && (!found || is_better(s, &old));
    if (*out) {
        size_t row = found ? 0 : s->room_id.n + s->session_id.n + TOTAL_ROW_BYTES;
        tally->added += !found;
        tally->changed++;
        tally->bytes += (int64_t)(s->session_data.n + row) - old.bytes;
    }
    return rc;
}

static int write_session(struct txn *t, uint64_t user_nid, int64_t version,
                         const struct backup_session *s, struct err *err)
{
    return db_exec(t, &put_session,
                   PARAMS(P_INT(user_nid), P_INT(version), P_TEXT(s->room_id),
                          P_TEXT(s->session_id), P_INT(s->first_message_index),
                          P_INT(s->forwarded_count), P_BOOL(s->is_verified),
                          P_TEXT(s->session_data)),
                   err);
}

/* Brings the version's row up to date and gives it. */
static int settle(struct txn *t, uint64_t user_nid, int64_t version, const struct tally *tally,
                  struct key_backup *out, struct err *err)
{
    int rc = 0;
    if (tally->changed > 0) {
        rc = db_exec(
            t, &count_change,
            PARAMS(P_INT(user_nid), P_INT(version), P_INT(tally->added), P_INT(tally->bytes)), err);
    }
    return rc || !out ? rc
                      : key_backups_get(txn_read(t), txn_arena(t), user_nid, version, out, err);
}

int backup_sessions_put(struct txn *t, uint64_t user_nid, int64_t version,
                        const struct backup_session *sessions, size_t n, int64_t most,
                        struct key_backup *out, struct err *err)
{
    struct tally tally = {0};
    struct key_backup found;
    bool *goes_in = arena_array(txn_arena(t), bool, n);
    int rc = get_version(t, user_nid, version, &found, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = weigh_session(t, user_nid, version, &sessions[i], &goes_in[i], &tally, err);
    }
    rc = rc ? rc : take_room(t, user_nid, (struct user_sum){.bytes = tally.bytes}, most, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = goes_in[i] ? write_session(t, user_nid, version, &sessions[i], err) : 0;
    }
    return rc ? rc : settle(t, user_nid, version, &tally, out, err);
}

/* The statement for a range, of the three; *params has room for four. */
static const struct sql *for_range(const struct backup_range *g,
                                   const struct sql *const by_width[3], struct db_value *values,
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

/* Deletes up to `limit` keys. */
static int delete_some(struct txn *t, const struct backup_range *range, size_t limit,
                       struct tally *tally, struct err *err)
{
    static const struct sql *const by_width[] = {&delete_all, &delete_of_room, &delete_one};
    struct db_value values[5];
    struct db_params params;
    struct db_i64 *bytes;
    size_t n = 0;
    const struct sql *sql = for_range(range, by_width, values, &params);
    if (sql != &delete_one) {
        values[params.n] = P_INT(limit);
        params.n++;
    }
    int rc = db_exec_rows(t, txn_arena(t), sql, params, &db_i64_cols, &bytes, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        tally->bytes -= bytes[i].v + TOTAL_ROW_BYTES;
    }
    tally->added = -(int64_t)n;
    tally->changed = (int64_t)n;
    return rc ? rc
              : user_totals_add(t, range->user_nid, TOTAL_KEY_BACKUPS,
                                (struct user_sum){.bytes = tally->bytes}, err);
}

int backup_sessions_delete(struct txn *t, const struct backup_range *range, size_t limit,
                           struct key_backup *out, bool *out_more, struct err *err)
{
    struct tally tally = {0};
    int rc = get_version(t, range->user_nid, range->version, out, err);
    rc = rc ? rc : delete_some(t, range, limit, &tally, err);
    *out_more = tally.changed == (int64_t)limit;
    return rc ? rc : settle(t, range->user_nid, range->version, &tally, out, err);
}

COLS(left_cols, struct backup_range, COL(struct backup_range, user_nid),
     COL(struct backup_range, version));

int backup_sweep_due(struct db_read *r, struct backup_range *out, struct err *err)
{
    *out = (struct backup_range){0};
    return db_row(r, NULL, &left, PARAMS(), &left_cols, out, err);
}

int backup_sweep(struct txn *t, const struct backup_range *range, size_t limit, struct err *err)
{
    struct tally tally = {0};
    int rc = delete_some(t, range, limit, &tally, err);
    if (rc == 0 && tally.changed < (int64_t)limit) {
        return db_exec(t, &none_left, PARAMS(P_INT(range->user_nid), P_INT(range->version)), err);
    }
    return rc ? rc
              : db_exec(t, &count_change,
                        PARAMS(P_INT(range->user_nid), P_INT(range->version), P_INT(0),
                               P_INT(tally.bytes)),
                        err);
}
