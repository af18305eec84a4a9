#include "server/reply.h"

#include "base/memory.h"
#include "server/server.h"

#include "client.h"

#include <time.h>

#define HOST "Host: test\r\n"

enum { BIG = 3000000 };

static char *big;

static void get_health(struct request *request, void *context) {
    (void)request;
    struct span spans[] = {{"{\"status\":", 10}, {NULL, 0}, {context, strlen(context)}};
    reply_send(request, 200, "application/json", "X-Extra: yes\r\n", spans, 3);
}

static void get_big(struct request *request, void *context) {
    (void)context;
    struct span spans[] = {{"first\n", 6}, {big, BIG}, {"last\n", 5}};
    reply_send(request, 200, "text/plain", NULL, spans, 3);
}

static void post_echo(struct request *request, void *context) {
    (void)context;
    struct buffer body = {0};
    if (request_body(request, &body)) {
        struct span span = {body.data, body.length};
        reply_send(request, 200, "text/plain", NULL, &span, 1);
    }
    buffer_free(&body);
}

static void get_empty(struct request *request, void *context) {
    (void)context;
    reply_send(request, 204, NULL, NULL, NULL, 0);
}

static const struct route routes[] = {
    {.method = "GET", .path = "/health", .handler = get_health, .context = "\"healthy\"}"},
    {.method = "GET", .path = "/big", .handler = get_big},
    {.method = "POST", .path = "/echo", .body_limit = 100000, .handler = post_echo},
    {.method = "GET", .path = "/empty", .handler = get_empty},
};

static int set_up(void **state) {
    big = memory_alloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i % 26);
    static const char *const hosts[] = {"127.0.0.1"};
    struct server_config config = {.hosts = hosts,
                                   .host_count = 1,
                                   .routes = routes,
                                   .route_count = sizeof routes / sizeof routes[0]};
    struct error *error = server_start(&config, (struct server **)state);
    if (error)
        fail_msg("%s", error->message);
    return 0;
}

static int tear_down(void **state) {
    memory_free(big);
    return server_stop(*state, 10000) ? 0 : -1;
}

static void test_reply(void **state) {
    struct answer answer;
    int port = server_port(*state, 0);
    client_ask(port, "GET /health HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"status\":\"healthy\"}");
    assert_string_equal(client_header(&answer, "Content-Type"), "application/json");
    assert_string_equal(client_header(&answer, "Connection"), "keep-alive");
    assert_string_equal(client_header(&answer, "X-Extra"), "yes");
    struct tm date;
    const char *rest = strptime(client_header(&answer, "Date"), "%a, %d %b %Y %H:%M:%S GMT", &date);
    assert_non_null(rest);
    assert_string_equal(rest, "");
}

static void test_head(void **state) {
    int fd = client_connect(server_port(*state, 0));
    struct answer head, get;
    client_send(fd, "HEAD /health HTTP/1.1\r\n" HOST "\r\n");
    client_read(fd, false, &head);
    client_send(fd, "GET /health HTTP/1.1\r\n" HOST "\r\n");
    client_read(fd, true, &get);
    assert_int_equal(head.status, 200);
    assert_string_equal(client_header(&head, "Content-Length"), "20");
    assert_int_equal(get.status, 200);
    assert_int_equal(get.length, 20);
    close(fd);
}

static void test_large_reply(void **state) {
    struct answer answer;
    int fd = client_connect(server_port(*state, 0));
    client_send(fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    client_read(fd, true, &answer);
    assert_int_equal(answer.length, 6 + BIG + 5);
    assert_memory_equal(answer.body, "first\nabcdefgh", 14);
    /* Across the part that went out with the head. */
    assert_memory_equal(answer.body + 6, big, sizeof answer.body - 7);
    client_send(fd, "GET /health HTTP/1.1\r\n" HOST "\r\n");
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
}

static void test_no_content(void **state) {
    int fd = client_connect(server_port(*state, 0));
    struct answer answer;
    client_send(fd, "GET /empty HTTP/1.1\r\n" HOST "\r\n");
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 204);
    assert_null(client_header(&answer, "Content-Length"));
    client_send(fd, "GET /health HTTP/1.1\r\n" HOST "\r\n");
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
}

static void test_keep_alive(void **state) {
    static const struct {
        const char *request;
        bool kept;
    } cases[] = {
        {"GET /health HTTP/1.1\r\n" HOST "\r\n", true},
        {"GET /health HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
        {"GET /health HTTP/1.1\r\n" HOST "Connection: Keep-Alive\r\n\r\n", true},
        {"GET /health HTTP/1.1\r\n" HOST "Connection: keep-alive, close\r\n\r\n", false},
        {"GET /health HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\n"
         "Upgrade: websocket\r\n\r\n",
         false},
        {"GET /health HTTP/1.0\r\n\r\n", false},
        {"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET /nowhere HTTP/1.1\r\n" HOST "\r\n", true},
        {"POST /health HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = client_connect(server_port(*state, 0));
        struct answer answer;
        client_send(fd, cases[i].request);
        client_read(fd, true, &answer);
        const char *wanted = cases[i].kept ? "keep-alive" : "close";
        if (strcmp(client_header(&answer, "Connection"), wanted))
            fail_msg("not '%s' after %s", wanted, cases[i].request);
        if (cases[i].kept) {
            client_send(fd, "GET /health HTTP/1.1\r\n" HOST "\r\n");
            client_read(fd, true, &answer);
            assert_int_equal(answer.status, 200);
        } else {
            assert_true(client_sees_end(fd));
        }
        close(fd);
    }
}

static void test_pipelined(void **state) {
    int fd = client_connect(server_port(*state, 0));
    client_send(fd, "GET /health HTTP/1.1\r\n" HOST "\r\n"
                    "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nfirst"
                    "GET /nowhere HTTP/1.1\r\n" HOST "\r\n"
                    "HEAD /health HTTP/1.1\r\n" HOST "\r\n"
                    "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nsecond");
    static const struct {
        int status;
        const char *body;
    } wanted[] = {{200, "{\"status\":\"healthy\"}"},
                  {200, "first"},
                  {404, "{\"detail\":\"Not Found: no route /nowhere\"}"},
                  {200, ""},
                  {200, "second"}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        struct answer answer;
        client_read(fd, *wanted[i].body != '\0', &answer);
        assert_int_equal(answer.status, wanted[i].status);
        assert_string_equal(answer.body, wanted[i].body);
    }
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply),       cmocka_unit_test(test_head),
        cmocka_unit_test(test_large_reply), cmocka_unit_test(test_no_content),
        cmocka_unit_test(test_keep_alive),  cmocka_unit_test(test_pipelined),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
