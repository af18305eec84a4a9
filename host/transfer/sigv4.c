#include "transfer/sigv4.h"

#include "base/memory.h"
#include "base/redact.h"
#include "base/url.h"
#include "transfer/http.h"
#include "transfer/sigv4_private.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { REQUEST_HEADERS_MAX = 16 };

struct signer {
    atomic_size_t references;
    char *access_key;
    char *secret_key;
    char *session_token; /* NULL: none */
    char *region;
    char *service;
    bool encodes_twice;
};

struct signer *signer_sigv4_new(const struct sigv4_credentials *credentials) {
    struct signer *signer = memory_zero(1, sizeof *signer);
    signer->references = 1;
    signer->access_key = memory_string(credentials->access_key);
    signer->secret_key = memory_string(credentials->secret_key);
    redact_secret(signer->secret_key, strlen(signer->secret_key));
    if (credentials->session_token) {
        signer->session_token = memory_string(credentials->session_token);
        redact_secret(signer->session_token, strlen(signer->session_token));
    }
    signer->region = memory_string(credentials->region);
    signer->service = memory_string(credentials->service);
    signer->encodes_twice = !credentials->encode_once;
    return signer;
}

struct signer *signer_ref(struct signer *signer) {
    atomic_fetch_add(&signer->references, 1);
    return signer;
}

static void free_secret(char *secret) {
    if (!secret)
        return;
    redact_forget(secret, strlen(secret));
    explicit_bzero(secret, strlen(secret));
    memory_free(secret);
}

void signer_unref(struct signer *signer) {
    if (!signer || atomic_fetch_sub(&signer->references, 1) > 1)
        return;
    memory_free(signer->access_key);
    free_secret(signer->secret_key);
    free_secret(signer->session_token);
    memory_free(signer->region);
    memory_free(signer->service);
    memory_free(signer);
}

/* The URL in parts that are ready to be signed and sent. */
struct target {
    struct url url;
    char *host; /* as the Host header has it */
    struct buffer path;
    struct buffer query;
    struct buffer signed_path;
};

static void target_free(struct target *target) {
    url_free(&target->url);
    memory_free(target->host);
    buffer_free(&target->path);
    buffer_free(&target->query);
    buffer_free(&target->signed_path);
}

static char *host_header(const struct url *url) {
    bool is_ipv6 = strchr(url->host, ':') != NULL;
    char *host = is_ipv6 ? memory_format("[%s]", url->host) : memory_string(url->host);
    int usual = strcmp(url->scheme, "https") == 0 ? 443 : 80;
    if (url->port == usual)
        return host;
    char *with_port = memory_format("%s:%d", host, url->port);
    memory_free(host);
    return with_port;
}

/* The query is none of the parser's business: its complaints would show it. */
static struct error *take_target(const struct signer *signer, const char *url,
                                 struct target *target) {
    size_t length = strcspn(url, "?");
    char *front = memory_copy(url, length);
    const char *query = url[length] ? url + length + 1 : "";
    struct error *error = url_parse(front, &target->url);
    if (!error && strchr(query, '#'))
        error = error_new(ERROR_INVALID, NULL, "'%s' has a fragment ('#')", front);
    memory_free(front);
    if (error)
        return error_new(ERROR_INVALID, error, "could not sign a request");
    sigv4_canonical_path(target->url.path, strlen(target->url.path), &target->path);
    sigv4_canonical_query(query, strlen(query), &target->query);
    if (signer->encodes_twice)
        sigv4_encode_again(target->path.data, target->path.length, &target->signed_path);
    else
        buffer_append(&target->signed_path, target->path.data, target->path.length);
    target->host = host_header(&target->url);
    return NULL;
}

/* A line break in a credential would put headers of somebody's choice into the request. */
static struct error *check_credentials(const struct signer *signer) {
    const char *const texts[] = {signer->access_key, signer->session_token, signer->region,
                                 signer->service};
    static const char *const names[] = {"access key", "session token", "region", "service"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (const char *byte = texts[i]; byte && *byte; byte++)
            if ((unsigned char)*byte <= ' ' || *byte == 0x7F)
                return error_new(ERROR_INVALID, NULL,
                                 "could not sign a request: the %s must not contain spaces or "
                                 "control characters",
                                 names[i]);
    return NULL;
}

/* The headers to sign: at most four of ours and the request's own, sorted by name. */
struct signed_headers {
    struct sigv4_header list[4 + REQUEST_HEADERS_MAX];
    char *names[REQUEST_HEADERS_MAX]; /* the request's, in lower case */
    size_t name_count;
    size_t count;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct sigv4_header *)a)->name, ((const struct sigv4_header *)b)->name);
}

static void add_header(struct signed_headers *headers, const char *name, const char *value) {
    if (value)
        headers->list[headers->count++] = (struct sigv4_header){name, value};
}

static void add_request_header(struct signed_headers *headers, const struct http_header *header) {
    if (strncasecmp(header->name, "x-amz-", strlen("x-amz-")) != 0 ||
        headers->name_count == REQUEST_HEADERS_MAX)
        return;
    char *name = memory_string(header->name);
    for (char *each = name; *each; each++)
        *each = (char)tolower((unsigned char)*each);
    headers->names[headers->name_count++] = name;
    add_header(headers, name, header->value);
}

static void sign(const struct signer *signer, const struct signable *what,
                 const struct target *target, const char *payload, const char *stamp,
                 struct buffer *header_lines) {
    struct signed_headers headers = {0};
    add_header(&headers, "x-amz-content-sha256", payload);
    add_header(&headers, "x-amz-date", stamp);
    add_header(&headers, "x-amz-security-token", signer->session_token);
    for (size_t i = 0; i < headers.count; i++)
        buffer_format(header_lines, "%s: %s\r\n", headers.list[i].name, headers.list[i].value);
    add_header(&headers, "host", target->host);
    for (size_t i = 0; i < what->header_count; i++)
        add_request_header(&headers, &what->headers[i]);
    qsort(headers.list, headers.count, sizeof *headers.list, by_name);
    struct sigv4_request request = {.method = what->method,
                                    .path = target->signed_path.data,
                                    .path_length = target->signed_path.length,
                                    .query = target->query.data,
                                    .query_length = target->query.length,
                                    .headers = headers.list,
                                    .header_count = headers.count,
                                    .payload = payload};
    struct sigv4_scope scope = {stamp, signer->region, signer->service};
    struct buffer canonical = {0}, to_sign = {0};
    char signature[SIGV4_HEX_SIZE];
    sigv4_canonical_request(&request, &canonical);
    sigv4_string_to_sign(&scope, &canonical, &to_sign);
    sigv4_signature(signer->secret_key, &scope, &to_sign, signature);
    buffer_string(header_lines, "Authorization: ");
    sigv4_authorization(signer->access_key, &scope, &request, signature, header_lines);
    buffer_string(header_lines, "\r\n");
    if (signer->session_token)
        explicit_bzero(canonical.data, canonical.length);
    for (size_t i = 0; i < headers.name_count; i++)
        memory_free(headers.names[i]);
    buffer_free(&canonical);
    buffer_free(&to_sign);
}

struct error *signer_sign(const struct signer *signer, const struct signable *request,
                          struct buffer *header_lines, char **canonical_url) {
    struct target target = {0};
    char payload[SIGV4_HEX_SIZE], stamp[SIGV4_STAMP_SIZE];
    *canonical_url = NULL;
    struct error *error = check_credentials(signer);
    if (!error)
        error = take_target(signer, request->url, &target);
    if (error)
        goto cleanup;
    sigv4_sha256(request->body, request->body_length, payload);
    sigv4_stamp(request->wall, stamp);
    sign(signer, request, &target, payload, stamp, header_lines);
    *canonical_url =
        memory_format("%s://%s%.*s%s%.*s", target.url.scheme, target.host, (int)target.path.length,
                      target.path.data, target.query.length ? "?" : "", (int)target.query.length,
                      target.query.length ? target.query.data : "");
cleanup:
    target_free(&target);
    return error;
}
