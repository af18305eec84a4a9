#include "transfer/http.h"

#include "base/clock.h"
#include "base/memory.h"
#include "transfer/headers.h"
#include "transfer/http_private.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

/* Handles kept for reuse, each with its own connections. More requests at a time make handles of
 * their own. */
enum { IDLE_HANDLES = 8, NAP_MS = 100 };

/* A handle, and what drives it when it has to be watched; each keeps connections. */
struct line {
    CURL *handle;
    CURLM *multi; /* NULL until it is needed */
};

struct http_client {
    struct network network; /* its texts are ours */
    pthread_mutex_t lock;
    struct line idle[IDLE_HANDLES];
    size_t idle_count;
};

struct http_client *http_client_new(const struct network *network) {
    struct http_client *client = memory_zero(1, sizeof *client);
    client->network = *network;
    client->network.user_agent = memory_string(network->user_agent);
    client->network.ca_file = network->ca_file ? memory_string(network->ca_file) : NULL;
    pthread_mutex_init(&client->lock, NULL);
    return client;
}

static void close_line(struct line line) {
    curl_easy_cleanup(line.handle);
    if (line.multi)
        curl_multi_cleanup(line.multi);
}

void http_client_free(struct http_client *client) {
    if (!client)
        return;
    for (size_t i = 0; i < client->idle_count; i++)
        close_line(client->idle[i]);
    pthread_mutex_destroy(&client->lock);
    memory_free((char *)client->network.user_agent);
    memory_free((char *)client->network.ca_file);
    memory_free(client);
}

static struct line take_line(struct http_client *client) {
    struct line line = {NULL, NULL};
    pthread_mutex_lock(&client->lock);
    if (client->idle_count)
        line = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->lock);
    if (!line.handle)
        line.handle = network_handle();
    return line;
}

static void return_line(struct http_client *client, struct line line) {
    curl_easy_reset(line.handle); /* forgets the exchange; connections stay */
    pthread_mutex_lock(&client->lock);
    bool keep = client->idle_count < IDLE_HANDLES;
    if (keep)
        client->idle[client->idle_count++] = line;
    pthread_mutex_unlock(&client->lock);
    if (!keep)
        close_line(line);
}

/* One try: the request, and where its redirects lead. */
static struct error *attempt(struct exchange *exchange, const struct network *network,
                             CURLcode *code) {
    bool redirected = true;
    struct error *error = NULL;
    exchange->method = http_method(exchange->request);
    exchange->url = exchange->request->url;
    exchange->away = false;
    exchange->redirects = 0;
    while (!error && redirected) {
        error = http_hop(exchange, network, code);
        if (!error)
            error = http_redirect(exchange, &redirected);
    }
    return error;
}

/* How long the server wants to be left alone, -1 when it does not say. */
static int64_t asked_delay(const struct http_reply *reply) {
    char value[256];
    int64_t asked = -1;
    if (http_reply_header(reply, "retry-after", value, sizeof value))
        asked = header_retry_after(value, clock_wall());
    if (http_reply_header(reply, "ratelimit", value, sizeof value)) {
        int64_t limit = header_rate_limit(value);
        asked = limit > asked ? limit : asked;
    }
    return asked;
}

/* False when it was cancelled. */
static bool nap(const struct http_request *request, int64_t until_ms) {
    for (;;) {
        int64_t left = until_ms - clock_ms();
        if (http_is_cancelled(request))
            return false;
        if (left <= 0)
            return true;
        left = left < NAP_MS ? left : NAP_MS;
        nanosleep(&(struct timespec){.tv_nsec = (long)left * 1000000}, NULL);
    }
}

static struct error *cancelled(const struct http_request *request) {
    char *url = url_for_people(request->url);
    struct error *error =
        error_new(ERROR_CANCELLED, NULL, "%s %s: cancelled", http_method(request), url);
    memory_free(url);
    return error;
}

/* Whether it is worth another try, and when. */
static bool tries_again(const struct exchange *exchange, int tried, bool failed, CURLcode code,
                        int64_t *when_ms) {
    if (tried >= exchange->request->attempts || http_is_cancelled(exchange->request))
        return false;
    if (failed ? !network_is_passing(&exchange->notes, code)
               : !header_status_is_passing(exchange->reply->status))
        return false;
    *when_ms = clock_ms() + retry_delay_ms(tried + 1, failed ? -1 : asked_delay(exchange->reply));
    return *when_ms < exchange->deadline_ms;
}

static struct error *try_often(struct exchange *exchange, const struct network *network) {
    for (int tried = 1;; tried++) {
        CURLcode code = CURLE_OK;
        int64_t when_ms = 0;
        struct error *error = attempt(exchange, network, &code);
        bool failed = error != NULL;
        if ((failed && code == CURLE_OK) || !tries_again(exchange, tried, failed, code, &when_ms))
            return error;
        error_free(error);
        if (!nap(exchange->request, when_ms))
            return cancelled(exchange->request);
    }
}

struct error *http_exchange(struct http_client *client, const struct http_request *request,
                            struct http_reply *reply) {
    if (http_is_cancelled(request))
        return cancelled(request);
    struct line line = take_line(client);
    if (request->cancel && !line.multi)
        line.multi = network_multi();
    struct exchange exchange = {.handle = line.handle,
                                .multi = request->cancel ? line.multi : NULL,
                                .request = request,
                                .reply = reply,
                                .start = reply->body.length,
                                .deadline_ms = clock_ms() + request->timeout_ms};
    struct error *error = try_often(&exchange, &client->network);
    char *type = NULL;
    if (!error)
        curl_easy_getinfo(line.handle, CURLINFO_CONTENT_TYPE, &type);
    memory_free(reply->content_type);
    reply->content_type = memory_string(type ? type : "");
    memory_free(exchange.redirected);
    return_line(client, line);
    return error;
}

bool http_reply_header(const struct http_reply *reply, const char *name, char *value, size_t size) {
    const char *at = reply->headers.data;
    const char *end = at ? at + reply->headers.length : NULL;
    size_t length = strlen(name);
    while (at != end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line = (size_t)(stop - at);
        if (line >= length + 2 && memcmp(at, name, length) == 0 && at[length] == ':') {
            size_t have = line - length - 2;
            if (have >= size)
                return false;
            memcpy(value, at + length + 2, have);
            value[have] = '\0';
            return true;
        }
        at = stop + 1;
    }
    return false;
}

void http_reply_free(struct http_reply *reply) {
    memory_free(reply->content_type);
    buffer_free(&reply->headers);
    buffer_free(&reply->body);
    *reply = (struct http_reply){0};
}
