/*
 * An HTTP client for short exchanges: one request, the whole reply in memory, within one deadline.
 * Connections are kept alive and re-made silently when a peer has dropped them. The server's
 * scrapes and the rules' listings use it; any number of threads may share one client.
 *
 * Every error names the method, the URL without its query (which may hold a signature), and the
 * cause.
 */
#ifndef KTHENA_TRANSFER_HTTP_H
#define KTHENA_TRANSFER_HTTP_H

#include "base/buffer.h"
#include "base/error.h"
#include "transfer/network.h"
#include "transfer/sigv4.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct http_client;

/* Where a redirect (301, 302, 303, 307, 308) may lead. */
enum http_follow {
    HTTP_FOLLOW_ORIGIN, /* once, and only to the same scheme, host and port */
    HTTP_FOLLOW_NONE,   /* nowhere: the reply is the redirect, with its Location */
    HTTP_FOLLOW_ANY,    /* up to 10 times to anywhere; headers marked private, the signer's and the
                           body stay behind when the origin changes; https never leads to http */
};

struct http_header {
    const char *name;
    const char *value;
    bool is_private; /* a credential: sent to the first origin only */
};

struct http_request {
    const char *method; /* NULL: GET */
    const char *url;
    const char *accept; /* value of the Accept header, NULL for any type */
    const struct http_header *headers;
    size_t header_count;
    const void *body; /* sent when method is not GET or HEAD */
    size_t body_length;
    const struct signer *signer; /* signs each try and each hop within the origin; NULL: none */
    enum http_follow follow;
    int attempts;              /* 0 and 1: one. More: passing statuses and connection errors are
                                  tried again after retry_delay_ms, within timeout_ms */
    int64_t timeout_ms;        /* for everything, redirects and retries included */
    size_t body_limit;         /* bytes of body accepted */
    const atomic_bool *cancel; /* ERROR_CANCELLED within 250 ms once it is true; NULL: never */
};

struct http_reply {
    long status;
    char *content_type;    /* "" when there was none; freed by http_reply_free */
    struct buffer headers; /* of the last hop: "name: value\n" with the name in lower case */
    struct buffer body;    /* appended to, so that a caller may pass a used buffer in */
};

/* The texts are copied. */
struct http_client *http_client_new(const struct network *network);

/* Waits for nothing: no request may be in flight. */
void http_client_free(struct http_client *client);

/*
 * Sends a request. A reply with any status is a success here; content encodings are undone. Errors:
 * ERROR_UNREACHABLE (no connection), ERROR_TIMEOUT, ERROR_LIMIT (body above body_limit),
 * ERROR_PROTOCOL (cut off, malformed, redirect to elsewhere), ERROR_DENIED (an address that
 * network.guarded forbids), ERROR_CANCELLED, ERROR_IO. On error the reply's buffers are undefined
 * but still the caller's to free.
 */
struct error *http_exchange(struct http_client *client, const struct http_request *request,
                            struct http_reply *reply) __attribute__((warn_unused_result));

/* Copies the value of the first header of this name (in lower case) into value; false if there is
 * none or it does not fit. */
bool http_reply_header(const struct http_reply *reply, const char *name, char *value, size_t size);

/* Frees content_type, headers and body. */
void http_reply_free(struct http_reply *reply);

#endif
