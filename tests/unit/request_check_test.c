/* Requests that must be refused, and their neighbours that must not, as bytes on the wire. */
#include "server/request_check.h"

#include "base/buffer.h"
#include "server/reply.h"
#include "server/server.h"

#include "client.h"

#include <stdatomic.h>

#define HOST "Host: test\r\n"

static atomic_int secrets; /* times that /secret was run */

static void get_path(struct request *request, void *context) {
    (void)context;
    reply_error(request, 200, "%s", request->path);
}

static void get_secret(struct request *request, void *context) {
    secrets++;
    get_path(request, context);
}

static void post_body(struct request *request, void *context) {
    (void)context;
    struct buffer body = {0};
    if (request_body(request, &body))
        reply_error(request, 200, "%zu bytes", body.length);
    buffer_free(&body);
}

static const struct route routes[] = {
    {.method = "GET", .path = "/health", .handler = get_path},
    {.method = "GET", .path = "/a b/c", .handler = get_path},
    {.method = "GET", .path = "/secret", .handler = get_secret},
    {.method = "POST", .path = "/body", .body_limit = 1000, .handler = post_body},
};

static int set_up(void **state) {
    static const char *const hosts[] = {"127.0.0.1"};
    struct server_config config = {.hosts = hosts,
                                   .host_count = 1,
                                   .routes = routes,
                                   .route_count = sizeof routes / sizeof routes[0],
                                   .worker_count = 1};
    struct error *error = server_start(&config, (struct server **)state);
    return error ? -1 : 0;
}

static int tear_down(void **state) {
    return server_stop(*state, 10000) ? 0 : -1;
}

struct sample {
    const char *bytes;
    int status;
};

static const struct sample accepted[] = {
    {"GET /health HTTP/1.1\r\n" HOST "\r\n", 200},
    {"\r\nGET /health HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET /health HTTP/1.0\r\n\r\n", 200},
    {"GET /health?a=%00 HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET /a%20b/c HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET /%68ealt%68 HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET /health HTTP/1.1\r\n" HOST "Empty:\r\n\r\n", 200},
    {"GET /health HTTP/1.1\r\nEmpty:\r\n" HOST "X-Y: \xc3\xa4 b  \r\n\r\n", 200},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200},
    {"POST /body HTTP/1.1\r\n" HOST "transfer-encoding: Chunked\r\n\r\n0\r\n\r\n", 200},
    {"GET /../health HTTP/1.1\r\n" HOST "\r\n", 404},
    {"GET //health HTTP/1.1\r\n" HOST "\r\n", 404},
    {"GET /health%2fx HTTP/1.1\r\n" HOST "\r\n", 404},
};

static const struct sample refused[] = {
    /* The path. */
    {"GET /health%00 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /health%0d%0a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /health%7f HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /health%g0 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /health% HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://other.example/health HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET health HTTP/1.1\r\n" HOST "\r\n", 400},
    /* The request line. */
    {"GET /health\r\n\r\n", 400},
    {"GET  /health HTTP/1.1 x\r\n" HOST "\r\n", 400},
    {"GET /health HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET /health FTP/1.1\r\n" HOST "\r\n", 400},
    {"TRACE /health HTTP/1.1\r\n" HOST "\r\n", 501},
    {"get /health HTTP/1.1\r\n" HOST "\r\n", 501},
    {"nonsense\r\n\r\n", 400},
    {"\r\n\r\nGET /health HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /health HTTP/1.0\n\n", 400},
    /* Header lines. */
    {"GET /health HTTP/1.1\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST HOST "\r\n", 400},
    {"GET /health HTTP/1.1\n" HOST "\r\n", 400},
    {"GET /health HTTP/1.1\r\nHost: test\nX: y\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n " HOST "\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST "X: y\r\n folded\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST "X :\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST "X(: y\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST "X\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST "\xc3\xa4: y\r\nContent-Length: 5\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", 400},
    {"GET /health HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400},
    /* The body. */
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\n\r\n",
     400},
    {"POST /body HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
     400},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 3\r\ncontent-length: 4\r\n\r\nabc", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\nabc", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\nabc", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 3x\r\n\r\nabc", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\nabc", 413},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\nabc", 413},
    {"POST /body HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
     "\r\n0\r\n\r\n",
     400},
    {"POST /body HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "ffffffffffffffffffff\r\nabc",
     400},
    {"POST /body HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc", 400},
    {"POST /body HTTP/1.1\r\n" HOST "Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", 417},
};

static void test_accepted(void **state) {
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        int fd = client_connect(server_port(*state, 0));
        struct answer answer;
        client_send(fd, accepted[i].bytes);
        client_read(fd, true, &answer);
        if (answer.status != accepted[i].status)
            fail_msg("%d %s for %s", answer.status, answer.body, accepted[i].bytes);
        close(fd);
    }
}

static void test_refused(void **state) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        int fd = client_connect(server_port(*state, 0));
        struct answer answer;
        client_send(fd, refused[i].bytes);
        client_send(fd, "GET /secret HTTP/1.1\r\n" HOST "\r\n");
        client_read(fd, true, &answer);
        if (answer.status != refused[i].status)
            fail_msg("%d %s for %s", answer.status, answer.body, refused[i].bytes);
        assert_string_equal(client_header(&answer, "Content-Type"), "application/json");
        assert_string_equal(client_header(&answer, "Connection"), "close");
        assert_memory_equal(answer.body, "{\"detail\":\"", 11);
        /* What follows is not taken for a request. */
        assert_true(client_sees_end(fd));
        close(fd);
    }
    assert_int_equal(secrets, 0);
}

static void send_headers(int fd, int count) {
    client_send(fd, "GET /health HTTP/1.1\r\n" HOST);
    for (int i = 1; i < count; i++) {
        char line[32];
        snprintf(line, sizeof line, "X-%d: %d\r\n", i, i);
        client_send(fd, line);
    }
    client_send(fd, "\r\n");
}

static void test_header_count(void **state) {
    static const struct {
        int count, status;
    } cases[] = {{63, 200}, {64, 431}, {65, 431}, {70, 431}, {200, 431}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = client_connect(server_port(*state, 0));
        struct answer answer;
        send_headers(fd, cases[i].count);
        client_read(fd, true, &answer);
        assert_int_equal(answer.status, cases[i].status);
        close(fd);
    }
}

static void test_nul_in_head(void **state) {
    static const char bytes[] = "GET /health\0 HTTP/1.1\r\n" HOST "\r\n";
    int fd = client_connect(server_port(*state, 0));
    struct answer answer;
    client_send_bytes(fd, bytes, sizeof bytes - 1);
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 400);
    close(fd);
}

static void test_long_path(void **state) {
    char text[4096];
    snprintf(text, sizeof text, "GET /%03000d HTTP/1.1\r\n" HOST "\r\n", 0);
    struct answer answer;
    client_ask(server_port(*state, 0), text, &answer);
    assert_int_equal(answer.status, 414);
}

/* civetweb's worker keeps the bytes of the connection it had before. Blank lines and spaces that
 * reach just as far as a request of that connection must not run it again. */
static void test_leftover_of_another_client(void **state) {
    static const char first[] = "GET /health HTTP/1.1\r\n" HOST "X: 12345678901234567890\r\n\r\n";
    static const char second[] = "GET /secret HTTP/1.1\r\n" HOST "\r\n";
    int port = server_port(*state, 0);
    struct answer answer;
    int victim = client_connect(port);
    char both[sizeof first + sizeof second];
    snprintf(both, sizeof both, "%s%s", first, second);
    client_send(victim, both);
    client_read(victim, true, &answer);
    client_read(victim, true, &answer);
    assert_string_equal(answer.body, "{\"detail\":\"/secret\"}");
    close(victim);
    int before = secrets;
    char blank[sizeof first];
    memset(blank, ' ', sizeof blank);
    memcpy(blank, "\r\n\r\n", 4);
    int thief = client_connect(port);
    client_send_bytes(thief, blank, sizeof first - 1);
    client_read(thief, true, &answer);
    assert_int_equal(answer.status, 400);
    assert_int_equal(secrets, before);
    close(thief);
}

static void test_tokens(void **state) {
    (void)state;
    assert_true(request_has_token("close", "close"));
    assert_true(request_has_token("a, Close ,b", "close"));
    assert_true(request_has_token(",,close", "close"));
    assert_false(request_has_token("closed", "close"));
    assert_false(request_has_token("clos", "close"));
    assert_false(request_has_token("", "close"));
    assert_false(request_has_token(" , ", "close"));
    assert_false(request_has_token(NULL, "close"));
}

static void test_decode_path(void **state) {
    (void)state;
    char out[8];
    assert_int_equal(request_decode_path("/%41b", out, sizeof out).status, 0);
    assert_string_equal(out, "/Ab");
    assert_int_equal(request_decode_path("/234567", out, sizeof out).status, 0);
    assert_int_equal(request_decode_path("/2345678", out, sizeof out).status, 414);
    assert_int_equal(request_decode_path("/%", out, sizeof out).status, 400);
    assert_int_equal(request_decode_path("/%4", out, sizeof out).status, 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_header_count), cmocka_unit_test(test_nul_in_head),
        cmocka_unit_test(test_long_path),    cmocka_unit_test(test_leftover_of_another_client),
        cmocka_unit_test(test_tokens),       cmocka_unit_test(test_decode_path),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
