/* SPDX-License-Identifier: Apache-2.0 */
#include "store/devices.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "store/device_keys.h"
#include "store/one_time_keys.h"
#include "store/push.h"
#include "store/statements.h"
#include "store/store_internal.h"
#include "store/to_device.h"
#include "store/tokens.h"
#include "store/transactions.h"
#include "store/user_totals.h"

#define DEVICE_COLUMNS                                                                             \
    "device_nid, user_nid, device_id, display_name, created_ts, last_seen_ts, last_seen_ip"
COLS(device_cols, struct device_row, COL(struct device_row, nid), COL(struct device_row, user_nid),
     COL(struct device_row, device_id), COL(struct device_row, display_name),
     COL(struct device_row, created_ts), COL(struct device_row, last_seen_ts),
     COL(struct device_row, last_seen_ip));

static const struct sql find = {"SELECT " DEVICE_COLUMNS
                                " FROM devices WHERE user_nid = $1 AND device_id = $2"};
static const struct sql get = {"SELECT " DEVICE_COLUMNS " FROM devices WHERE device_nid = $1"};
static const struct sql of_user = {"SELECT " DEVICE_COLUMNS
                                   " FROM devices WHERE user_nid = $1 ORDER BY device_id"};
static const struct sql insert = {
    "INSERT INTO devices (device_nid, user_nid, device_id, display_name, created_ts, last_seen_ts)"
    " VALUES ($1, $2, $3, $4, $5, 0)"};
static const struct sql set_name = {"UPDATE devices SET display_name = $2 WHERE device_nid = $1"};
static const struct sql set_seen = {"UPDATE devices SET last_seen_ts = $2, last_seen_ip = $3"
                                    " WHERE device_nid = $1 AND last_seen_ts < $2"};
static const struct sql delete = {"DELETE FROM devices WHERE device_nid = $1"};

STATEMENTS(devices, &find, &get, &of_user, &insert, &set_name, &set_seen, &delete);

int devices_put(struct txn *t, uint64_t user_nid, struct str device_id, struct str display_name,
                uint64_t *out_nid, bool *out_is_new, struct err *err)
{
    struct device_row row = {0};
    bool found;
    int rc = db_find(txn_read(t), txn_arena(t), &find, PARAMS(P_INT(user_nid), P_TEXT(device_id)),
                     &device_cols, &row, &found, err);
    if (rc || found) {
        *out_nid = row.nid;
        *out_is_new = false;
        return rc;
    }
    *out_is_new = true;
    *out_nid = (uint64_t)txn_new_id(t, ID_OTHER);
    rc = user_totals_add(t, user_nid, TOTAL_DEVICES, (struct user_sum){.n = 1}, err);
    return rc ? rc
              : db_exec(t, &insert,
                        PARAMS(P_INT(*out_nid), P_INT(user_nid), P_TEXT(device_id),
                               P_TEXT(display_name), P_INT(clock_wall_ms())),
                        err);
}

int devices_find(struct db_read *r, struct arena *a, uint64_t user_nid, struct str device_id,
                 struct device_row *out, struct err *err)
{
    return db_row(r, a, &find, PARAMS(P_INT(user_nid), P_TEXT(device_id)), &device_cols, out, err);
}

int devices_of_user(struct db_read *r, struct arena *a, uint64_t user_nid, struct device_row **out,
                    size_t *out_n, struct err *err)
{
    return db_rows(r, a, &of_user, PARAMS(P_INT(user_nid)), &device_cols, out, out_n, err);
}

int devices_count(struct db_read *r, uint64_t user_nid, int64_t *out, struct err *err)
{
    struct user_sum now;
    int rc = user_totals_get(r, user_nid, TOTAL_DEVICES, &now, err);
    *out = rc ? *out : now.n;
    return rc;
}

int devices_set_display_name(struct txn *t, uint64_t nid, struct str name, struct err *err)
{
    int64_t changed;
    int rc = db_exec_count(t, &set_name, PARAMS(P_INT(nid), P_TEXT(name)), &changed, err);
    return rc == 0 && changed == 0 ? err_not_found(err, "There is no such device") : rc;
}

/* What hangs on the device's nid alone. */
static int delete_belongings(struct txn *t, uint64_t nid, struct err *err)
{
    static int (*const parts[])(struct txn *, uint64_t, struct err *) = {
        to_device_delete_of_device,
        one_time_keys_delete_of_device,
        transactions_delete_of_device,
        pushers_delete_of_device,
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++) {
        rc = parts[i](t, nid, err);
    }
    return rc;
}

int devices_delete(struct txn *t, uint64_t user_nid, uint64_t nid, struct err *err)
{
    struct device_row row;
    bool found;
    int rc = db_find(txn_read(t), txn_arena(t), &get, PARAMS(P_INT(nid)), &device_cols, &row,
                     &found, err);
    if (rc || !found) {
        return rc;
    }
    bug_on(row.user_nid != user_nid);
    rc = delete_belongings(t, nid, err);
    if (rc == 0) {
        rc = tokens_delete_of_device(t, user_nid, nid, err);
    }
    if (rc == 0) {
        rc = device_keys_delete(t, user_nid, row.device_id, err);
    }
    rc = rc ? rc : user_totals_add(t, user_nid, TOTAL_DEVICES, (struct user_sum){.n = -1}, err);
    return rc ? rc : db_exec(t, &delete, PARAMS(P_INT(nid)), err);
}

int devices_delete_of_user(struct txn *t, uint64_t user_nid, struct err *err)
{
    struct device_row *rows;
    size_t n;
    int rc = devices_of_user(txn_read(t), txn_arena(t), user_nid, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = devices_delete(t, user_nid, rows[i].nid, err);
    }
    return rc;
}

/* ---- last seen ---------------------------------------------------------------------------------------- */

struct seen {
    int64_t ts;
    char ip[48]; /* enough for any address; longer ones are cut */
};

struct device_seen {
    struct lock lock;
    struct imap by_device; /* nid -> struct seen, owned */
};

struct device_seen *device_seen_new(void)
{
    struct device_seen *s = xcalloc(1, sizeof *s);
    lock_init(&s->lock, RANK_LEAF, "device_seen");
    return s;
}

static void clear(struct imap *map)
{
    size_t pos = 0;
    uint64_t nid;
    union map_val val;
    while (imap_next(map, &pos, &nid, &val)) {
        free(val.ptr);
    }
    imap_release(map);
}

void device_seen_free(struct device_seen **sp)
{
    struct device_seen *s = *sp;
    if (s) {
        clear(&s->by_device);
        lock_destroy(&s->lock);
        free(s);
        *sp = NULL;
    }
}

void devices_note_seen(struct store *store, uint64_t nid, int64_t ts, struct str ip)
{
    struct device_seen *s = store->device_seen;
    lock_take(&s->lock);
    union map_val *at = imap_at(&s->by_device, nid, NULL);
    if (!at->ptr) {
        at->ptr = xcalloc(1, sizeof(struct seen));
    }
    struct seen *seen = at->ptr;
    size_t n = MIN(ip.n, sizeof seen->ip - 1);
    seen->ts = ts;
    if (n > 0) {
        memcpy(seen->ip, ip.p, n);
    }
    seen->ip[n] = '\0';
    lock_release(&s->lock);
}

bool devices_was_seen(struct store *store, const struct device_row *device)
{
    struct device_seen *s = store->device_seen;
    lock_take(&s->lock);
    bool is_noted = imap_has(&s->by_device, device->nid);
    lock_release(&s->lock);
    return is_noted || device->last_seen_ip.p;
}

static int write_seen(struct txn *t, void *arg)
{
    const struct imap *map = arg;
    size_t pos = 0;
    uint64_t nid;
    union map_val val;
    int rc = 0;
    while (rc == 0 && imap_next(map, &pos, &nid, &val)) {
        const struct seen *seen = val.ptr;
        rc = db_exec(t, &set_seen, PARAMS(P_INT(nid), P_INT(seen->ts), P_TEXT(str_c(seen->ip))),
                     txn_err(t));
    }
    return rc;
}

int devices_flush_seen(struct store *store, struct err *err)
{
    struct device_seen *s = store->device_seen;
    lock_take(&s->lock);
    struct imap taken = s->by_device;
    s->by_device = (struct imap){0};
    lock_release(&s->lock);
    int rc = taken.n > 0 ? store_write(store, "devices-seen", write_seen, &taken, err) : 0;
    clear(&taken);
    return rc;
}
