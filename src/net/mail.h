/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending e-mail through a relay by SMTP (libcurl). Blocking, with a bound on the time of everything: callers are
 * jobs of the slow lane or threads of their own.
 *
 *     const struct mail_relay relay = {.url = "smtp://mail.example.org:587", .tls = MAIL_TLS_REQUIRED, ...};
 *     const struct mail letter = {.from = ..., .to = ..., .subject = ..., .text = ..., .html = ...};
 *     int rc = mail_send(&relay, &letter, err);
 *
 * What goes into a letter may come from strangers: addresses are checked (mail_address_parse), header texts are
 * encoded so that no header can be added, and bodies are quoted-printable.
 */
#ifndef INGOT_NET_MAIL_H
#define INGOT_NET_MAIL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum mail_tls {
    MAIL_TLS_REQUIRED, /* smtp:// must offer STARTTLS */
    MAIL_TLS_OPTIONAL, /* if it is offered; somebody on the path can take the offer away */
    MAIL_TLS_OFF,      /* smtp:// stays plain */
};

struct mail_relay {
    const char *url; /* smtp://host[:port] or smtps://host[:port] (TLS from the first byte) */
    const char *user, *password; /* user NULL: no authentication */
    const char *ca_file;         /* PEM; NULL: $SSL_CERT_FILE, else those of the system */
    const char *helo;            /* how we introduce ourselves: a host name */
    enum mail_tls tls;
    int64_t timeout_ms; /* of a whole delivery */
};

struct mail {
    struct str from, from_name; /* an address; a name to show, may be empty */
    struct str to;              /* an address */
    struct str subject;
    struct str text, html; /* UTF-8; html empty: plain text only */
    struct str
        unsubscribe_url; /* empty: none; else for List-Unsubscribe, in one click (RFC 8058) */
};

/*
 * Delivers to the relay: 0 when it has taken the responsibility. E_INVALID (400 M_INVALID_PARAM): the relay will never
 * deliver to this address. E_BUSY (502 M_UNKNOWN): the relay is not there, is slow, or does not want us; why is in
 * err->detail, for the operator.
 */
MUST_USE int mail_send(const struct mail_relay *relay, const struct mail *m, struct err *err);
/* Connects, makes TLS, authenticates, and goes away. E_BUSY as above. */
MUST_USE int mail_probe(const struct mail_relay *relay, struct err *err);

enum { MAIL_ADDRESS_MAX = 254 };
/*
 * user@domain in the form in which addresses are stored and compared: lower case (appendices, "E-Mail"), in the arena.
 * False for anything else, also for quoted local parts, comments and letters outside of ASCII.
 */
bool mail_address_parse(struct arena *a, struct str text, struct str *out);

/* The bytes of the message, as they go to the relay: what mail_send does first. `id` makes the Message-ID, `wall_ms`
 * the date. */
void mail_format(const struct mail *m, struct str id, int64_t wall_ms, struct buf *out);

#endif
