/* SPDX-License-Identifier: Apache-2.0 */
#include "store/search.h"

#include <inttypes.h>

#include "base/buf.h"
#include "store/statements.h"

#define TSVECTOR_POSITION_MAX 16383u

#define RANKED_MAX "2000" /* SEARCH_RANKED_MAX */
_Static_assert(SEARCH_RANKED_MAX == 2000, "the statements name it");

COLS(hit_cols, struct search_hit, COL(struct search_hit, position),
     COL(struct search_hit, event_nid), COL(struct search_hit, room_nid),
     COL(struct search_hit, rank));
COLS(source_cols, struct search_source, COL(struct search_source, event_nid),
     COL(struct search_source, room_nid), COL(struct search_source, type_nid),
     COL(struct search_source, sender_nid), COL(struct search_source, position),
     COL(struct search_source, client_json));

static const struct sql insert_note = {
    "INSERT INTO search_events (position, event_nid, room_nid) VALUES ($1, $2, $3) "
    "ON CONFLICT (position) DO NOTHING"};
static const struct sql delete_note = {"DELETE FROM search_events WHERE position = $1"};
static const struct sql newest_note = {"SELECT max(position) FROM search_events"};
static const struct sql select_noted = {
    "SELECT e.nid, e.room_nid, e.type_nid, e.sender_nid, e.position, e.client_json "
    "FROM search_events n JOIN events e ON e.nid = n.event_nid WHERE n.position > $1 "
    "ORDER BY n.position LIMIT $2"};
static const struct sql insert_text = {
    "INSERT INTO search_index (rowid, body, name, topic, tags) VALUES ($1, $2, $3, $4, $5)",
    .only = DB_ONLY(DB_SQLITE)};
/* A table without contents wants to be told what it forgets. */
static const struct sql delete_text = {
    "INSERT INTO search_index (search_index, rowid, body, name, topic, tags) "
    "VALUES ('delete', $1, $2, $3, $4, $5)",
    .only = DB_ONLY(DB_SQLITE)};
/* FTS5: what is forgotten goes when the pages that hold it are merged with those that say so. The negative number makes
 * all of them due. */
static const struct sql merge_all = {
    "INSERT INTO search_index (search_index, rank) VALUES ('merge', -32)",
    .only = DB_ONLY(DB_SQLITE)};
static const struct sql merge_on = {
    "INSERT INTO search_index (search_index, rank) VALUES ('merge', 32)",
    .only = DB_ONLY(DB_SQLITE)};
static const struct sql leaf_pages = {"SELECT COUNT(*) FROM search_index_idx",
                                      .may_scan = true, /* a row for each of its pages */
                                      .only = DB_ONLY(DB_SQLITE)};
static const struct sql newest = {
    "SELECT e.position, e.event_nid, e.room_nid, 0.0 FROM search_index "
    "JOIN search_events e ON e.position = search_index.rowid "
    "WHERE search_index MATCH $1 AND search_index.rowid <= $2 "
    "ORDER BY search_index.rowid DESC LIMIT $3",
    .only = DB_ONLY(DB_SQLITE)};
/* Tags restrict; that a room is rare says nothing about how well an event matches. Of a word that is everywhere only
 * the newest matches are weighed: to weigh all of them would take the longer the more was ever said. */
static const struct sql best = {
    "SELECT e.position, e.event_nid, e.room_nid, m.score FROM (SELECT rowid AS position, "
    "-bm25(search_index, 1.0, 1.0, 1.0, 0.0) AS score FROM search_index "
    "WHERE search_index MATCH $1 AND rowid <= $2 ORDER BY rowid DESC LIMIT " RANKED_MAX ") m "
    "JOIN search_events e ON e.position = m.position "
    "ORDER BY m.score DESC, e.position DESC LIMIT $3 OFFSET $4",
    .only = DB_ONLY(DB_SQLITE)};
static const struct sql sources = {
    "SELECT nid, room_nid, type_nid, sender_nid, position, client_json FROM events "
    "WHERE nid >= $1 AND nid < $2 AND position IS NOT NULL AND redacted_by = 0 AND flags = 0 AND "
    "type_nid IN (9, 10, 19)"}; /* NID_NAME, NID_TOPIC, NID_MESSAGE */

/* The same on PostgreSQL: the words come as a tsvector and the phrases as a tsquery, so that none of its parsers cuts
 * them up again. */
static const struct sql insert_words = {
    "INSERT INTO search_index (position, words) VALUES ($1, $2::text::tsvector)",
    .only = DB_ONLY(DB_POSTGRESQL)};
static const struct sql delete_words = {"DELETE FROM search_index WHERE position = $1",
                                        .only = DB_ONLY(DB_POSTGRESQL)};
#define WORDS_FROM                                                                                 \
    " FROM search_index i JOIN search_events e ON e.position = i.position "                        \
    "WHERE i.words @@ ($1::text::tsquery && $2::text::tsquery) AND i.position <= $3 "
static const struct sql newest_words = {
    "SELECT e.position, e.event_nid, e.room_nid, 0::float8" WORDS_FROM
    "ORDER BY e.position DESC LIMIT $4",
    .only = DB_ONLY(DB_POSTGRESQL)};
/* Tags weigh nothing; among equals the shorter text is the better (normalisation 1). */
static const struct sql best_words = {
    "SELECT m.position, m.event_nid, m.room_nid, "
    "ts_rank('{0, 1, 1, 1}', m.words, $1::text::tsquery, 1)::float8 AS score "
    "FROM (SELECT e.position, e.event_nid, e.room_nid, i.words" WORDS_FROM
    "ORDER BY e.position DESC LIMIT " RANKED_MAX ") m "
    "ORDER BY score DESC, m.position DESC LIMIT $4 OFFSET $5",
    .only = DB_ONLY(DB_POSTGRESQL)};

STATEMENTS(search, &insert_note, &delete_note, &newest_note, &select_noted, &insert_text,
           &delete_text, &merge_all, &merge_on, &leaf_pages, &newest, &best, &sources,
           &insert_words, &delete_words, &newest_words, &best_words);

int search_index_pages(struct db_read *r, int64_t *out, struct err *err)
{
    *out = 0;
    return db_engine_of(r) == DB_SQLITE ? db_int(r, &leaf_pages, PARAMS(), out, err) : 0;
}

int search_merge(struct txn *t, bool is_first, struct err *err)
{
    return db_exec(t, is_first ? &merge_all : &merge_on, PARAMS(), err);
}

int search_note(struct txn *t, const struct search_doc *doc, bool *out_changed, struct err *err)
{
    int64_t n = 0;
    if (!out_changed) {
        return db_exec(t, &insert_note,
                       PARAMS(P_INT(doc->position), P_INT(doc->event_nid), P_INT(doc->room_nid)),
                       err);
    }
    int rc = db_exec_count(
        t, &insert_note, PARAMS(P_INT(doc->position), P_INT(doc->event_nid), P_INT(doc->room_nid)),
        &n, err);
    *out_changed = n > 0;
    return rc;
}

int search_unnote(struct txn *t, const struct search_doc *doc, bool *out_changed, struct err *err)
{
    int64_t n = 0;
    int rc = db_exec_count(t, &delete_note, PARAMS(P_INT(doc->position)), &n, err);
    *out_changed = n > 0;
    return rc;
}

int search_newest(struct db_read *r, int64_t *out, struct err *err)
{
    return db_int(r, &newest_note, PARAMS(), out, err);
}

int search_noted(struct db_read *r, struct arena *a, int64_t after, size_t limit,
                 struct search_source **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &select_noted, PARAMS(P_INT(after), P_INT(limit)), &source_cols, out,
                   out_n, err);
}

static bool is_sqlite(const struct db_read *r)
{
    return db_engine_of(r) == DB_SQLITE;
}

static int write_text(struct txn *t, const struct sql *sql, const struct search_doc *doc,
                      struct err *err)
{
    struct str tags =
        arena_printf(txn_arena(t), "r%" PRIu64 " s%" PRIu64, doc->room_nid, doc->sender_nid);
    return db_exec(t, sql,
                   PARAMS(P_INT(doc->position), P_TEXT(doc->text.body), P_TEXT(doc->text.name),
                          P_TEXT(doc->text.topic), P_TEXT(tags)),
                   err);
}

/* 'hello':1A 'world':2A; words hold neither quotes nor backslashes (matrix/search_text.h). */
static void add_lexemes(struct buf *b, struct str words, char weight)
{
    struct str word;
    for (unsigned at = 1; words.n > 0; at++) {
        str_split(words, ' ', &word, &words);
        buf_printf(b, "'%.*s':%u%c ", STR_ARG(word), MIN(at, TSVECTOR_POSITION_MAX), weight);
    }
}

static int write_words(struct txn *t, const struct search_doc *doc, struct err *err)
{
    struct buf b = BUF_INIT(4 << 20);
    add_lexemes(&b, doc->text.body, 'A');
    add_lexemes(&b, doc->text.name, 'B');
    add_lexemes(&b, doc->text.topic, 'C');
    buf_printf(&b, "'r%" PRIu64 "':1D 's%" PRIu64 "':1D", doc->room_nid, doc->sender_nid);
    int rc = b.overflow ? err_set(err, E_LIMIT, 0, NULL, "The text is too long to be searched")
                        : db_exec(t, &insert_words,
                                  PARAMS(P_INT(doc->position), P_TEXT(buf_str(&b))), err);
    buf_release(&b);
    return rc;
}

int search_add(struct txn *t, const struct search_doc *doc, struct err *err)
{
    return is_sqlite(txn_read(t)) ? write_text(t, &insert_text, doc, err)
                                  : write_words(t, doc, err);
}

int search_remove(struct txn *t, const struct search_doc *doc, struct err *err)
{
    return is_sqlite(txn_read(t)) ? write_text(t, &delete_text, doc, err)
                                  : db_exec(t, &delete_words, PARAMS(P_INT(doc->position)), err);
}

/* ---- the query in FTS5's language: {body topic} : ("a" "b c") AND tags : ("r1" OR "r2") ---- */

static void match_keys(struct buf *b, unsigned keys)
{
    static const char *const names[] = {"body", "name", "topic"};
    buf_add(b, STR("{"));
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (keys & 1U << i) {
            buf_printf(b, "%s ", names[i]);
        }
    }
    buf_add(b, STR("} : ("));
}

static void match_tags(struct buf *b, char kind, const uint64_t *nids, size_t n)
{
    buf_add(b, STR(" AND tags : ("));
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s\"%c%" PRIu64 "\"", i ? " OR " : "", kind, nids[i]);
    }
    buf_add(b, STR(")"));
}

static struct str match(struct arena *a, const struct search_query *q)
{
    struct buf b = BUF_INIT(64 << 20);
    match_keys(&b, q->keys);
    for (size_t i = 0; i < q->term->n_phrases; i++) {
        buf_printf(&b, "%s\"%.*s\"", i ? " " : "", STR_ARG(q->term->phrases[i]));
    }
    buf_add(&b, STR(")"));
    match_tags(&b, 'r', q->rooms, q->n_rooms);
    if (q->n_senders) {
        match_tags(&b, 's', q->senders, q->n_senders);
    }
    struct str text = b.overflow ? STR_NONE : arena_str(a, buf_str(&b));
    buf_release(&b);
    return text;
}

static int find_fts5(struct db_read *r, struct arena *a, const struct search_query *q,
                     struct search_hit **out, size_t *out_n, struct err *err)
{
    struct str text = match(a, q);
    if (!text.p) {
        return err_set(err, E_LIMIT, 0, NULL, "The search is too long");
    }
    return q->by_rank
               ? db_rows(r, a, &best,
                         PARAMS(P_TEXT(text), P_INT(q->upto), P_INT(q->limit), P_INT(q->offset)),
                         &hit_cols, out, out_n, err)
               : db_rows(r, a, &newest, PARAMS(P_TEXT(text), P_INT(q->upto), P_INT(q->limit)),
                         &hit_cols, out, out_n, err);
}

/* ---- the query in PostgreSQL's: ('a':A <-> 'b':A) & ('c':A), and ('r1':D | 'r2':D) & ('s3':D) ---- */

static void any_tag(struct buf *b, char kind, const uint64_t *nids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s%c%" PRIu64 ":D", i ? " | " : "(", kind, nids[i]);
    }
    buf_add_char(b, ')');
}

static void tag_query(const struct search_query *q, struct buf *b)
{
    any_tag(b, 'r', q->rooms, q->n_rooms);
    if (q->n_senders) {
        buf_add(b, STR(" & "));
        any_tag(b, 's', q->senders, q->n_senders);
    }
}

static void add_phrase(struct buf *b, struct str words, const char *weights)
{
    struct str word;
    for (const char *before = "("; words.n > 0; before = " <-> ") {
        str_split(words, ' ', &word, &words);
        buf_printf(b, "%s'%.*s':%s", before, STR_ARG(word), weights);
    }
    buf_add_char(b, ')');
}

static void phrase_query(const struct search_query *q, struct buf *b)
{
    static const char *const weights[SEARCH_ALL_KEYS + 1] = {"",  "A",  "B",  "AB",
                                                             "C", "AC", "BC", "ABC"};
    for (size_t i = 0; i < q->term->n_phrases; i++) {
        buf_add(b, i ? STR(" & ") : STR(""));
        add_phrase(b, q->term->phrases[i], weights[q->keys & SEARCH_ALL_KEYS]);
    }
}

static int find_words(struct db_read *r, struct arena *a, const struct search_query *q,
                      struct search_hit **out, size_t *out_n, struct err *err)
{
    struct buf tags = BUF_INIT(64 << 20), phrases = BUF_INIT(1 << 20);
    int rc;
    tag_query(q, &tags);
    phrase_query(q, &phrases);
    struct db_value t = P_TEXT(buf_str(&tags)), p = P_TEXT(buf_str(&phrases));
    if (tags.overflow || phrases.overflow) {
        rc = err_set(err, E_LIMIT, 0, NULL, "The search is too long");
    } else if (q->by_rank) {
        rc = db_rows(r, a, &best_words,
                     PARAMS(p, t, P_INT(q->upto), P_INT(q->limit), P_INT(q->offset)), &hit_cols,
                     out, out_n, err);
    } else {
        rc = db_rows(r, a, &newest_words, PARAMS(p, t, P_INT(q->upto), P_INT(q->limit)), &hit_cols,
                     out, out_n, err);
    }
    buf_release(&tags);
    buf_release(&phrases);
    return rc;
}

int search_find(struct db_read *r, struct arena *a, const struct search_query *q,
                struct search_hit **out, size_t *out_n, struct err *err)
{
    *out_n = 0;
    if (q->n_rooms == 0 || q->term->n_phrases == 0) {
        return 0;
    }
    return is_sqlite(r) ? find_fts5(r, a, q, out, out_n, err)
                        : find_words(r, a, q, out, out_n, err);
}

int search_sources(struct db_read *r, struct arena *a, uint64_t from, uint64_t below,
                   struct search_source **out, size_t *out_n, struct err *err)
{
    return db_rows(r, a, &sources, PARAMS(P_INT(from), P_INT(below)), &source_cols, out, out_n,
                   err);
}
