#include "transfer/sigv4_private.h"

#include "base/memory.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHA256_SIZE = 32 };

static const char scheme[] = "AWS4-HMAC-SHA256";
static const char terminator[] = "aws4_request";

void sigv4_stamp(double wall, char stamp[SIGV4_STAMP_SIZE]) {
    time_t seconds = (time_t)wall;
    struct tm parts = {0};
    gmtime_r(&seconds, &parts);
    strftime(stamp, SIGV4_STAMP_SIZE, "%Y%m%dT%H%M%SZ", &parts);
}

static void to_hex(const unsigned char bytes[SHA256_SIZE], char hex[SIGV4_HEX_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[SIGV4_HEX_SIZE - 1] = '\0';
}

void sigv4_sha256(const void *bytes, size_t length, char hex[SIGV4_HEX_SIZE]) {
    unsigned char digest[SHA256_SIZE];
    if (EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
    to_hex(digest, hex);
}

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Takes one octet of an encoded text and goes past it: an escape, or a byte for itself, a '%' that
 * begins no escape included. */
static unsigned char take_octet(const char *text, size_t length, size_t *at, bool *escaped) {
    size_t i = (*at)++;
    *escaped = text[i] == '%' && length - i > 2 && hex_digit(text[i + 1]) >= 0 &&
               hex_digit(text[i + 2]) >= 0;
    if (!*escaped)
        return (unsigned char)text[i];
    *at += 2;
    return (unsigned char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
}

static void put_octet(struct buffer *out, unsigned char octet) {
    static const char digits[] = "0123456789ABCDEF";
    if ((octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z') ||
        (octet >= '0' && octet <= '9') || (octet && strchr("-._~", octet)))
        buffer_byte(out, (char)octet);
    else
        buffer_append(out, (char[]){'%', digits[octet >> 4], digits[octet & 15]}, 3);
}

/* A separator stands for itself unless it is escaped. */
static void put_canonical(struct buffer *out, const char *text, size_t length, char separator) {
    bool escaped = false;
    for (size_t at = 0; at < length;) {
        unsigned char octet = take_octet(text, length, &at, &escaped);
        if (!escaped && separator && octet == (unsigned char)separator)
            buffer_byte(out, separator);
        else
            put_octet(out, octet);
    }
}

void sigv4_canonical_path(const char *path, size_t length, struct buffer *out) {
    if (length == 0)
        buffer_byte(out, '/');
    put_canonical(out, path, length, '/');
}

void sigv4_encode_again(const char *path, size_t length, struct buffer *out) {
    for (size_t i = 0; i < length; i++) {
        buffer_byte(out, path[i]);
        if (path[i] == '%')
            buffer_string(out, "25");
    }
}

/* A parameter in a canonical text of its own: "name" NUL "value" NUL. */
struct parameter {
    char *name;
    char *value;
};

static void take_parameter(const char *text, size_t length, struct parameter *parameter) {
    struct buffer out = {0};
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals ? (size_t)(equals - text) : length;
    put_canonical(&out, text, name_length, 0);
    buffer_byte(&out, '\0');
    size_t value = out.length;
    if (equals)
        put_canonical(&out, equals + 1, length - name_length - 1, 0);
    buffer_byte(&out, '\0');
    parameter->name = out.data;
    parameter->value = out.data + value;
}

static int compare_parameters(const void *left, const void *right) {
    const struct parameter *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->value, b->value);
}

void sigv4_canonical_query(const char *query, size_t length, struct buffer *out) {
    size_t most = 1, count = 0;
    for (size_t i = 0; i < length; i++)
        most += query[i] == '&';
    struct parameter *parameters = memory_zero(most, sizeof *parameters);
    for (size_t start = 0; start < length;) {
        const char *end = memchr(query + start, '&', length - start);
        size_t span = end ? (size_t)(end - query) - start : length - start;
        if (span)
            take_parameter(query + start, span, &parameters[count++]);
        start += span + 1;
    }
    qsort(parameters, count, sizeof *parameters, compare_parameters);
    for (size_t i = 0; i < count; i++) {
        buffer_format(out, "%s%s=%s", i ? "&" : "", parameters[i].name, parameters[i].value);
        memory_free(parameters[i].name);
    }
    memory_free(parameters);
}

static void put_signed_headers(const struct sigv4_request *request, struct buffer *out) {
    for (size_t i = 0; i < request->header_count; i++)
        buffer_format(out, "%s%s", i ? ";" : "", request->headers[i].name);
}

void sigv4_canonical_request(const struct sigv4_request *request, struct buffer *out) {
    buffer_format(out, "%s\n", request->method);
    buffer_append(out, request->path, request->path_length);
    buffer_byte(out, '\n');
    buffer_append(out, request->query, request->query_length);
    buffer_byte(out, '\n');
    for (size_t i = 0; i < request->header_count; i++)
        buffer_format(out, "%s:%s\n", request->headers[i].name, request->headers[i].value);
    buffer_byte(out, '\n');
    put_signed_headers(request, out);
    buffer_format(out, "\n%s", request->payload);
}

static void put_scope(const struct sigv4_scope *scope, struct buffer *out) {
    buffer_format(out, "%.*s/%s/%s/%s", SIGV4_DAY_LENGTH, scope->stamp, scope->region,
                  scope->service, terminator);
}

void sigv4_string_to_sign(const struct sigv4_scope *scope, const struct buffer *canonical_request,
                          struct buffer *out) {
    char hex[SIGV4_HEX_SIZE];
    sigv4_sha256(canonical_request->data, canonical_request->length, hex);
    buffer_format(out, "%s\n%s\n", scheme, scope->stamp);
    put_scope(scope, out);
    buffer_format(out, "\n%s", hex);
}

/* key becomes the HMAC of the text under key. */
static void chain(unsigned char key[SHA256_SIZE], const char *text, size_t length) {
    unsigned char next[SHA256_SIZE];
    if (!HMAC(EVP_sha256(), key, SHA256_SIZE, (const unsigned char *)text, length, next, NULL))
        abort();
    memcpy(key, next, SHA256_SIZE);
    explicit_bzero(next, sizeof next);
}

void sigv4_signature(const char *secret_key, const struct sigv4_scope *scope,
                     const struct buffer *string_to_sign, char hex[SIGV4_HEX_SIZE]) {
    unsigned char key[SHA256_SIZE];
    char *first = memory_format("AWS4%s", secret_key);
    size_t length = strlen(first);
    if (!HMAC(EVP_sha256(), first, (int)length, (const unsigned char *)scope->stamp,
              SIGV4_DAY_LENGTH, key, NULL))
        abort();
    explicit_bzero(first, length);
    memory_free(first);
    chain(key, scope->region, strlen(scope->region));
    chain(key, scope->service, strlen(scope->service));
    chain(key, terminator, sizeof terminator - 1);
    chain(key, string_to_sign->data, string_to_sign->length);
    to_hex(key, hex);
    explicit_bzero(key, sizeof key);
}

void sigv4_authorization(const char *access_key, const struct sigv4_scope *scope,
                         const struct sigv4_request *request, const char *signature,
                         struct buffer *out) {
    buffer_format(out, "%s Credential=%s/", scheme, access_key);
    put_scope(scope, out);
    buffer_string(out, ", SignedHeaders=");
    put_signed_headers(request, out);
    buffer_format(out, ", Signature=%s", signature);
}
