/*
 * One exchange of the HTTP client while it runs. Private to http.c (clients and tries),
 * http_request.c (what is sent), http_hop.c (one request and its answer) and http_redirect.c (from
 * one request to the next).
 */
#ifndef KTHENA_TRANSFER_HTTP_PRIVATE_H
#define KTHENA_TRANSFER_HTTP_PRIVATE_H

#include "transfer/http.h"
#include "transfer/network_curl.h"

struct exchange {
    CURL *handle;
    CURLM *multi; /* drives the handle when the exchange can be cancelled; else NULL */
    struct network_notes notes;
    const struct http_request *request;
    struct http_reply *reply;
    size_t start; /* length of the body before this reply */
    int64_t deadline_ms;
    bool body_too_large, headers_too_large;
    /* The hop: starts as the request says. */
    const char *method;
    const char *url;
    char *redirected; /* what url points to after a redirect; owned */
    bool away;        /* the first origin is left: credentials and the body stay behind */
    int redirects;
};

/* "GET" unless the request says otherwise. */
const char *http_method(const struct http_request *request);

/* Makes the hop's headers, which the caller frees whatever comes of it, and where it is signed the
 * URL to send, which the caller frees too; NULL where it is not. ERROR_INVALID for a header that
 * breaks its line and for a URL that cannot be signed. */
struct error *http_build(const struct exchange *exchange, struct curl_slist **headers,
                         char **signed_url) __attribute__((warn_unused_result));

/* Sets the hop's method and its body on the handle, which must be fresh. */
void http_set_method(const struct exchange *exchange);

/* Sends the hop's request and receives the answer, whatever its status. Stores libcurl's code;
 * CURLE_OK without an error only. */
struct error *http_hop(struct exchange *exchange, const struct network *network, CURLcode *code)
    __attribute__((warn_unused_result));

/* Turns the exchange to where the answer redirects to. Stores false when it does not, or when the
 * request wants the redirect itself. ERROR_PROTOCOL for one that must not be followed. */
struct error *http_redirect(struct exchange *exchange, bool *redirected)
    __attribute__((warn_unused_result));

bool http_is_cancelled(const struct http_request *request);

#endif
