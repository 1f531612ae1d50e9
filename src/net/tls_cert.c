/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_cert.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { CHAIN_MAX = 16 };

struct generation {
    struct generation *older;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned n;
    gnutls_privkey_t key;
};

struct tls_cert {
    char *certificate, *private_key;
    _Atomic(struct generation *) current;
};

static void generation_free(struct generation *g)
{
    for (unsigned i = 0; i < g->n; i++) {
        gnutls_pcert_deinit(&g->chain[i]);
    }
    if (g->key) {
        gnutls_privkey_deinit(g->key);
    }
    free(g);
}

static int fail(struct err *err, const char *path, int gnutls_rc)
{
    return err_set(err, E_INVALID, 0, NULL, "%s: %s", path, gnutls_strerror(gnutls_rc));
}

static int load_chain(struct generation *g, const char *path, struct err *err)
{
    gnutls_datum_t pem = {0};
    unsigned n = CHAIN_MAX;
    int rc = gnutls_load_file(path, &pem);
    if (rc == 0) {
        rc = gnutls_pcert_list_import_x509_raw(g->chain, &n, &pem, GNUTLS_X509_FMT_PEM, 0);
    }
    gnutls_free(pem.data);
    if (rc != 0) {
        return fail(err, path, rc);
    }
    g->n = n;
    return 0;
}

static int load_key(struct generation *g, const char *path, struct err *err)
{
    gnutls_datum_t pem = {0};
    int rc = gnutls_load_file(path, &pem);
    if (rc == 0) {
        rc = gnutls_privkey_init(&g->key);
    }
    if (rc == 0) {
        rc = gnutls_privkey_import_x509_raw(g->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    if (pem.data) {
        gnutls_memset(pem.data, 0, pem.size);
    }
    gnutls_free(pem.data);
    return rc == 0 ? 0 : fail(err, path, rc);
}

/* A certificate with another key would make every handshake fail: notice when it is read. */
static int check_pair(const struct generation *g, const char *path, struct err *err)
{
    gnutls_pubkey_t of_key;
    unsigned char a[64], b[64];
    size_t an = sizeof(a), bn = sizeof(b);
    gnutls_pubkey_init(&of_key);
    int rc = gnutls_pubkey_import_privkey(of_key, g->key, 0, 0);
    if (rc == 0) {
        rc = gnutls_pubkey_get_key_id(of_key, GNUTLS_KEYID_USE_SHA256, a, &an);
    }
    if (rc == 0) {
        rc = gnutls_pubkey_get_key_id(g->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, b, &bn);
    }
    gnutls_pubkey_deinit(of_key);
    if (rc != 0) {
        return fail(err, path, rc);
    }
    if (!str_eq(str_n((char *)a, an), str_n((char *)b, bn))) {
        return err_set(err, E_INVALID, 0, NULL, "%s: does not belong to the certificate", path);
    }
    return 0;
}

int tls_cert_reload(struct tls_cert *c, struct err *err)
{
    struct generation *g = xcalloc(1, sizeof(*g));
    int rc = load_chain(g, c->certificate, err);
    if (rc == 0) {
        rc = load_key(g, c->private_key, err);
    }
    if (rc == 0) {
        rc = check_pair(g, c->private_key, err);
    }
    if (rc != 0) {
        generation_free(g);
        return rc;
    }
    g->older = atomic_load(&c->current);
    atomic_store(&c->current, g);
    return 0;
}

int tls_cert_new(const char *certificate, const char *private_key, struct tls_cert **out,
                 struct err *err)
{
    struct tls_cert *c = xcalloc(1, sizeof(*c));
    c->certificate = xstrdup(certificate);
    c->private_key = xstrdup(private_key);
    int rc = tls_cert_reload(c, err);
    if (rc != 0) {
        tls_cert_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

/* The leaf; gnutls_x509_crt_deinit it. NULL if it cannot be read, which loading it has excluded. */
static gnutls_x509_crt_t leaf_of(struct tls_cert *c)
{
    gnutls_x509_crt_t leaf = NULL;
    struct generation *g = atomic_load(&c->current);
    return gnutls_pcert_export_x509(&g->chain[0], &leaf) == 0 ? leaf : NULL;
}

int64_t tls_cert_end(struct tls_cert *c)
{
    gnutls_x509_crt_t leaf = leaf_of(c);
    int64_t end = leaf ? (int64_t)gnutls_x509_crt_get_expiration_time(leaf) : 0;
    gnutls_x509_crt_deinit(leaf);
    return end;
}

bool tls_cert_is_for(struct tls_cert *c, const char *host)
{
    gnutls_x509_crt_t leaf = leaf_of(c);
    bool is_for = leaf && gnutls_x509_crt_check_hostname2(leaf, host, 0) != 0;
    gnutls_x509_crt_deinit(leaf);
    return is_for;
}

void tls_cert_free(struct tls_cert *c)
{
    if (!c) {
        return;
    }
    struct generation *g = atomic_load(&c->current);
    while (g) {
        struct generation *older = g->older;
        generation_free(g);
        g = older;
    }
    free(c->certificate);
    free(c->private_key);
    free(c);
}

void tls_cert_current(struct tls_cert *c, gnutls_pcert_st **chain, unsigned *n,
                      gnutls_privkey_t *key)
{
    struct generation *g = atomic_load(&c->current);
    *chain = g->chain;
    *n = g->n;
    *key = g->key;
}
