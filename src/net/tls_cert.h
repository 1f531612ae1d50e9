/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server certificate with its key, which can be read anew while handshakes go on. Handshakes borrow the
 * certificate that is current; earlier ones stay in memory until tls_cert_free (reloads are rare).
 */
#ifndef INGOT_NET_TLS_CERT_H
#define INGOT_NET_TLS_CERT_H

#include <gnutls/abstract.h>

#include "base/err.h"

struct tls_cert;

/* Paths of PEM files (the certificate with its chain, leaf first); copied. */
MUST_USE int tls_cert_new(const char *certificate, const char *private_key, struct tls_cert **out,
                          struct err *err);
/* Reads the files again; on failure the current certificate stays. Any thread, one at a time. */
MUST_USE int tls_cert_reload(struct tls_cert *c, struct err *err);
/* Seconds since 1970 at which the current certificate ends. */
int64_t tls_cert_end(struct tls_cert *c);
/* Whether it is for this host (RFC 6125: wildcards too). */
bool tls_cert_is_for(struct tls_cert *c, const char *host);
void tls_cert_free(struct tls_cert *c); /* NULL is allowed */
/* For GnuTLS' retrieve function: the current chain and key, owned by c. */
void tls_cert_current(struct tls_cert *c, gnutls_pcert_st **chain, unsigned *n,
                      gnutls_privkey_t *key);

#endif
