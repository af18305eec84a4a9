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

#include <stddef.h>

struct signer;

struct sigv4_credentials {
    const char *access_key;
    const char *secret_key;
    const char *session_token; /* NULL: none */
    const char *region;        /* "us-east-1" */
    const char *service;       /* "s3", "sts" */
};

/* Copies the credentials. */
struct signer *signer_sigv4_new(const struct sigv4_credentials *credentials);
struct signer *signer_ref(struct signer *signer);
void signer_unref(struct signer *signer); /* NULL is fine */

/*
 * Appends the header lines to send, each "Name: value\r\n": x-amz-date, x-amz-content-sha256,
 * x-amz-security-token if there is a session token, Authorization. Signed are host and those
 * x-amz-* headers. url is absolute; its path and query must be percent-encoded already, are
 * brought into canonical form (each octet but A-Z a-z 0-9 - . _ ~ encoded once, query sorted by
 * name and value) and must be sent like that: *canonical_url, which the caller frees, is the URL
 * to send. For any service but "s3" the path of the canonical request is encoded twice. wall is
 * the time in seconds since the epoch. ERROR_INVALID for a URL that is none.
 */
struct error *signer_sign(const struct signer *signer, const char *method, const char *url,
                          const void *body, size_t body_length, double wall,
                          struct buffer *header_lines, char **canonical_url)
    __attribute__((warn_unused_result));

#endif
