/*
 * The steps of a signature, one by one, so that the tests can hold each against the published
 * vectors, which sign other headers than we do. Private to sigv4.c and its test.
 */
#ifndef KTHENA_TRANSFER_SIGV4_PRIVATE_H
#define KTHENA_TRANSFER_SIGV4_PRIVATE_H

#include "base/buffer.h"
#include "transfer/sigv4.h"

#include <stddef.h>

enum { SIGV4_HEX_SIZE = 65, SIGV4_STAMP_SIZE = 17, SIGV4_DAY_LENGTH = 8 };

struct sigv4_header {
    const char *name; /* lower case */
    const char *value;
};

struct sigv4_request {
    const char *method;
    const char *path; /* canonical */
    size_t path_length;
    const char *query; /* canonical, without the '?' */
    size_t query_length;
    const struct sigv4_header *headers; /* those to sign, sorted by name */
    size_t header_count;
    const char *payload; /* hexadecimal SHA-256 of the body */
};

/* What is signed for: time, region and service. */
struct sigv4_scope {
    const char *stamp; /* "20150830T123600Z" */
    const char *region;
    const char *service;
};

void sigv4_stamp(double wall, char stamp[SIGV4_STAMP_SIZE]);
void sigv4_sha256(const void *bytes, size_t length, char hex[SIGV4_HEX_SIZE]);

/* Append the canonical form of a path ("" is "/") or of a query. */
void sigv4_canonical_path(const char *path, size_t length, struct buffer *out);
void sigv4_canonical_query(const char *query, size_t length, struct buffer *out);

/* Appends a canonical path with its '%' encoded once more, for the services that want that. */
void sigv4_encode_again(const char *path, size_t length, struct buffer *out);

void sigv4_canonical_request(const struct sigv4_request *request, struct buffer *out);
void sigv4_string_to_sign(const struct sigv4_scope *scope, const struct buffer *canonical_request,
                          struct buffer *out);
void sigv4_signature(const char *secret_key, const struct sigv4_scope *scope,
                     const struct buffer *string_to_sign, char hex[SIGV4_HEX_SIZE]);

/* Appends the value of the Authorization header. */
void sigv4_authorization(const char *access_key, const struct sigv4_scope *scope,
                         const struct sigv4_request *request, const char *signature,
                         struct buffer *out);

#endif
