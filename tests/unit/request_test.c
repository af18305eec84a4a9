#include "server/request.h"

#include "server/reply.h"
#include "server/server.h"

#include "client.h"

#include <poll.h>
#include <semaphore.h>

#define HOST "Host: test\r\n"

static sem_t entered, released;

static void get_health(struct request *request, void *context) {
    (void)context;
    reply_error(request, 200, "healthy");
}

static void get_stay(struct request *request, void *context) {
    (void)context;
    sem_post(&entered);
    sem_wait(&released);
    reply_error(request, 200, "gone: %d", request_gone(request));
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

static void get_job(struct request *request, void *context) {
    (void)context;
    reply_error(request, 200, "%s %s %s %s", request_parameter(request, "id"),
                request_parameter(request, "part"),
                request_parameter(request, "other") ? "?" : "none", request->query);
}

static void post_json(struct request *request, void *context) {
    (void)context;
    if (request_require_type(request, "application/json"))
        reply_error(request, 200, "gzip: %d", request_accepts_gzip(request));
}

static const struct route routes[] = {
    {.method = "GET", .path = "/health", .handler = get_health},
    {.method = "GET", .path = "/stay", .handler = get_stay},
    {.method = "POST", .path = "/echo", .body_limit = 100000, .handler = post_echo},
    {.method = "GET", .path = "/jobs/{id}/parts/{part}", .handler = get_job},
    {.method = "POST", .path = "/json", .body_limit = 1000, .handler = post_json},
};

static int set_up(void **state) {
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
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
    return server_stop(*state, 10000) ? 0 : -1;
}

static void test_parameters(void **state) {
    struct answer answer;
    client_ask(server_port(*state, 0),
               "GET /jobs/a%20b/parts/%C3%A4?x=%20 HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"detail\":\"a b \xc3\xa4 none x=%20\"}");
    client_ask(server_port(*state, 0), "GET /jobs//parts/1 HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 404);
}

static void test_body(void **state) {
    int port = server_port(*state, 0);
    struct answer answer;
    client_ask(port,
               "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
               "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "hello, world");
    client_ask(port, "POST /echo HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.length, 0);
    client_ask(port, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 400);
}

static void test_body_cut_short(void **state) {
    int fd = client_connect(server_port(*state, 0));
    struct answer answer;
    client_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc");
    shutdown(fd, SHUT_WR);
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 408);
    close(fd);
}

static void test_expect(void **state) {
    int fd = client_connect(server_port(*state, 0));
    struct answer answer;
    client_send(fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                    "Content-Length: 4\r\n\r\n");
    client_read(fd, false, &answer);
    assert_int_equal(answer.status, 100);
    client_send(fd, "body");
    client_read(fd, true, &answer);
    assert_string_equal(answer.body, "body");
    /* A route that does not want the body says so at once, and closes. */
    client_send(fd, "POST /health HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                    "Content-Length: 4\r\n\r\n");
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 405);
    assert_string_equal(client_header(&answer, "Connection"), "close");
    close(fd);
}

static void test_large_bodies(void **state) {
    static const struct {
        const char *request;
        bool chunked;
    } cases[] = {
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 8000000\r\n\r\n", false},
        {"GET /health HTTP/1.1\r\n" HOST "Content-Length: 8000000\r\n\r\n", false},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", true},
    };
    static const char part[65536];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = client_connect(server_port(*state, 0));
        struct answer answer;
        client_send(fd, cases[i].request);
        /* All is sent before the answer is read, as simple clients do. */
        for (int sent = 0; sent < 3000000; sent += 65536) {
            if (cases[i].chunked)
                client_send(fd, "10000\r\n");
            client_send_bytes(fd, part, sizeof part);
            if (cases[i].chunked)
                client_send(fd, "\r\n");
        }
        client_read(fd, true, &answer);
        assert_int_equal(answer.status, 413);
        assert_string_equal(client_header(&answer, "Connection"), "close");
        close(fd);
    }
}

static void test_media_type(void **state) {
    static const struct {
        const char *headers;
        int status;
        const char *part;
    } cases[] = {
        {"Content-Type: application/json\r\n", 200, "gzip: 0"},
        {"Content-Type: application/json; charset=utf-8\r\n", 200, "gzip: 0"},
        {"Content-Type: Application/JSON\r\nAccept-Encoding: gzip\r\n", 200, "gzip: 1"},
        {"Content-Type: application/jsonx\r\n", 415, "application/jsonx"},
        {"", 415, "application/json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "POST /json HTTP/1.1\r\n" HOST "%sContent-Length: 2\r\n\r\n{}",
                 cases[i].headers);
        struct answer answer;
        client_ask(server_port(*state, 0), text, &answer);
        assert_int_equal(answer.status, cases[i].status);
        assert_non_null(strstr(answer.body, cases[i].part));
    }
}

static void test_gzip_preference(void **state) {
    static const struct {
        const char *accept;
        int gzip;
    } cases[] = {
        {"gzip", 1},
        {"GZIP, deflate", 1},
        {"deflate, gzip;q=0.5", 1},
        {"gzip;q=0", 0},
        {"gzip; q=0.000", 0},
        {"*", 1},
        {"*;q=0", 0},
        {"identity", 0},
        {"identity;q=0.5, gzip;q=0.8", 1},
        {"identity, gzip;q=0.8", 0},
        {"gzip;q=0, *", 0},
        {"deflate", 0},
        {"", 0},
        {"x-gzip", 1},
        {"gzipped", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512], wanted[64];
        snprintf(text, sizeof text,
                 "POST /json HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                 "Accept-Encoding: %s\r\nContent-Length: 2\r\n\r\n{}",
                 cases[i].accept);
        snprintf(wanted, sizeof wanted, "{\"detail\":\"gzip: %d\"}", cases[i].gzip);
        struct answer answer;
        client_ask(server_port(*state, 0), text, &answer);
        if (strcmp(answer.body, wanted))
            fail_msg("'%s': %s", cases[i].accept, answer.body);
    }
}

static void test_gone_client(void **state) {
    int fd = client_connect(server_port(*state, 0));
    struct answer answer;
    client_send(fd, "GET /stay HTTP/1.1\r\n" HOST "\r\n");
    sem_wait(&entered);
    shutdown(fd, SHUT_WR);
    struct pollfd none = {.fd = -1};
    poll(&none, 1, 50); /* for the end to arrive */
    sem_post(&released);
    client_read(fd, true, &answer);
    assert_string_equal(answer.body, "{\"detail\":\"gone: 1\"}");
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),      cmocka_unit_test(test_body),
        cmocka_unit_test(test_body_cut_short),  cmocka_unit_test(test_expect),
        cmocka_unit_test(test_large_bodies),    cmocka_unit_test(test_media_type),
        cmocka_unit_test(test_gzip_preference), cmocka_unit_test(test_gone_client),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
