#include "http_support.h"

#include <stdio.h>

/* A redirect whose Location begins with %d's URL; the text is the server's to keep. */
static struct step redirect(char text[300], int status, const char *location, int port) {
    char target[200];
    snprintf(target, sizeof target, location, port);
    snprintf(text, 300, "HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nmoved",
             status, target);
    return (struct step){.reply = text};
}

/* Gets /metrics from a server that redirects it, and then answers the rest of the script. */
static void get_redirected(struct get *page, int status, const char *location, bool second) {
    static char text[300];
    struct step steps[] = {{0}, {.reply = OK}};
    struct tcp_server server;
    server_prepare(&server, steps, second ? 2 : 1);
    steps[0] = redirect(text, status, location, server.port);
    server_begin(&server);
    get(page, server.port, "/metrics");
    server_finish(&server);
    if (second && !page->error)
        assert_non_null(strstr(buffer_text(&server.request), "\r\n\r\nGET /metrics/ HTTP/1.1\r\n"));
    assert_int_equal(server.connections, 1);
    server_free(&server);
}

static void follows_within_the_origin(void **state) {
    (void)state;
    static const char *const locations[] = {"/metrics/",
                                            "metrics/",
                                            "http://127.0.0.1:%d/metrics/",
                                            "HTTP://127.0.0.1:%d/metrics/",
                                            "//127.0.0.1:%d/metrics/",
                                            "/metrics/#part"};
    static const int statuses[] = {301, 302, 303, 307, 308};
    struct get page = {.client = make_client()};
    for (size_t i = 0; i < COUNT(locations) * COUNT(statuses); i++) {
        buffer_string(&page.reply.body, "kept ");
        get_redirected(&page, statuses[i % COUNT(statuses)], locations[i / COUNT(statuses)], true);
        assert_body(&page, "kept a 1\n");
        assert_int_equal(page.reply.status, 200);
        done(&page);
    }
    http_client_free(page.client);
}

static void follows_nowhere_else(void **state) {
    (void)state;
    static const char *const locations[] = {
        "http://127.0.0.1:1/metrics",   "http://localhost:%d/metrics",
        "https://127.0.0.1:%d/metrics", "http://127.0.0.2:%d/metrics",
        "//example.org/metrics",        "http://127.0.0.1/metrics",
        "file:///etc/passwd",           "ftp://127.0.0.1:%d/metrics"};
    struct get page = {.client = make_client()};
    for (size_t i = 0; i < COUNT(locations); i++) {
        get_redirected(&page, 302, locations[i], false);
        assert_failed(&page, ERROR_PROTOCOL, "/metrics: it redirects to another host, ");
        assert_non_null(strstr(page.error->message, "; give that URL instead"));
        done(&page);
    }
    http_client_free(page.client);
}

static void follows_once(void **state) {
    (void)state;
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 307 A\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"},
        {.reply = "HTTP/1.1 307 B\r\nLocation: /metrics\r\nContent-Length: 0\r\n\r\n"}};
    struct tcp_server server;
    server_start(&server, steps, COUNT(steps));
    struct get page = {.client = make_client()};
    get(&page, server.port, "/metrics");
    assert_failed(&page, ERROR_PROTOCOL,
                  "/metrics: it redirects more than once, to http://127.0.0.1:");
    done(&page);
    server_finish(&server);
    server_free(&server);
    http_client_free(page.client);
}

static void a_redirect_to_nowhere_is_an_answer(void **state) {
    (void)state;
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 302 Where\r\nContent-Length: 5\r\n\r\nwhere"},
        {.reply =
             "HTTP/1.1 201 Made\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 4\r\n\r\nhere"},
    };
    struct tcp_server server;
    server_start(&server, steps, COUNT(steps));
    struct get page = {.client = make_client()};
    get(&page, server.port, "/metrics");
    assert_body(&page, "where");
    assert_int_equal(page.reply.status, 302);
    done(&page);
    get(&page, server.port, "/metrics");
    assert_body(&page, "here");
    assert_int_equal(page.reply.status, 201);
    done(&page);
    server_finish(&server);
    server_free(&server);
    http_client_free(page.client);
}

enum { THREADS = 12, ROUNDS = 10 };

struct worker {
    struct http_client *client;
    struct tcp_server server;
    pthread_t thread;
    int good;
};

static void *work(void *context) {
    struct worker *worker = context;
    for (int i = 0; i < ROUNDS; i++) {
        struct get page = {.client = worker->client};
        get(&page, worker->server.port, "/metrics");
        worker->good += !page.error && page.reply.body.length == 4;
        done(&page);
    }
    return NULL;
}

/* More threads than handles are kept, each with its own server. */
static void threads_share_a_client(void **state) {
    (void)state;
    struct step steps[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++)
        steps[i] = (struct step){.reply = OK, .after = i % 3 == 2 ? CLOSE : KEEP};
    struct http_client *client = make_client();
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.client = client};
        server_start(&workers[i].server, steps, ROUNDS);
    }
    for (int i = 0; i < THREADS; i++)
        assert_null(thread_start(&workers[i].thread, "worker", work, &workers[i]));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        server_finish(&workers[i].server);
        assert_int_equal(workers[i].good, ROUNDS);
        server_free(&workers[i].server);
    }
    http_client_free(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_within_the_origin),
        cmocka_unit_test(follows_nowhere_else),
        cmocka_unit_test(follows_once),
        cmocka_unit_test(a_redirect_to_nowhere_is_an_answer),
        cmocka_unit_test(threads_share_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
