/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on the registration tokens of the database (those of the configuration are not touched here). */
#include "admin/registration_token_operations.h"

#include "base/clock.h"
#include "base/rand.h"
#include "core/server.h"
#include "store/registration_tokens.h"
#include "wire/jfield.h"

enum { TOKEN_MAX = 64, MADE_UP_TOKEN = 16 }; /* bytes */

struct token_arguments {
    struct str token;   /* empty: one is made up */
    int64_t uses;       /* -1: any number */
    int64_t expires_ts; /* 0: never */
    bool has_uses, has_expires_ts;
};
static const struct jfield token_fields[] = {
    FIELD(struct token_arguments, token, .flags = OPT, .max = TOKEN_MAX),
    FIELD(struct token_arguments, uses, .flags = OPT, .min = -1, .max = INT64_MAX,
          HAS(struct token_arguments, has_uses)),
    FIELD(struct token_arguments, expires_ts, .flags = OPT, .min = 0, .max = INT64_MAX,
          HAS(struct token_arguments, has_expires_ts)),
    {0},
};

/* client-server API, "Token-authenticated registration": "A-Za-z0-9._~-", 64 of them at most. */
static bool is_token(struct str text)
{
    bool ok = text.n > 0 && text.n <= TOKEN_MAX;
    for (size_t i = 0; ok && i < text.n; i++) {
        char c = text.p[i];
        ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
             c == '.' || c == '_' || c == '~' || c == '-';
    }
    return ok;
}

static int decode(struct arena *a, const json_t *arguments, struct token_arguments *out,
                  struct err *err)
{
    *out = (struct token_arguments){.uses = -1};
    int rc = json_decode(a, arguments, token_fields, out, err);
    if (rc == 0 && out->token.n && !is_token(out->token)) {
        return err_set(err, E_INVALID, 0, NULL,
                       "a registration token is made of A-Z, a-z, 0-9 and . _ ~ -, %d at most",
                       TOKEN_MAX);
    }
    return rc;
}

static int no_such_token(struct str token, struct err *err)
{
    return err_set(err, E_NOT_FOUND, 0, NULL, "there is no registration token \"%.*s\"",
                   STR_ARG(token));
}

static void write_token(const struct registration_token *row, struct json_writer *w)
{
    jw_object(w);
    JW_STR(w, "token", row->token);
    if (row->uses_allowed >= 0) {
        JW_INT(w, "uses_allowed", row->uses_allowed);
    }
    JW_INT(w, "pending", row->pending);
    JW_INT(w, "completed", row->completed);
    if (row->expires_ts) {
        JW_INT(w, "expires_ts", row->expires_ts);
    }
    JW_BOOL(w, "valid", registration_token_is_valid(row, clock_wall_ms()));
    jw_end(w);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static int add_body(struct txn *t, void *arg)
{
    return registration_tokens_insert(t, arg, txn_err(t));
}

int registration_token_add(struct server *s, struct arena *a, const json_t *arguments,
                           struct json_writer *result, struct err *err)
{
    struct token_arguments args;
    int rc = decode(a, arguments, &args, err);
    struct registration_token row = {.token =
                                         args.token.n ? args.token : rand_alnum(a, MADE_UP_TOKEN),
                                     .uses_allowed = args.uses,
                                     .expires_ts = args.expires_ts};
    rc = rc ? rc : store_write(s->store, "registration-token-add", add_body, &row, err);
    if (rc == 0) {
        write_token(&row, result);
    }
    return rc;
}

struct update {
    const struct token_arguments *args;
    struct registration_token row;
};

/* What is not given stays. */
static int update_body(struct txn *t, void *arg)
{
    struct update *u = arg;
    struct err *err = txn_err(t);
    int rc = registration_tokens_find(txn_read(t), txn_arena(t), u->args->token, &u->row, err);
    u->row.token = u->args->token;
    u->row.uses_allowed = u->args->has_uses ? u->args->uses : u->row.uses_allowed;
    u->row.expires_ts = u->args->has_expires_ts ? u->args->expires_ts : u->row.expires_ts;
    rc = rc ? rc : registration_tokens_update(t, &u->row, err);
    return rc == E_NOT_FOUND ? no_such_token(u->args->token, err) : rc;
}

int registration_token_update(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err)
{
    struct token_arguments args;
    struct update u = {.args = &args};
    int rc = decode(a, arguments, &args, err);
    rc = rc ? rc : store_write(s->store, "registration-token-update", update_body, &u, err);
    if (rc == 0) {
        write_token(&u.row, result);
    }
    return rc;
}

/* Who holds a use of it already cannot complete the registration any more. */
static int remove_body(struct txn *t, void *arg)
{
    struct registration_token *row = arg;
    struct err *err = txn_err(t);
    struct str token = row->token;
    int rc = registration_tokens_find(txn_read(t), txn_arena(t), token, row, err);
    row->token = token;
    rc = rc ? rc : registration_tokens_delete(t, token, err);
    return rc == E_NOT_FOUND ? no_such_token(token, err) : rc;
}

int registration_token_remove(struct server *s, struct arena *a, const json_t *arguments,
                              struct json_writer *result, struct err *err)
{
    struct token_arguments args;
    int rc = decode(a, arguments, &args, err);
    struct registration_token row = {.token = args.token};
    rc = rc ? rc : store_write(s->store, "registration-token-remove", remove_body, &row, err);
    if (rc == 0) {
        write_token(&row, result);
    }
    return rc;
}

/* ---- reading ---------------------------------------------------------------------------------- */

int registration_token_show(struct server *s, struct arena *a, const json_t *arguments,
                            struct json_writer *result, struct err *err)
{
    struct token_arguments args;
    struct registration_token row;
    int rc = decode(a, arguments, &args, err);
    rc = rc ? rc : registration_tokens_find(store_reader(s->store), a, args.token, &row, err);
    if (rc == 0) {
        write_token(&row, result);
    }
    return rc == E_NOT_FOUND ? no_such_token(args.token, err) : rc;
}

int registration_token_list(struct server *s, struct arena *a, UNUSED const json_t *arguments,
                            struct json_writer *result, struct err *err)
{
    struct registration_token *rows;
    size_t n = 0;
    int rc = registration_tokens_list(store_reader(s->store), a, &rows, &n, err);
    jw_object(result);
    JW_ARRAY(result, "tokens");
    for (size_t i = 0; i < n; i++) {
        write_token(&rows[i], result);
    }
    jw_end(result);
    jw_end(result);
    return rc;
}
