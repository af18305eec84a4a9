#include "transfer/http.h"

#include "base/clock.h"
#include "base/memory.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Handles kept for reuse, each with its own connections. More requests at a time make handles of
 * their own. */
#define IDLE_HANDLES 8

struct http_client {
    char *user_agent;
    char *ca_file;
    bool direct;
    pthread_mutex_t lock;
    CURL *idle[IDLE_HANDLES];
    size_t idle_count;
};

/* One exchange, as the write callback sees it. */
struct exchange {
    CURL *handle;
    struct buffer *body;
    size_t start; /* length of the body before this reply */
    size_t limit;
    bool overflow;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http_client *http_client_new(const struct network *config) {
    struct http_client *client = memory_zero(1, sizeof *client);
    client->user_agent = memory_string(config->user_agent);
    client->ca_file = config->ca_file ? memory_string(config->ca_file) : NULL;
    client->direct = config->direct;
    pthread_mutex_init(&client->lock, NULL);
    return client;
}

void http_client_free(struct http_client *client) {
    if (!client)
        return;
    for (size_t i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    pthread_mutex_destroy(&client->lock);
    memory_free(client->user_agent);
    memory_free(client->ca_file);
    memory_free(client);
}

static CURL *take_handle(struct http_client *client) {
    CURL *handle = NULL;
    pthread_mutex_lock(&client->lock);
    if (client->idle_count)
        handle = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->lock);
    if (handle)
        return handle;
    pthread_once(&curl_once, curl_start);
    return curl_easy_init();
}

static void return_handle(struct http_client *client, CURL *handle) {
    pthread_mutex_lock(&client->lock);
    bool keep = client->idle_count < IDLE_HANDLES;
    if (keep)
        client->idle[client->idle_count++] = handle;
    pthread_mutex_unlock(&client->lock);
    if (!keep)
        curl_easy_cleanup(handle);
}

static size_t on_body(char *data, size_t size, size_t count, void *context) {
    struct exchange *exchange = context;
    size_t length = size * count, have = exchange->body->length - exchange->start;
    if (length > exchange->limit - have) {
        exchange->overflow = true;
        return 0;
    }
    if (have == 0) {
        curl_off_t announced = -1;
        curl_easy_getinfo(exchange->handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
        if (announced > 0 && (size_t)announced <= exchange->limit)
            buffer_reserve(exchange->body, (size_t)announced);
    }
    buffer_append(exchange->body, data, length);
    return length;
}

static enum error_kind kind_of(CURLcode code) {
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERROR_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return ERROR_UNREACHABLE;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
        return ERROR_PROTOCOL;
    default:
        return ERROR_IO;
    }
}

static struct error *describe(const struct exchange *exchange, const struct http_request *request,
                              CURLcode code, const char *detail) {
    if (exchange->overflow)
        return error_new(ERROR_LIMIT, NULL, "GET %s: the body is larger than the %zu bytes allowed",
                         request->url, exchange->limit);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_new(ERROR_TIMEOUT, NULL, "GET %s: no complete answer within %g s",
                         request->url, (double)request->timeout_ms / 1000);
    long number = 0; /* of an earlier exchange unless it is connecting that failed */
    if (code == CURLE_COULDNT_CONNECT)
        curl_easy_getinfo(exchange->handle, CURLINFO_OS_ERRNO, &number);
    char text[128];
    const char *why = number ? strerror_r((int)number, text, sizeof text) : NULL;
    if (!*detail)
        detail = curl_easy_strerror(code);
    return error_new(kind_of(code), NULL, "GET %s: %s%s%s", request->url, detail, why ? ": " : "",
                     why ? why : "");
}

static void set_options(struct http_client *client, CURL *handle, struct exchange *exchange,
                        char *detail) {
    curl_easy_reset(handle);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    /* A slow resolver's thread is left behind when time is up; otherwise curl waits for it. */
    curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 128L * 1024);
    /* Asks for identity, and undoes an encoding that comes all the same. */
    curl_easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "identity");
    if (client->direct)
        curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    if (client->ca_file) {
        curl_easy_setopt(handle, CURLOPT_CAINFO, client->ca_file);
        curl_easy_setopt(handle, CURLOPT_CAPATH, NULL);
    }
}

/* Whether two absolute URLs have the same scheme, host and port. */
static bool same_origin(const char *left, const char *right) {
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    CURLU *a = curl_url(), *b = curl_url();
    bool same = curl_url_set(a, CURLUPART_URL, left, 0) == CURLUE_OK &&
                curl_url_set(b, CURLUPART_URL, right, 0) == CURLUE_OK;
    for (size_t i = 0; same && i < sizeof parts / sizeof *parts; i++) {
        char *x = NULL, *y = NULL;
        curl_url_get(a, parts[i], &x, CURLU_DEFAULT_PORT);
        curl_url_get(b, parts[i], &y, CURLU_DEFAULT_PORT);
        same = x && y && strcasecmp(x, y) == 0;
        curl_free(x);
        curl_free(y);
    }
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return same;
}

static struct error *perform(struct exchange *exchange, const struct http_request *request,
                             const char *url, int64_t deadline_ms, char *detail, long *status) {
    int64_t left = deadline_ms - clock_ms();
    long timeout = (long)(left > 1 ? left : 1);
    *detail = '\0';
    exchange->body->length = exchange->start;
    curl_easy_setopt(exchange->handle, CURLOPT_URL, url);
    curl_easy_setopt(exchange->handle, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(exchange->handle, CURLOPT_CONNECTTIMEOUT_MS, timeout);
    CURLcode code = curl_easy_perform(exchange->handle);
    if (code != CURLE_OK)
        return describe(exchange, request, code, detail);
    curl_easy_getinfo(exchange->handle, CURLINFO_RESPONSE_CODE, status);
    return NULL;
}

/* Performs the request, and once more where a redirect to the same origin says so. */
static struct error *follow(struct exchange *exchange, const struct http_request *request,
                            char *detail, long *status) {
    int64_t deadline_ms = clock_ms() + request->timeout_ms;
    struct error *error = perform(exchange, request, request->url, deadline_ms, detail, status);
    char *target = NULL;
    if (!error)
        curl_easy_getinfo(exchange->handle, CURLINFO_REDIRECT_URL, &target);
    if (!target)
        return error;
    if (!same_origin(request->url, target))
        return error_new(ERROR_PROTOCOL, NULL,
                         "GET %s: it redirects to another host, %s; give that URL instead",
                         request->url, target);
    char *url = memory_string(target);
    error = perform(exchange, request, url, deadline_ms, detail, status);
    target = NULL;
    if (!error)
        curl_easy_getinfo(exchange->handle, CURLINFO_REDIRECT_URL, &target);
    if (target)
        error = error_new(ERROR_PROTOCOL, NULL, "GET %s: it redirects more than once, to %s",
                          request->url, target);
    memory_free(url);
    return error;
}

struct error *http_exchange(struct http_client *client, const struct http_request *request,
                       struct http_reply *reply) {
    char detail[CURL_ERROR_SIZE] = "";
    CURL *handle = take_handle(client);
    if (!handle)
        return error_new(ERROR_IO, NULL, "GET %s: could not start libcurl", request->url);
    struct exchange exchange = {.handle = handle,
                                .body = &reply->body,
                                .start = reply->body.length,
                                .limit = request->body_limit};
    set_options(client, handle, &exchange, detail);
    char *header = memory_format("Accept: %s", request->accept ? request->accept : "*/*");
    struct curl_slist *headers = curl_slist_append(NULL, header);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    struct error *error = follow(&exchange, request, detail, &reply->status);
    char *type = NULL;
    if (!error)
        curl_easy_getinfo(handle, CURLINFO_CONTENT_TYPE, &type);
    reply->content_type = memory_string(type ? type : "");
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, NULL);
    return_handle(client, handle);
    curl_slist_free_all(headers);
    memory_free(header);
    return error;
}

void http_reply_free(struct http_reply *reply) {
    memory_free(reply->content_type);
    buffer_free(&reply->headers);
    buffer_free(&reply->body);
    *reply = (struct http_reply){0};
}
