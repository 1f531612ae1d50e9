/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mailer.h"

#include "core/server.h"
#include "wire/html.h"

enum { BODY_MAX = 64 * 1024 };

bool mailer_is_on(const struct config *c)
{
    return c->email.smtp_url.n > 0;
}

/* The part of the sender's address that names a host: what we introduce ourselves with. */
static struct str domain_of(struct str address)
{
    struct str local, domain;
    str_split(address, '@', &local, &domain);
    return domain;
}

static struct mail_relay relay_of(const struct config *c, struct arena *a)
{
    return (struct mail_relay){
        .url = arena_cstr(a, c->email.smtp_url),
        .user = c->email.user.n ? arena_cstr(a, c->email.user) : NULL,
        .password = arena_cstr(a, c->email.password),
        .ca_file = c->email.ca_file.n ? arena_cstr(a, c->email.ca_file) : NULL,
        .helo = arena_cstr(a, domain_of(c->email.from)),
        .tls = c->email.starttls,
        .timeout_ms = c->email.timeout_ms,
    };
}

int mailer_send(const struct config *c, const struct letter *letter, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    const struct mail_relay relay = relay_of(c, &a);
    const struct mail m = {
        .from = c->email.from,
        .from_name = c->email.from_name,
        .to = letter->to,
        .subject = letter->subject,
        .text = letter->text,
        .html = letter->html,
        .unsubscribe_url = letter->unsubscribe_url,
    };
    int rc = mail_send(&relay, &m, err);
    arena_release(&a);
    return rc;
}

int mailer_deliver(struct server *s, const struct letter *letter, struct err *err)
{
    int rc = mailer_send(s->config, letter, err);
    atomic_fetch_add(&s->letters_sent[rc == 0           ? MAILER_TAKEN
                                      : rc == E_INVALID ? MAILER_REFUSED
                                                        : MAILER_FAILED],
                     1);
    return rc;
}

int mailer_probe(const struct config *c, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    const struct mail_relay relay = relay_of(c, &a);
    int rc = mail_probe(&relay, err);
    arena_release(&a);
    return rc;
}

/* ---- what letters look like ------------------------------------------------------------------- */

static void add_paragraph(struct buf *html, struct str text)
{
    if (text.n > 0) {
        buf_add(html, STR("<p>"));
        html_escape(html, text);
        buf_add(html, STR("</p>\n"));
    }
}

static void add_link(struct buf *html, const struct letter_body *b)
{
    if (b->url.n > 0) {
        buf_add(html, STR("<p><a href=\""));
        html_escape(html, b->url);
        buf_add(html, STR("\">"));
        html_escape(html, b->label);
        buf_add(html, STR("</a></p>\n"));
    }
}

void letter_compose(struct arena *a, const struct letter_body *b, struct letter *out)
{
    struct buf html = BUF_INIT(BODY_MAX);
    buf_add(&html, STR("<!doctype html>\n<html><body style=\"font-family:sans-serif\">\n<h2>"));
    html_escape(&html, b->heading);
    buf_add(&html, STR("</h2>\n"));
    add_paragraph(&html, b->before);
    add_link(&html, b);
    add_paragraph(&html, b->after);
    buf_add(&html, STR("</body></html>\n"));
    out->html = arena_str(a, buf_str(&html));
    buf_release(&html);
    const struct str gap = STR("\n\n");
    out->text = ARENA_CONCAT(a, b->heading, gap, b->before, b->before.n ? gap : STR(""), b->url,
                             b->url.n ? gap : STR(""), b->after, STR("\n"));
}
