/* Whom the client trusts: a TLS server on the loopback with a certificate of its own. */
#include "http_support.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/* Answers each connection with the same reply, or ends it when the client does not like it. */
struct tls_server {
    SSL_CTX *context;
    const char *reply;
    int listener, port;
    int connections; /* to take */
    int answered;
    pthread_t thread;
};

static void answer(struct tls_server *server, int connection) {
    SSL *ssl = SSL_new(server->context);
    char head[4000];
    int length = 0;
    SSL_set_fd(ssl, connection);
    if (SSL_accept(ssl) == 1) {
        do {
            int count = SSL_read(ssl, head + length, (int)sizeof head - 1 - length);
            if (count <= 0)
                break;
            length += count;
            head[length] = '\0';
        } while (!strstr(head, "\r\n\r\n"));
        if (length > 0 && SSL_write(ssl, server->reply, (int)strlen(server->reply)) > 0)
            server->answered++;
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
}

static void *serve(void *context) {
    struct tls_server *server = context;
    for (int i = 0; i < server->connections && server_readable(server->listener); i++) {
        int connection = accept(server->listener, NULL, NULL);
        answer(server, connection);
        close(connection);
    }
    return NULL;
}

static void add_extension(X509 *certificate, int kind, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key, const char *name) {
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1,
                               0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    add_extension(certificate, NID_subject_alt_name, name);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static char directory[] = "/tmp/kthena-network-tls-XXXXXX";
static char ca_file[sizeof directory + 10];
static X509 *own, *other; /* certificates for 127.0.0.1, and for another name */
static EVP_PKEY *key;

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", directory);
    key = EVP_EC_gen("P-256");
    own = make_certificate(key, "IP:127.0.0.1");
    other = make_certificate(key, "DNS:other.example");
    FILE *stream = fopen(ca_file, "w");
    assert_non_null(stream);
    assert_int_equal(PEM_write_X509(stream, own), 1);
    assert_int_equal(PEM_write_X509(stream, other), 1);
    return fclose(stream);
}

static int tear_down(void **state) {
    (void)state;
    X509_free(own);
    X509_free(other);
    EVP_PKEY_free(key);
    unlink(ca_file);
    return rmdir(directory);
}

static void start(struct tls_server *server, X509 *certificate, const char *reply) {
    *server = (struct tls_server){.reply = reply, .connections = 1};
    server->context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(server->context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server->context, key), 1);
    struct tcp_server plain;
    server_prepare(&plain, NULL, 0);
    server->listener = plain.listener;
    server->port = plain.port;
    assert_null(thread_start(&server->thread, "tls", serve, server));
}

static void stop(struct tls_server *server) {
    pthread_join(server->thread, NULL);
    close(server->listener);
    SSL_CTX_free(server->context);
}

/* One request to a server with the certificate; ends with how often it answered. */
static int ask(struct get *call, const struct network *network, X509 *certificate,
               const char *reply) {
    struct tls_server server;
    start(&server, certificate, reply);
    char *url = memory_format("https://127.0.0.1:%d/x?secret", server.port);
    call->client = http_client_new(network);
    call->request.url = url;
    call->request.timeout_ms = 10000;
    call->request.body_limit = 1000;
    call->error = http_exchange(call->client, &call->request, &call->reply);
    http_client_free(call->client);
    stop(&server);
    memory_free(url);
    return server.answered;
}

static void a_certificate_is_checked(void **state) {
    (void)state;
    const struct {
        struct network network;
        X509 *certificate;
        bool trusted;
    } cases[] = {
        {{.ca_file = ca_file}, own, true},    {{.ca_file = NULL}, own, false},
        {{.ca_file = ca_file}, other, false}, {{.insecure = true}, own, true},
        {{.insecure = true}, other, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct get call = {NULL};
        struct network network = cases[i].network;
        network.user_agent = "kthena-test/1";
        network.direct = true;
        call.request.attempts = cases[i].trusted;
        int answered = ask(&call, &network, cases[i].certificate, OK);
        assert_int_equal(answered, cases[i].trusted);
        if (cases[i].trusted) {
            assert_body(&call, "a 1\n");
        } else {
            assert_non_null(call.error);
            assert_int_equal(call.error->kind, ERROR_UNREACHABLE);
            assert_null(strstr(call.error->message, "secret"));
            assert_non_null(strstr(call.error->message, "/x: SSL"));
        }
        done(&call);
    }
}

static void what_was_encrypted_stays_so(void **state) {
    (void)state;
    static const char away[] = "HTTP/1.1 302 Away\r\nLocation: http://127.0.0.1:1/y?secret\r\n"
                               "Content-Length: 0\r\n\r\n";
    struct get call = {.request.follow = HTTP_FOLLOW_ANY};
    struct network network = {.user_agent = "kthena-test/1", .direct = true, .ca_file = ca_file};
    assert_int_equal(ask(&call, &network, own, away), 1);
    assert_non_null(call.error);
    assert_int_equal(call.error->kind, ERROR_PROTOCOL);
    assert_non_null(strstr(call.error->message, "/x: it redirects to an address without "
                                                "encryption, http://127.0.0.1:1/y"));
    assert_null(strstr(call.error->message, "secret"));
    done(&call);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_checked),
        cmocka_unit_test(what_was_encrypted_stays_so),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
