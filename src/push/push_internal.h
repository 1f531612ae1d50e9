/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. Everything belongs to the thread of push.c but where it says otherwise. */
#ifndef INGOT_PUSH_PUSH_INTERNAL_H
#define INGOT_PUSH_PUSH_INTERNAL_H

#include <pthread.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/vec.h"
#include "core/changes.h"
#include "core/mailer.h"
#include "core/server.h"
#include "core/unread.h"
#include "net/http_client.h"
#include "push/push.h"
#include "store/push.h"

/* The counts that a client shows on its icon. */
struct badge {
    int64_t unread; /* unread messages, or rooms with some; and invitations */
    int64_t calls;  /* missed ones */
};

/* An event that a pusher has to tell of. */
struct awaiting {
    uint64_t room;
    int64_t position;
    uint64_t invitation; /* nid of the member event; 0: an event of the room's timeline */
};
typedef VEC(struct awaiting) awaiting_list;

/* A user with pushers. */
struct push_user {
    uint64_t nid;
    struct list pushers;       /* of struct pusher, owned */
    struct list_node in_dirty; /* of push: something is to be looked at */
    struct imap dirty;         /* rooms that are to be looked at for this user alone */
    awaiting_list found;       /* for the user's pushers, not handed out yet */
    bool is_behind;            /* any room may have events that were not looked at */
    bool must_recount;         /* `unread` is to be made anew */
    struct imap unread;        /* room -> packed counts; rooms with nothing unread are absent */
    int64_t messages, calls;   /* sums of `unread` */
};

struct delivery;

struct pusher {
    struct list_node in_user;
    struct list_node in_retry;   /* of push: waits for due_ms */
    struct list_node in_changed; /* of push: position or failing_since are to be stored */
    struct push_user *user;
    struct arena arena; /* of the row and what is made of it */
    struct pusher_row row;
    struct str url, data;      /* data: what gateways get of it, JSON */
    bool is_id_only;           /* format "event_id_only" */
    bool is_email;             /* kind "email": see email.c */
    awaiting_list queue;       /* in order of position */
    int64_t seen;              /* events up to here were looked at */
    int64_t position;          /* ... and up to here are delivered */
    int64_t failing_since;     /* 0: the last delivery worked */
    unsigned attempts;         /* that failed, one after another */
    int64_t due_ms;            /* by the monotonic clock; 0: at once */
    struct delivery *delivery; /* under way; NULL: none */
    struct badge told;         /* what the gateway was told last */
    bool knows_told;
    bool tells_badge; /* something was read: tell even if it is not known what was told last */
};

/* A request under way. Its own copy of everything: the pusher may go meanwhile. */
struct delivery {
    struct http_fetch fetch;
    struct push *push;
    struct pusher *pusher; /* NULL: gone */
    struct list_node in_done;
    struct arena arena;
    int64_t position; /* of the event, or the last of a letter; 0: counts only */
    struct badge badge;
    struct letter letter; /* of kind "email", which has no fetch but its outcome */
    struct job job;       /* which sends it */
};

struct progress {
    struct store_job job;
    struct arena arena; /* of what is being written */
    struct progress_item *items;
    size_t n;
    bool is_writing; /* push->lock */
    int64_t next_ms;
};

struct push {
    struct changes_watcher watcher;
    struct server *server;
    pthread_t thread;
    struct lock lock; /* RANK_POOL; guards the next four, and progress.is_writing */
    struct cond changed;
    bool is_woken, is_stopping;
    struct list done;   /* deliveries that have ended */
    unsigned in_flight; /* deliveries that have not */
    struct imap users;  /* nid -> struct push_user * */
    struct imap rooms;  /* in which something happened */
    struct list dirty;  /* of push_user */
    struct list retry, changed_pushers;
    unsigned letters; /* deliveries by e-mail that have not ended */
    bool is_ending;   /* nothing is sent any more */
    int64_t sent_ms;  /* when answers of gateways were last taken up, monotonic */
    int64_t looked;   /* the same before the changes that are being looked at */
    int64_t position; /* changes up to here were looked at */
    struct progress progress;
};

/* ---- pusher.c ---- */

/* Makes the user's pushers those of the store. */
int push_user_load(struct push *p, uint64_t user_nid, struct err *err) MUST_USE;
/* At the start: all users. */
int push_users_load(struct push *p, struct err *err) MUST_USE;
void push_user_free(struct push *p, struct push_user *u);
void push_user_mark(struct push *p, struct push_user *u);
/* An event for this pusher; in order of position. */
void pusher_add(struct pusher *x, struct awaiting a);
/* Sends the next notification, if there is one and it is time. */
void pusher_continue(struct push *p, struct pusher *x);
/* A delivery has come to its end; frees it. */
void pusher_take(struct push *p, struct delivery *d);
/* Milliseconds until the next attempt after so many failed ones. */
int64_t pusher_backoff(unsigned attempts);
/* How many were made in so many milliseconds of failing. */
unsigned pusher_attempts_in(int64_t ms);

/* Whether there is still a reason to tell of the event; fills in what the notification says of it. */
struct notification;
int pusher_examine(struct push *p, struct arena *a, const struct awaiting *w,
                   struct notification *n, bool *out_tell, struct err *err) MUST_USE;
/* Forgets the first n events of the queue. */
void pusher_drop(struct pusher *x, size_t n);
/* Looks at the pusher again when that time has come, by the monotonic clock. */
void pusher_wait(struct push *p, struct pusher *x, int64_t due_ms);

struct delivery *delivery_new(struct push *p);
void delivery_free(struct delivery *d);
/* It is under way now, for this pusher. */
void delivery_begin(struct delivery *d, struct pusher *x);
/* On a worker: hands it back to the thread. */
void delivery_end(struct delivery *d);

/* ---- email.c ---- */

/* Sends one letter for all that waits, if it is time; else waits for that. */
int email_send_next(struct push *p, struct pusher *x, struct err *err) MUST_USE;
/* A letter was sent. */
void email_sent(struct push *p, struct pusher *x);

/* ---- email_letter.c ---- */

/* What a letter tells of. */
struct missed {
    struct room *room;
    const struct entry *entry;
};
/* In the arena. */
int email_letter(struct push *p, struct pusher *x, struct arena *a, const struct missed *missed,
                 size_t n, struct letter *out, struct err *err) MUST_USE;

/* ---- badge.c ---- */

/* The room has so many unread now. */
void badge_set_room(struct push_user *u, uint64_t room_nid, const struct unread_count *n);
/* Counts one room anew. */
int badge_count_room(struct push *p, struct arena *a, struct push_user *u, uint64_t room_nid,
                     struct err *err) MUST_USE;
/* Counts all the user's rooms anew. */
int badge_count_all(struct push *p, struct arena *a, struct push_user *u, struct err *err) MUST_USE;
struct badge badge_of(const struct push *p, const struct push_user *u);

/* ---- progress.c ---- */

/* Remembers to store how far the pusher is. */
void progress_note(struct push *p, struct pusher *x);
/* The gateway rejects its key: deletes it from the store. */
void progress_reject(struct push *p, const struct pusher *x);
/* Begins to write what was noted, at most a few times a second. */
void progress_write(struct push *p);
/* Milliseconds until there is something to write; -1: nothing to be written. */
int64_t progress_due(const struct push *p);
/* Writes how far everybody is, and waits. */
void progress_write_all(struct push *p);

#endif
