/* SPDX-License-Identifier: Apache-2.0 */
/* The server over TLS: requests, long polls (which stay with libmicrohttpd there), new certificates. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>

#include "base/clock.h"
#include "net/http_server.h"
#include "net/metrics.h"
#include "net/tls_cert.h"
#include "tests/support/http_client.h"
#include "tests/support/http_shapes.h"
#include "wire/json.h"

static sem_t parked;
static _Atomic(struct request *) waiting;

static int poll_resume(struct request *rq, struct err *err)
{
    (void)err;
    request_unref(atomic_exchange(&waiting, NULL));
    return reply_bytes(rq, 200, "text/plain", arena_printf(rq->arena, "%d", rq->woken_by));
}

static int poll_start(struct request *rq, struct err *err)
{
    int64_t ms;
    int rc = request_query_int(rq, "ms", 0, 1 << 30, 20000, &ms, err);
    if (rc != 0) {
        return rc;
    }
    atomic_store(&waiting, request_ref(rq));
    request_park(rq, clock_mono_ms() + ms, poll_resume);
    sem_post(&parked);
    return REQUEST_PARKED;
}

static int send_big(struct request *rq, struct err *err)
{
    (void)err;
    char *p = arena_alloc(rq->arena, 1000000);
    memset(p, 'b', 1000000);
    return reply_bytes(rq, 200, "application/octet-stream", str_n(p, 1000000));
}

static const struct route table[] = {
    {HTTP_GET, "/t/poll", poll_start},
    {HTTP_GET, "/t/big", send_big},
    {0},
};

static char directory[] = "/tmp/ingot-tls-test-XXXXXX";
static char cert_path[64], key_path[64];
static struct router *router;
static struct pool *pool;
static struct http_server *server;
static uint16_t port;

static void write_file(const char *path, const gnutls_datum_t *d)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(d->data, 1, d->size, f), d->size);
    fclose(f);
}

/* A self-signed certificate for a new key; the serial number tells them apart. */
static void make_certificate(unsigned char serial)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;
    gnutls_x509_privkey_init(&key);
    gnutls_x509_crt_init(&crt);
    assert_int_equal(gnutls_x509_privkey_generate(
                         key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                     0);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, &serial, 1);
    gnutls_x509_crt_set_activation_time(crt, time(NULL) - 60);
    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 3600);
    gnutls_x509_crt_set_dn(crt, "CN=localhost", NULL);
    gnutls_x509_crt_set_key(crt, key);
    assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
    gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
    write_file(cert_path, &pem);
    gnutls_free(pem.data);
    gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
    write_file(key_path, &pem);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

struct tls_client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

/* Before the handshake. priorities: as GnuTLS writes them. */
static struct tls_client tls_begin(const char *priorities)
{
    struct tls_client c = {.fd = connect_loopback(port)};
    gnutls_certificate_allocate_credentials(&c.credentials);
    gnutls_init(&c.session, GNUTLS_CLIENT);
    assert_int_equal(gnutls_priority_set_direct(c.session, priorities, NULL), 0);
    gnutls_credentials_set(c.session, GNUTLS_CRD_CERTIFICATE, c.credentials);
    gnutls_transport_set_int(c.session, c.fd);
    return c;
}

static struct tls_client tls_open(void)
{
    struct tls_client c = tls_begin("NORMAL");
    assert_int_equal(gnutls_handshake(c.session), 0);
    return c;
}

static void tls_close(struct tls_client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->credentials);
    close(c->fd);
}

/* Serial number of the server's certificate. */
static int serial_of(const struct tls_client *c)
{
    unsigned n;
    unsigned char serial[20];
    size_t serial_n = sizeof(serial);
    gnutls_x509_crt_t crt;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(c->session, &n);
    assert_non_null(list);
    gnutls_x509_crt_init(&crt);
    assert_int_equal(gnutls_x509_crt_import(crt, &list[0], GNUTLS_X509_FMT_DER), 0);
    assert_int_equal(gnutls_x509_crt_get_serial(crt, serial, &serial_n), 0);
    gnutls_x509_crt_deinit(crt);
    return serial[serial_n - 1];
}

static void tls_send(struct tls_client *c, const char *path)
{
    char text[200];
    int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    assert_int_equal(gnutls_record_send(c->session, text, (size_t)n), n);
}

/* Reads until the answer ends with `end`; returns how many bytes that were. */
static size_t tls_receive(struct tls_client *c, const char *end)
{
    char chunk[16384];
    struct buf all = BUF_INIT(4 << 20);
    while (!str_ends(buf_str(&all), str_c(end))) {
        ssize_t n = gnutls_record_recv(c->session, chunk, sizeof(chunk));
        assert_true(n > 0);
        buf_add(&all, str_n(chunk, (size_t)n));
    }
    size_t n = all.n;
    assert_true(str_starts(buf_str(&all), STR("HTTP/1.1 200 OK\r\n")));
    buf_release(&all);
    return n;
}

static int setup_group(void **state)
{
    (void)state;
    struct err err = {0};
    wire_json_init();
    sem_init(&parked, 0, 0);
    assert_non_null(mkdtemp(directory));
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", directory);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", directory);
    make_certificate(7);
    pool = pool_new(3, 1, 0);
    router = router_new();
    router_add(router, SERVE_FEDERATION, table);
    const struct http_listener_config listener = {.bind = "127.0.0.1",
                                                  .serve = SERVE_FEDERATION,
                                                  .certificate = cert_path,
                                                  .private_key = key_path};
    const struct http_server_config config = {.listeners = &listener,
                                              .n_listeners = 1,
                                              .router = router,
                                              .pool = pool,
                                              .temp_dir = "/tmp"};
    assert_ok(http_server_new(&config, &server, &err), &err);
    port = http_server_port(server, 0);
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    http_server_free(server, 1000);
    pool_free(pool);
    router_free(router);
    metrics_reset();
    unlink(cert_path);
    unlink(key_path);
    rmdir(directory);
    return 0;
}

static void requests_pass_through_tls(void **state)
{
    (void)state;
    struct tls_client c = tls_open();
    assert_int_equal(serial_of(&c), 7);
    tls_send(&c, "/t/big");
    assert_true(tls_receive(&c, "b") > 0);
    tls_close(&c);
}

static void only_tls_1_2_and_newer_is_spoken(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        bool is_spoken;
    } cases[] = {{"TLS1.0", false}, {"TLS1.1", false}, {"TLS1.2", true}, {"TLS1.3", true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char priorities[100];
        snprintf(priorities, sizeof(priorities), "NORMAL:-VERS-ALL:+VERS-%s:%%COMPAT",
                 cases[i].version);
        struct tls_client c = tls_begin(priorities);
        bool is_spoken = gnutls_handshake(c.session) == 0;
        if (is_spoken != cases[i].is_spoken) {
            fail_msg("%s is %sspoken", cases[i].version, is_spoken ? "" : "not ");
        }
        tls_close(&c);
    }
}

/* All that comes until the connection ends. */
static struct buf tls_read_to_the_end(struct tls_client *c)
{
    char chunk[16384];
    struct buf all = BUF_INIT(1 << 20);
    for (ssize_t n; (n = gnutls_record_recv(c->session, chunk, sizeof(chunk))) > 0;) {
        buf_add(&all, str_n(chunk, (size_t)n));
    }
    return all;
}

static void what_is_framed_doubtfully_is_refused_and_ends_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(http_shapes); i++) {
        const struct http_shape *s = &http_shapes[i];
        struct tls_client c = tls_open();
        char start[32] = "";
        gnutls_record_send(c.session, s->bytes.p, s->bytes.n);
        struct buf all = tls_read_to_the_end(&c);
        if (s->status) {
            snprintf(start, sizeof(start), "HTTP/1.1 %d ", s->status);
        }
        if (!str_starts(buf_str(&all), str_c(start)) || str_find(buf_str(&all), STR("404 ")) >= 0) {
            fail_msg("%s: %.*s", s->name, STR_ARG(buf_str(&all)));
        }
        buf_release(&all);
        tls_close(&c);
    }
}

static void long_polls_wait_and_wake(void **state)
{
    (void)state;
    struct tls_client c = tls_open();
    for (int i = 0; i < 3; i++) {
        tls_send(&c, "/t/poll");
        sem_wait(&parked);
        request_wake(atomic_load(&waiting));
        tls_receive(&c, "\r\n\r\n1");
        tls_send(&c, "/t/poll?ms=20");
        tls_receive(&c, "\r\n\r\n2");
        sem_wait(&parked);
    }
    tls_close(&c);
}

static void a_client_that_left_is_noticed_at_the_deadline(void **state)
{
    (void)state;
    struct tls_client c = tls_open();
    tls_send(&c, "/t/poll?ms=50");
    sem_wait(&parked);
    tls_close(&c);
    while (atomic_load(&waiting)) {
        sched_yield();
    }
}

static void a_new_certificate_is_used_after_reload(void **state)
{
    (void)state;
    struct err err = {0};
    struct tls_client old = tls_open();
    make_certificate(8);
    assert_ok(http_server_reload(server, &err), &err);
    struct tls_client c = tls_open();
    assert_int_equal(serial_of(&c), 8);
    tls_close(&c);
    tls_send(&old, "/t/big");
    tls_receive(&old, "b");
    tls_close(&old);
}

static void a_bad_certificate_leaves_the_old_one(void **state)
{
    (void)state;
    struct err err = {0};
    const gnutls_datum_t rubbish = {.data = (unsigned char *)"rubbish", .size = 7};
    write_file(cert_path, &rubbish);
    assert_int_equal(http_server_reload(server, &err), E_INVALID);
    assert_non_null(strstr(err.message, "cert.pem"));
    struct tls_client c = tls_open();
    assert_int_equal(serial_of(&c), 8);
    tls_close(&c);
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    char kept[4096];
    make_certificate(9);
    FILE *f = fopen(cert_path, "re");
    size_t n = fread(kept, 1, sizeof(kept), f);
    fclose(f);
    make_certificate(10); /* another key, and now the certificate of before */
    const gnutls_datum_t before = {.data = (unsigned char *)kept, .size = (unsigned)n};
    write_file(cert_path, &before);
    assert_int_equal(http_server_reload(server, &err), E_INVALID);
    assert_non_null(strstr(err.message, "does not belong"));
}

static void shutdown_answers_what_is_parked(void **state)
{
    (void)state;
    struct tls_client c = tls_open();
    tls_send(&c, "/t/poll");
    sem_wait(&parked);
    http_server_stop(server);
    tls_receive(&c, "\r\n\r\n4");
    tls_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_pass_through_tls),
        TEST(only_tls_1_2_and_newer_is_spoken),
        TEST(what_is_framed_doubtfully_is_refused_and_ends_the_connection),
        TEST(long_polls_wait_and_wake),
        TEST(a_client_that_left_is_noticed_at_the_deadline),
        TEST(a_new_certificate_is_used_after_reload),
        TEST(a_bad_certificate_leaves_the_old_one),
        TEST(a_key_of_another_certificate_is_refused),
        TEST(shutdown_answers_what_is_parked),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
