#include "transfer/http_private.h"

#include "base/clock.h"
#include "base/memory.h"

#include <ctype.h>
#include <string.h>

enum { HEADERS_MAX = 64 * 1024, HEADERS_USUAL = 1024, CANCEL_CHECK_MS = 100 };

bool http_is_cancelled(const struct http_request *request) {
    return request->cancel && atomic_load(request->cancel);
}

static size_t on_body(char *data, size_t size, size_t count, void *context) {
    struct exchange *exchange = context;
    struct buffer *body = &exchange->reply->body;
    size_t length = size * count, have = body->length - exchange->start;
    size_t limit = exchange->request->body_limit;
    if (length > limit - have) {
        exchange->body_too_large = true;
        return 0;
    }
    if (have == 0) {
        curl_off_t announced = -1;
        curl_easy_getinfo(exchange->handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
        if (announced > 0 && (size_t)announced <= limit)
            buffer_reserve(body, (size_t)announced);
    }
    buffer_append(body, data, length);
    return length;
}

/* Keeps a header's line as "name: value\n"; a status line starts the headers anew, and what comes
 * behind the body (trailers) is not told. */
static void keep_header(struct exchange *exchange, const char *line, size_t length) {
    struct buffer *headers = &exchange->reply->headers;
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        buffer_clear(headers);
        return;
    }
    const char *colon = memchr(line, ':', length);
    if (!colon || colon == line || exchange->reply->body.length > exchange->start)
        return;
    while (length > 0 && isspace((unsigned char)line[length - 1]))
        length--;
    size_t name = (size_t)(colon - line), value = name + 1;
    while (value < length && isspace((unsigned char)line[value]))
        value++;
    if (headers->capacity == 0)
        buffer_reserve(headers, HEADERS_USUAL);
    char *out = buffer_reserve(headers, length + 4);
    for (size_t i = 0; i < name; i++)
        *out++ = (char)tolower((unsigned char)line[i]);
    *out++ = ':';
    *out++ = ' ';
    if (value < length)
        memcpy(out, line + value, length - value);
    out += value < length ? length - value : 0;
    *out++ = '\n';
    headers->length = (size_t)(out - headers->data);
}

static size_t on_header(char *data, size_t size, size_t count, void *context) {
    struct exchange *exchange = context;
    size_t length = size * count;
    if (exchange->reply->headers.length + length > HEADERS_MAX) {
        exchange->headers_too_large = true;
        return 0;
    }
    keep_header(exchange, data, length);
    return length;
}

static void set_options(struct exchange *exchange, const struct network *network,
                        struct curl_slist *headers) {
    CURL *handle = exchange->handle;
    int64_t left = exchange->deadline_ms - clock_ms();
    long timeout = (long)(left > 1 ? left : 1);
    curl_easy_reset(handle);
    network_apply(network, handle, &exchange->notes);
    http_set_method(exchange);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 128L * 1024);
    /* Asks for identity, and undoes an encoding that comes all the same. */
    curl_easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "identity");
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, timeout);
}

/* As curl_easy_perform, which would notice a cancellation a second late. */
static CURLcode perform(struct exchange *exchange) {
    if (!exchange->multi)
        return curl_easy_perform(exchange->handle);
    CURLcode code = CURLE_FAILED_INIT;
    int running = 1, queued = 0;
    CURLMcode state = curl_multi_add_handle(exchange->multi, exchange->handle);
    while (state == CURLM_OK && running) {
        state = curl_multi_perform(exchange->multi, &running);
        if (state != CURLM_OK || !running)
            break;
        if (http_is_cancelled(exchange->request)) {
            code = CURLE_ABORTED_BY_CALLBACK;
            break;
        }
        state = curl_multi_poll(exchange->multi, NULL, 0, CANCEL_CHECK_MS, NULL);
    }
    const CURLMsg *message = curl_multi_info_read(exchange->multi, &queued);
    if (message && message->msg == CURLMSG_DONE)
        code = message->data.result;
    curl_multi_remove_handle(exchange->multi, exchange->handle);
    return code;
}

/* libcurl's failure; an address that a redirect led to is not the one the caller knows. */
static struct error *describe_network(const struct exchange *exchange, CURLcode code,
                                      const char *url) {
    struct error *error = network_error(&exchange->notes, code, exchange->method, exchange->url);
    if (exchange->redirects == 0)
        return error;
    return error_new(error->kind, error, "%s %s: it redirects, and that failed",
                     http_method(exchange->request), url);
}

static struct error *describe(const struct exchange *exchange, CURLcode code) {
    const struct http_request *request = exchange->request;
    const char *method = http_method(request);
    char *url = url_for_people(request->url);
    struct error *error = NULL;
    if (exchange->body_too_large)
        error = error_new(ERROR_LIMIT, NULL, "%s %s: the body is larger than the %zu bytes allowed",
                          method, url, request->body_limit);
    else if (exchange->headers_too_large)
        error =
            error_new(ERROR_PROTOCOL, NULL, "%s %s: the answer's headers are larger than %d KiB",
                      method, url, HEADERS_MAX / 1024);
    else if (http_is_cancelled(request))
        error = error_new(ERROR_CANCELLED, NULL, "%s %s: cancelled", method, url);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        error = error_new(ERROR_TIMEOUT, NULL, "%s %s: no complete answer within %g s", method, url,
                          (double)request->timeout_ms / 1000);
    else
        error = describe_network(exchange, code, url);
    memory_free(url);
    return error;
}

struct error *http_hop(struct exchange *exchange, const struct network *network, CURLcode *code) {
    struct curl_slist *headers = NULL;
    char *signed_url = NULL;
    *code = CURLE_OK;
    exchange->body_too_large = exchange->headers_too_large = false;
    exchange->reply->body.length = exchange->start;
    buffer_clear(&exchange->reply->headers);
    struct error *error = http_build(exchange, &headers, &signed_url);
    if (error)
        goto cleanup;
    set_options(exchange, network, headers);
    network_url(&exchange->notes, signed_url ? signed_url : exchange->url, exchange->away);
    *code = perform(exchange);
    if (*code != CURLE_OK)
        error = describe(exchange, *code);
    else
        curl_easy_getinfo(exchange->handle, CURLINFO_RESPONSE_CODE, &exchange->reply->status);
cleanup:
    memory_free(signed_url);
    curl_slist_free_all(headers);
    return error;
}
