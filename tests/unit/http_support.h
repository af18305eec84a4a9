/*
 * What the tests of the HTTP client share: one GET from a scripted server, and judgements on what
 * came of it.
 */
#ifndef KTHENA_TESTS_HTTP_SUPPORT_H
#define KTHENA_TESTS_HTTP_SUPPORT_H

#include "tcp_server.h"
#include "transfer/http.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define OK "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n"

/* One GET through a client, and what came of it. */
struct get {
    struct http_client *client;
    struct http_request request;
    struct http_reply reply;
    struct error *error;
};

static inline struct http_client *make_client(void) {
    return http_client_new(&(struct network){.user_agent = "kthena-test/1", .direct = true});
}

/* Gets a path from a port; the defaults can be changed in request before. */
static inline void get(struct get *get, int port, const char *path) {
    char *url = memory_format("http://127.0.0.1:%d%s", port, path);
    get->request.url = url;
    if (!get->request.timeout_ms)
        get->request.timeout_ms = 10000;
    if (!get->request.body_limit)
        get->request.body_limit = 1000;
    get->error = http_exchange(get->client, &get->request, &get->reply);
    memory_free(url);
}

static inline void done(struct get *get) {
    error_free(get->error);
    http_reply_free(&get->reply);
    get->error = NULL;
}

static inline void assert_body(struct get *get, const char *body) {
    if (get->error)
        fail_msg("%s", get->error->message);
    assert_string_equal(buffer_text(&get->reply.body), body);
}

static inline void assert_failed(const struct get *get, enum error_kind kind, const char *part) {
    assert_non_null(get->error);
    assert_int_equal(get->error->kind, kind);
    assert_memory_equal(get->error->message, "GET http://127.0.0.1:", 21);
    if (!strstr(get->error->message, part))
        fail_msg("no \"%s\" in: %s", part, get->error->message);
}

/* The request that a server received as number `index`, up to the next one. */
static inline char *request_at(struct tcp_server *server, size_t index) {
    const char *start = buffer_text(&server->request), *end = start + server->request.length;
    const char *at = start;
    for (;; index--) {
        const char *head = strstr(at, "\r\n\r\n");
        if (!head)
            fail_msg("there were fewer requests: %s", start);
        const char *next = head + 4;
        next += server_body_length(at, (size_t)(next - at));
        assert_true(next <= end);
        if (index == 0)
            return memory_copy(at, (size_t)(next - at));
        at = next;
    }
}

static inline void assert_request(struct tcp_server *server, size_t index, const char *part,
                                  bool there) {
    char *request = request_at(server, index);
    if ((strstr(request, part) != NULL) != there)
        fail_msg("%s \"%s\" in: %s", there ? "no" : "there is", part, request);
    memory_free(request);
}

#endif
