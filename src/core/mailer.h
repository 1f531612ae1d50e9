/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E-mail as the section `email` of the configuration says. Blocks for at most email.timeout: slow lane, or a thread of
 * one's own.
 */
#ifndef INGOT_CORE_MAILER_H
#define INGOT_CORE_MAILER_H

#include "core/config.h"

/* Whether this server sends e-mail at all. */
bool mailer_is_on(const struct config *c);

struct letter {
    struct str to; /* an address in its one form (mail_address_parse) */
    struct str subject, text, html;
    struct str unsubscribe_url; /* empty: none */
};
/* Errors: those of mail_send. */
MUST_USE int mailer_send(const struct config *c, const struct letter *letter, struct err *err);
/* The same for the running server, which counts what became of its letters. */
enum mailer_outcome { MAILER_TAKEN, MAILER_REFUSED, MAILER_FAILED, MAILER_OUTCOMES };
struct server;
MUST_USE int mailer_deliver(struct server *s, const struct letter *letter, struct err *err);
/* Whether the mail server lets us in; sends nothing. */
MUST_USE int mailer_probe(const struct config *c, struct err *err);

/*
 * An HTML letter or page from pieces: `text` goes through html_escape. The body of every letter looks the same:
 * a heading, paragraphs, one link to follow.
 */
struct letter_body {
    struct str heading;
    struct str before, after; /* paragraphs around the link; plain text, may be empty */
    struct str url, label;    /* url empty: no link */
};
/* Fills text and html, in the arena. */
void letter_compose(struct arena *a, const struct letter_body *body, struct letter *out);

#endif
