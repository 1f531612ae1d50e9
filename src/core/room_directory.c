/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room_directory.h"

#include "core/room_summary.h"
#include "core/server.h"
#include "matrix/text_fold.h"
#include "store/room_directory.h"

enum {
    STEP = 100,       /* rooms in one transaction */
    STEPS_MAX = 1000, /* rooms may change as fast as they are looked up */
};

bool room_directory_shows(const struct event *ev)
{
    switch (ev->is_state ? ev->ids.type : 0) {
    case NID_CREATE:
    case NID_MEMBER:
    case NID_NAME:
    case NID_TOPIC:
    case NID_CANONICAL_ALIAS:
        return true;
    default:
        return false;
    }
}

static struct str text(struct str s)
{
    return s.p ? s : STR("");
}

static int look_up(struct server *s, struct arena *a, struct directory_row *row, struct err *err)
{
    struct room *room;
    struct room_summary sum;
    int rc = room_hold_nid(s, a, row->room_nid, &room, err);
    rc = rc ? rc : room_summary_of(s, a, room, &sum, err);
    if (rc == 0) {
        row->joined = sum.joined;
        row->room_type = db_storable(a, text(sum.room_type));
        row->words =
            db_storable(a, text_fold(a, ARENA_CONCAT(a, text(sum.name), STR("\n"), text(sum.topic),
                                                     STR("\n"), text(sum.canonical_alias))));
    }
    return rc == E_NOT_FOUND ? 0 : rc; /* purged meanwhile */
}

struct step {
    struct directory_row *rows;
    size_t n;
};

static int write_step(struct txn *t, void *arg)
{
    const struct step *step = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < step->n; i++) {
        rc = room_directory_refresh(t, &step->rows[i], txn_err(t));
    }
    return rc;
}

static int take_step(struct server *s, struct arena *a, struct step *step, struct err *err)
{
    int rc = room_directory_stale(store_reader(s->store), a, STEP, &step->rows, &step->n, err);
    for (size_t i = 0; rc == 0 && i < step->n; i++) {
        rc = look_up(s, a, &step->rows[i], err);
    }
    return rc == 0 && step->n > 0 ? store_write(s->store, "room-directory", write_step, step, err)
                                  : rc;
}

int room_directory_catch_up(struct server *s, struct err *err)
{
    struct step step = {.n = STEP};
    int rc = 0;
    for (int i = 0; rc == 0 && step.n == STEP && i < STEPS_MAX; i++) {
        struct arena a;
        arena_init(&a, 0);
        struct arena *outer = json_arena_enter(&a);
        rc = take_step(s, &a, &step, err);
        json_arena_leave(outer);
        arena_release(&a);
    }
    return rc;
}
