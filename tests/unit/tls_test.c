#include "server/tls.h"

#include "base/memory.h"
#include "server/reply.h"
#include "server/server.h"

#include "client.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>

#define HEALTH "GET /health HTTP/1.1\r\nHost: test\r\n\r\n"

struct fixture {
    char dir[64];
    char certificate[96], key[96], socket[96];
    SSL_CTX *client;
    struct server *server;
    int port;
};

static void get_health(struct request *request, void *context) {
    (void)context;
    reply_error(request, 200, "secure: %d", request->secure);
}

static void get_big(struct request *request, void *context) {
    struct span span = {context, 3000000};
    reply_send(request, 200, "text/plain", NULL, &span, 1);
}

static void post_echo(struct request *request, void *context) {
    (void)context;
    struct buffer body = {0};
    if (request_body(request, &body))
        reply_json(request, 200, &body);
    buffer_free(&body);
}

static char *big;

static struct route routes[] = {
    {.method = "GET", .path = "/health", .handler = get_health},
    {.method = "GET", .path = "/big", .handler = get_big},
    {.method = "POST", .path = "/echo", .body_limit = 100000, .handler = post_echo},
};

static EVP_PKEY *new_key(void) {
    return EVP_EC_gen("P-256");
}

static void write_key(const char *path, EVP_PKEY *key) {
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_int_equal(PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(stream), 0);
}

/* Writes a self-signed certificate of the name. */
static void write_certificate(const char *path, EVP_PKEY *key, const char *name) {
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_int_equal(PEM_write_X509(stream, certificate), 1);
    assert_int_equal(fclose(stream), 0);
    X509_free(certificate);
}

static void write_pair(const struct fixture *fixture, const char *name) {
    EVP_PKEY *key = new_key();
    write_certificate(fixture->certificate, key, name);
    write_key(fixture->key, key);
    EVP_PKEY_free(key);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/kthena-tls-test-XXXXXX");
    if (!mkdtemp(fixture->dir))
        return -1;
    snprintf(fixture->certificate, sizeof fixture->certificate, "%s/cert.pem", fixture->dir);
    snprintf(fixture->key, sizeof fixture->key, "%s/key.pem", fixture->dir);
    snprintf(fixture->socket, sizeof fixture->socket, "unix:%s/socket", fixture->dir);
    write_pair(fixture, "first");
    fixture->client = SSL_CTX_new(TLS_client_method());
    big = memory_alloc(3000000);
    memset(big, 'x', 3000000);
    routes[1].context = big;
    const char *hosts[] = {"127.0.0.1", fixture->socket};
    struct server_config config = {.hosts = hosts,
                                   .host_count = 2,
                                   .tls_cert = fixture->certificate,
                                   .tls_key = fixture->key,
                                   .routes = routes,
                                   .route_count = sizeof routes / sizeof routes[0],
                                   .worker_count = 2};
    struct error *error = server_start(&config, &fixture->server);
    if (error && strstr(error->message, "this build has no TLS")) {
        print_message("skipped: %s\n", error->message);
        exit(0);
    }
    if (error)
        fail_msg("%s", error->message);
    fixture->port = server_port(fixture->server, 0);
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    int status = server_stop(fixture->server, 10000) ? 0 : -1;
    memory_free(big);
    SSL_CTX_free(fixture->client);
    unlink(fixture->certificate);
    unlink(fixture->key);
    rmdir(fixture->dir);
    free(fixture);
    return status;
}

static SSL *secure_connect(const struct fixture *fixture, int *fd) {
    *fd = client_connect(fixture->port);
    SSL *ssl = SSL_new(fixture->client);
    SSL_set_fd(ssl, *fd);
    SSL_set_tlsext_host_name(ssl, "some.host");
    assert_int_equal(SSL_connect(ssl), 1);
    return ssl;
}

static void secure_close(SSL *ssl, int fd) {
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

/* Sends the text, and reads until as many bytes have come. */
static void secure_ask(SSL *ssl, const char *text, const char *part, size_t length) {
    assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), strlen(text));
    size_t got = 0;
    static char bytes[65536];
    while (got < length) {
        size_t room = sizeof bytes - 1 - got % (sizeof bytes - 1);
        int count = SSL_read(ssl, bytes + got % (sizeof bytes - 1), (int)room);
        assert_true(count > 0);
        got += (size_t)count;
        if (got < sizeof bytes)
            bytes[got] = '\0';
        if (got < sizeof bytes && strstr(bytes, part) && length < 1000)
            return;
    }
}

static void serves(const struct fixture *fixture, const char *name) {
    int fd;
    SSL *ssl = secure_connect(fixture, &fd);
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    char served[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, served,
                              sizeof served);
    assert_string_equal(served, name);
    X509_free(certificate);
    secure_ask(ssl, HEALTH, "secure: 1", 999);
    secure_close(ssl, fd);
}

/* The files are looked at once a second. */
static void wait_for_check(void) {
    struct pollfd none = {.fd = -1};
    poll(&none, 1, 1050);
}

static void test_exchange(void **state) {
    const struct fixture *fixture = *state;
    int fd;
    SSL *ssl = secure_connect(fixture, &fd);
    assert_true(SSL_version(ssl) >= TLS1_2_VERSION);
    for (int i = 0; i < 3; i++)
        secure_ask(ssl, HEALTH, "secure: 1", 999);
    secure_ask(ssl, "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
               "\r\n\r\nhello", 999);
    secure_ask(ssl, "GET /big HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", "", 3000000);
    secure_close(ssl, fd);
}

static void test_refusals(void **state) {
    const struct fixture *fixture = *state;
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"GET * HTTP/1.1\r\nHost: test\r\n\r\n", "HTTP/1.1 400 "},
        {"nonsense\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n", "HTTP/1.1 404 "},
        {"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100001\r\n\r\n", "HTTP/1.1 413 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd;
        SSL *ssl = secure_connect(fixture, &fd);
        secure_ask(ssl, cases[i].request, cases[i].status, 999);
        secure_close(ssl, fd);
    }
}

static void test_plain_http(void **state) {
    const struct fixture *fixture = *state;
    struct answer answer;
    client_ask(fixture->port, HEALTH, &answer);
    assert_int_equal(answer.status, 400);
    assert_string_equal(answer.body, "{\"detail\":\"this port speaks TLS; use https://\"}");
}

static void test_unix_socket_is_plain(void **state) {
    const struct fixture *fixture = *state;
    struct answer answer;
    int fd = client_connect_unix(fixture->socket + strlen("unix:"));
    client_send(fd, HEALTH);
    client_read(fd, true, &answer);
    assert_string_equal(answer.body, "{\"detail\":\"secure: 0\"}");
    close(fd);
}

static void test_old_protocol(void **state) {
    const struct fixture *fixture = *state;
    SSL_CTX *old = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(old, 0);
    SSL_CTX_set_min_proto_version(old, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
    SSL *ssl = SSL_new(old);
    int fd = client_connect(fixture->port);
    SSL_set_fd(ssl, fd);
    assert_int_not_equal(SSL_connect(ssl), 1);
    SSL_free(ssl);
    SSL_CTX_free(old);
    close(fd);
}

/* Failed handshakes must give their workers and links back: there are only two. */
static void test_failed_handshakes(void **state) {
    const struct fixture *fixture = *state;
    for (int i = 0; i < 20; i++) {
        int fd = client_connect(fixture->port);
        client_send_bytes(fd, "\x16\x03\x01\x00\x05junk!", 10);
        while (!client_sees_end(fd))
            ;
        close(fd);
    }
    serves(fixture, "first");
}

/* The first message of a client, for one that then says nothing more. */
static size_t client_hello(const struct fixture *fixture, char *bytes, size_t size) {
    SSL *ssl = SSL_new(fixture->client);
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    assert_int_not_equal(SSL_connect(ssl), 1);
    int length = BIO_read(out, bytes, (int)size);
    assert_true(length > 0);
    SSL_free(ssl);
    return (size_t)length;
}

/* Handshakes that stop in the middle hold a worker, but not for long when others wait. */
static void test_silent_handshakes(void **state) {
    const struct fixture *fixture = *state;
    enum { COUNT = 12 };
    int silent[COUNT];
    char hello[1024];
    size_t length = client_hello(fixture, hello, sizeof hello);
    for (int i = 0; i < COUNT; i++) {
        silent[i] = client_connect(fixture->port);
        client_send_bytes(silent[i], hello, i % 2 ? length : length / 2);
    }
    serves(fixture, "first");
    for (int i = 0; i < COUNT; i++)
        close(silent[i]);
}

static void test_change(void **state) {
    const struct fixture *fixture = *state;
    serves(fixture, "first");
    write_pair(fixture, "second");
    wait_for_check();
    serves(fixture, "second");
    /* A key that does not fit, and files that are no PEM, change nothing. */
    EVP_PKEY *other = new_key();
    write_key(fixture->key, other);
    EVP_PKEY_free(other);
    wait_for_check();
    serves(fixture, "second");
    close(open(fixture->certificate, O_WRONLY | O_TRUNC));
    wait_for_check();
    serves(fixture, "second");
    unlink(fixture->certificate);
    wait_for_check();
    serves(fixture, "second");
    write_pair(fixture, "third");
    wait_for_check();
    serves(fixture, "third");
    write_pair(fixture, "first");
    wait_for_check();
}

static void expect_refused(const struct fixture *fixture, const char *part) {
    struct tls *tls = NULL;
    struct error *error = tls_open(fixture->certificate, fixture->key, &tls);
    assert_non_null(error);
    char *text = error_text(error);
    if (!strstr(text, part))
        fail_msg("%s", text);
    memory_free(text);
    error_free(error);
}

static void test_bad_files(void **state) {
    struct fixture fixture = *(struct fixture *)*state;
    snprintf(fixture.certificate, sizeof fixture.certificate, "%s/cert2.pem", fixture.dir);
    snprintf(fixture.key, sizeof fixture.key, "%s/key2.pem", fixture.dir);
    expect_refused(&fixture, "cert2.pem");
    write_pair(&fixture, "name");
    unlink(fixture.key);
    expect_refused(&fixture, "key2.pem");
    EVP_PKEY *key = new_key();
    write_key(fixture.key, key);
    EVP_PKEY_free(key);
    expect_refused(&fixture, "does not belong to the certificate");
    write_pair(&fixture, "name");
    close(open(fixture.certificate, O_WRONLY | O_TRUNC));
    expect_refused(&fixture, "could not use the TLS certificate");
    unlink(fixture.certificate);
    unlink(fixture.key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),          cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_plain_http),        cmocka_unit_test(test_unix_socket_is_plain),
        cmocka_unit_test(test_old_protocol),      cmocka_unit_test(test_failed_handshakes),
        cmocka_unit_test(test_silent_handshakes), cmocka_unit_test(test_change),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
