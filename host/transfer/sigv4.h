/*
 * AWS Signature Version 4 for GET and HEAD requests and small POSTs, on OpenSSL's HMAC
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
 * Used by the HTTP client and the downloader through a struct signer; rules make one and never see
 * its key again. A signer is immutable and reference-counted; its secrets are registered with
 * base/redact.h while it lives, and wiped when it ends.
 */
#ifndef KTHENA_TRANSFER_SIGV4_H
#define KTHENA_TRANSFER_SIGV4_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct signer;
struct http_header;

struct sigv4_credentials {
    const char *access_key;
    const char *secret_key;
    const char *session_token; /* NULL: none */
    const char *region;        /* "us-east-1" */
    const char *service;       /* as the provider calls it: "sts" */
    bool encode_once; /* the path of the canonical request is that of the URL, as object stores want
                         it; all other services want its '%' encoded once more */
};

/* What is to be signed. */
struct signable {
    const char *method;
    const char *url; /* absolute; path and query percent-encoded */
    const void *body;
    size_t body_length;
    const struct http_header *headers; /* what else is sent: of these x-amz-* are signed too, up to
                                          16 of them */
    size_t header_count;
    double wall; /* the time, in seconds since the epoch */
};

/* Copies the credentials. */
struct signer *signer_sigv4_new(const struct sigv4_credentials *credentials);
struct signer *signer_ref(struct signer *signer);
void signer_unref(struct signer *signer); /* NULL is fine */

/*
 * Appends the header lines to send besides request->headers, each "Name: value\r\n": x-amz-date,
 * x-amz-content-sha256, x-amz-security-token if there is a session token, Authorization. Signed are
 * these, host, and the request's x-amz-* headers. The URL is brought into canonical form (each
 * octet but A-Z a-z 0-9 - . _ ~ encoded once, query sorted by name and value) and must be sent like
 * that: *canonical_url, which the caller frees, is the URL to send. ERROR_INVALID for a URL that is
 * none.
 */
struct error *signer_sign(const struct signer *signer, const struct signable *request,
                          struct buffer *header_lines, char **canonical_url)
    __attribute__((warn_unused_result));

#endif
