/* SPDX-License-Identifier: Apache-2.0 */
#include "net/mail.h"

#include <curl/curl.h>

#include "base/clock.h"
#include "base/open_files.h"
#include "base/rand.h"

enum {
    LETTER_MAX = 1 << 20,
    CONNECT_MS = 10 * 1000,
    ID_LENGTH = 24,
};

struct reading {
    struct str left;
};

static size_t give(char *to, size_t size, size_t count, void *arg)
{
    struct reading *r = arg;
    size_t n = MIN(size * count, r->left.n);
    memcpy(to, r->left.p, n);
    r->left = str_n(r->left.p + n, r->left.n - n);
    return n;
}

/* ---- one conversation ------------------------------------------------------------------------- */

struct conversation {
    struct arena arena;
    CURL *easy;
    struct curl_slist *to;
    char reason[CURL_ERROR_SIZE];
};

static long tls_level(enum mail_tls tls)
{
    static const long levels[] = {
        [MAIL_TLS_REQUIRED] = CURLUSESSL_ALL,
        [MAIL_TLS_OPTIONAL] = CURLUSESSL_TRY,
        [MAIL_TLS_OFF] = CURLUSESSL_NONE,
    };
    return levels[tls];
}

static void set_relay(struct conversation *c, const struct mail_relay *relay)
{
    CURL *e = c->easy;
    /* libcurl takes the name to introduce itself with from the URL's path. */
    curl_easy_setopt(e, CURLOPT_URL, arena_printf(&c->arena, "%s/%s", relay->url, relay->helo).p);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_USE_SSL, tls_level(relay->tls));
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(relay->timeout_ms, CONNECT_MS));
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)relay->timeout_ms);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->reason);
    if (relay->user) {
        curl_easy_setopt(e, CURLOPT_USERNAME, relay->user);
        curl_easy_setopt(e, CURLOPT_PASSWORD, relay->password);
    }
    if (relay->ca_file) {
        curl_easy_setopt(e, CURLOPT_CAINFO, relay->ca_file);
    }
}

static void conversation_init(struct conversation *c, const struct mail_relay *relay)
{
    *c = (struct conversation){.easy = curl_easy_init()};
    bug_on(!c->easy);
    arena_init(&c->arena, 0);
    const char *trusted = getenv("SSL_CERT_FILE");
    if (trusted && *trusted) {
        curl_easy_setopt(c->easy, CURLOPT_CAINFO, trusted);
    }
    set_relay(c, relay);
}

static void conversation_release(struct conversation *c)
{
    curl_slist_free_all(c->to);
    curl_easy_cleanup(c->easy);
    arena_release(&c->arena);
}

/* A refusal of the recipient for good (RFC 5321: 5yz) is the fault of who gave the address; all else is ours. */
static int outcome(struct conversation *c, CURLcode code, struct err *err)
{
    long answer = 0;
    if (code == CURLE_OK) {
        return 0;
    }
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &answer);
    bool is_recipient = str_starts(str_c(c->reason), STR("RCPT"));
    int rc = is_recipient && answer >= 500
                 ? err_invalid_param(err, "The mail server does not deliver to this address")
                 : err_set(err, E_BUSY, 502, "M_UNKNOWN", "The mail could not be sent: try later");
    err_detail(err, "SMTP: %s", c->reason[0] ? c->reason : curl_easy_strerror(code));
    if (answer) {
        err_detail(err, " (last answer %ld)", answer);
    } else if (open_files_are_short()) {
        err_detail(err, "no file descriptors are left");
    }
    return rc;
}

int mail_probe(const struct mail_relay *relay, struct err *err)
{
    struct conversation c;
    conversation_init(&c, relay);
    curl_easy_setopt(c.easy, CURLOPT_CONNECT_ONLY, 1L); /* with greeting, TLS and authentication */
    int rc = outcome(&c, curl_easy_perform(c.easy), err);
    conversation_release(&c);
    return rc;
}

static struct str in_brackets(struct arena *a, struct str address)
{
    return arena_printf(a, "<%.*s>", STR_ARG(address));
}

int mail_send(const struct mail_relay *relay, const struct mail *m, struct err *err)
{
    struct conversation c;
    struct buf letter = BUF_INIT(LETTER_MAX);
    conversation_init(&c, relay);
    mail_format(m, rand_alnum(&c.arena, ID_LENGTH), clock_wall_ms(), &letter);
    if (letter.overflow) {
        conversation_release(&c);
        buf_release(&letter);
        return err_internal(err, "a letter of more than %d bytes", LETTER_MAX);
    }
    struct reading reading = {buf_str(&letter)};
    c.to = curl_slist_append(NULL, in_brackets(&c.arena, m->to).p);
    curl_easy_setopt(c.easy, CURLOPT_MAIL_FROM, in_brackets(&c.arena, m->from).p);
    curl_easy_setopt(c.easy, CURLOPT_MAIL_RCPT, c.to);
    curl_easy_setopt(c.easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(c.easy, CURLOPT_READDATA, &reading);
    curl_easy_setopt(c.easy, CURLOPT_UPLOAD, 1L);
    int rc = outcome(&c, curl_easy_perform(c.easy), err);
    conversation_release(&c);
    buf_release(&letter);
    return rc;
}
