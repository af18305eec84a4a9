/*
 * The server's side of TLS: a certificate and its key from PEM files, read again when their content
 * changes, so that a renewed certificate serves without a restart. A new pair is validated aside; a
 * bad one is logged once and the old one goes on serving.
 *
 * civetweb takes the context as it is (its external_ssl_ctx callback) and loads nothing itself;
 * each handshake then takes the pair that is current. The server owns a struct tls. OpenSSL is
 * first touched by tls_open.
 */
#ifndef KTHENA_SERVER_TLS_H
#define KTHENA_SERVER_TLS_H

#include "base/error.h"
#include "server/handover.h"

struct tls;

/* Loads a certificate (leaf first, then its chain) and its private key. Clients need TLS 1.2 at
 * least. The errors name the file and what is wrong with it. */
struct error *tls_open(const char *certificate_file, const char *key_file, struct tls **out)
    __attribute__((warn_unused_result));

/* Tells it whose connections it serves: their links are marked open when the handshake is done, and
 * released when the TLS session is freed, which civetweb does just before it closes the socket. */
void tls_bind(struct tls *tls, struct handover *handover);

/* The SSL_CTX for civetweb; stays the tls's. */
void *tls_context(const struct tls *tls);

/* Frees it. To be called after mg_stop. NULL is fine. */
void tls_free(struct tls *tls);

#endif
