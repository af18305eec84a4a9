#include "server/tls.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>

enum { CHECK_MS = 1000, FILE_MAX = 1 << 20 };

/* What the two files held: a digest, so that no second copy of the key stays in memory. */
struct pair_digest {
    unsigned char bytes[SHA256_DIGEST_LENGTH];
};

struct tls {
    char *certificate_file;
    char *key_file;
    SSL_CTX *front; /* what civetweb makes its sessions from; holds no certificate */
    struct handover *handover;
    pthread_mutex_t mutex;
    SSL_CTX *current;          /* holds the pair that serves */
    struct pair_digest digest; /* of the files as last read, whether good or bad */
    bool unreadable;           /* the files could not be read the last time */
    int64_t checked_ms;
};

/* The slot of a session in which its link is kept. */
static pthread_once_t link_slot_once = PTHREAD_ONCE_INIT;
static int link_slot;

static void release_link(void *parent, void *pointer, CRYPTO_EX_DATA *data, int slot, long argument,
                         void *context) {
    (void)parent, (void)data, (void)slot, (void)argument, (void)context;
    if (pointer)
        link_release(pointer);
}

static void make_link_slot(void) {
    link_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, release_link);
}

static void follow_handshake(const SSL *ssl, int where, int value) {
    (void)value;
    const struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct link *link = SSL_get_ex_data(ssl, link_slot);
    if ((where & SSL_CB_HANDSHAKE_START) && !link)
        SSL_set_ex_data((SSL *)ssl, link_slot, handover_link_of(tls->handover, SSL_get_fd(ssl)));
    if ((where & SSL_CB_HANDSHAKE_DONE) && link)
        link_opened(link);
}

static struct error *ssl_failure(const char *what, const char *file) {
    char why[256] = "";
    unsigned long code = ERR_peek_last_error();
    if (code)
        ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    return error_new(ERROR_INVALID, NULL, "could not use the TLS %s %s%s%s", what, file,
                     code ? ": " : "", why);
}

/* Without it OpenSSL would ask for the pass phrase of an encrypted key on the terminal. */
static int no_pass_phrase(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

static struct error *use_certificate(SSL_CTX *context, const struct buffer *pem, const char *file) {
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->length);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL);
    struct error *error = NULL;
    if (!certificate || SSL_CTX_use_certificate(context, certificate) != 1)
        error = ssl_failure("certificate", file);
    else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        log_warning("the TLS certificate %s has expired; clients will refuse it", file);
    X509_free(certificate);
    X509 *issuer = NULL;
    while (!error && (issuer = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL))) {
        if (SSL_CTX_add1_chain_cert(context, issuer) != 1)
            error = ssl_failure("certificate chain", file);
        X509_free(issuer);
    }
    /* The end of the file counts as a missing start line. */
    if (!error && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        error = ssl_failure("certificate chain", file);
    ERR_clear_error();
    BIO_free(bio);
    return error;
}

static struct error *use_key(SSL_CTX *context, const struct buffer *pem, const char *file) {
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->length);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    struct error *error = NULL;
    if (!key)
        error = ssl_failure("key", file);
    else if (SSL_CTX_use_PrivateKey(context, key) != 1)
        error =
            error_new(ERROR_INVALID, NULL,
                      "could not use the TLS key %s: it does not belong to the certificate", file);
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(bio);
    return error;
}

static struct error *make_context(struct tls *tls, const struct buffer *certificate,
                                  const struct buffer *key, SSL_CTX **out) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        return ssl_failure("library", OPENSSL_VERSION_TEXT);
    /* A session asks the context it was switched to. */
    SSL_CTX_set_app_data(context, tls);
    SSL_CTX_set_info_callback(context, follow_handshake);
    struct error *error = use_certificate(context, certificate, tls->certificate_file);
    if (!error)
        error = use_key(context, key, tls->key_file);
    if (error)
        SSL_CTX_free(context);
    else
        *out = context;
    return error;
}

static void digest_pair(const struct buffer *certificate, const struct buffer *key,
                        struct pair_digest *digest) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    EVP_DigestUpdate(context, &certificate->length, sizeof certificate->length);
    EVP_DigestUpdate(context, certificate->data, certificate->length);
    EVP_DigestUpdate(context, key->data, key->length);
    EVP_DigestFinal_ex(context, digest->bytes, NULL);
    EVP_MD_CTX_free(context);
}

/* Reads the pair, and makes a context of it if the files changed. *out stays NULL if they did not,
 * or if their being unreadable is no news. */
static struct error *load(struct tls *tls, SSL_CTX **out) {
    struct buffer certificate = {0}, key = {0};
    struct error *error = file_read(tls->certificate_file, FILE_MAX, &certificate);
    if (!error)
        error = file_read(tls->key_file, FILE_MAX, &key);
    bool news = !tls->unreadable;
    tls->unreadable = error != NULL;
    if (error && !news) {
        error_free(error);
        error = NULL;
    } else if (!error) {
        struct pair_digest digest;
        digest_pair(&certificate, &key, &digest);
        if (memcmp(&digest, &tls->digest, sizeof digest)) {
            tls->digest = digest;
            error = make_context(tls, &certificate, &key, out);
        }
    }
    if (key.data)
        OPENSSL_cleanse(key.data, key.length);
    buffer_free(&key);
    buffer_free(&certificate);
    return error;
}

static void refresh(struct tls *tls) {
    if (clock_ms() - tls->checked_ms < CHECK_MS)
        return;
    SSL_CTX *fresh = NULL;
    struct error *error = load(tls, &fresh);
    tls->checked_ms = clock_ms();
    if (error)
        log_error_free(LOG_ERROR, error, "the new TLS certificate is not used, the old one stays");
    if (!fresh)
        return;
    SSL_CTX_free(tls->current);
    tls->current = fresh;
    log_info("now using the new TLS certificate %s", tls->certificate_file);
}

/* Each handshake takes the pair that is current. */
static int choose_certificate(SSL *ssl, void *context) {
    struct tls *tls = context;
    pthread_mutex_lock(&tls->mutex);
    refresh(tls);
    bool set = SSL_set_SSL_CTX(ssl, tls->current) != NULL;
    pthread_mutex_unlock(&tls->mutex);
    return set;
}

static SSL_CTX *make_front(struct tls *tls) {
    SSL_CTX *front = SSL_CTX_new(TLS_server_method());
    if (!front)
        return NULL;
    SSL_CTX_set_app_data(front, tls);
    SSL_CTX_set_min_proto_version(front, TLS1_2_VERSION);
    SSL_CTX_set_options(front, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* civetweb writes to a non-blocking socket and goes on where a write stopped. */
    SSL_CTX_set_mode(front, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
    /* Sessions resume by tickets; a cache in memory would only grow. */
    SSL_CTX_set_session_cache_mode(front, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_cert_cb(front, choose_certificate, tls);
    SSL_CTX_set_info_callback(front, follow_handshake);
    return front;
}

struct error *tls_open(const char *certificate_file, const char *key_file, struct tls **out) {
    pthread_once(&link_slot_once, make_link_slot);
    struct tls *tls = memory_zero(1, sizeof *tls);
    pthread_mutex_init(&tls->mutex, NULL);
    tls->certificate_file = memory_string(certificate_file);
    tls->key_file = memory_string(key_file);
    tls->front = make_front(tls);
    struct error *error =
        tls->front ? load(tls, &tls->current) : ssl_failure("library", OPENSSL_VERSION_TEXT);
    tls->checked_ms = clock_ms();
    if (error)
        tls_free(tls);
    else
        *out = tls;
    return error;
}

void tls_bind(struct tls *tls, struct handover *handover) {
    tls->handover = handover;
}

void *tls_context(const struct tls *tls) {
    return tls->front;
}

void tls_free(struct tls *tls) {
    if (!tls)
        return;
    SSL_CTX_free(tls->current);
    SSL_CTX_free(tls->front);
    pthread_mutex_destroy(&tls->mutex);
    memory_free(tls->certificate_file);
    memory_free(tls->key_file);
    memory_free(tls);
}
