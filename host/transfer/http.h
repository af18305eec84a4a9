/*
 * An HTTP client for short exchanges: one request, the whole reply in memory, within one deadline.
 * Connections are kept alive and re-made silently when a peer has dropped them. The server's
 * scrapes use it; any number of threads may share one client.
 *
 * Redirects are followed once, and only to the same scheme, host and port. Every error names the
 * URL and the cause.
 */
#ifndef KTHENA_TRANSFER_HTTP_H
#define KTHENA_TRANSFER_HTTP_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct http_client;

struct http_client_config {
    const char *user_agent;
    const char *ca_file; /* PEM bundle that replaces the system's, or NULL */
    bool direct;         /* never through a proxy, whatever the environment says */
};

struct http_request {
    const char *url;
    const char *accept; /* value of the Accept header, NULL for any type */
    int64_t timeout_ms; /* for everything, redirect included */
    size_t body_limit;  /* bytes of body accepted */
};

struct http_reply {
    long status;
    char *content_type; /* "" when there was none; freed by http_reply_free */
    struct buffer body; /* appended to, so that a caller may pass a used buffer in */
};

struct http_client *http_client_new(const struct http_client_config *config);

/* Waits for nothing: no request may be in flight. */
void http_client_free(struct http_client *client);

/*
 * GETs a URL. A reply with any status is a success here; content encodings are undone. Errors:
 * ERROR_UNREACHABLE (no connection), ERROR_TIMEOUT, ERROR_LIMIT (body above body_limit),
 * ERROR_PROTOCOL (cut off, malformed, redirect to elsewhere), ERROR_IO. On error the reply's body
 * is undefined but still the caller's to free.
 */
struct error *http_get(struct http_client *client, const struct http_request *request,
                       struct http_reply *reply) __attribute__((warn_unused_result));

/* Frees content_type and body. */
void http_reply_free(struct http_reply *reply);

#endif
