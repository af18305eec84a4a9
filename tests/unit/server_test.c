#include "server/server.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "server/reply.h"

#include "client.h"

#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#define HOST "Host: test\r\n"

enum { BIG = 3000000 };

static sem_t entered, released;
static atomic_int stays; /* requests in the handler of /stay */
static char *big;
static struct server *abandoned;

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

static void get_stay(struct request *request, void *context) {
    (void)context;
    stays++;
    sem_post(&entered);
    sem_wait(&released);
    stays--;
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

static void get_nothing(struct request *request, void *context) {
    (void)request, (void)context;
}

static void get_empty(struct request *request, void *context) {
    (void)context;
    reply_send(request, 204, NULL, NULL, NULL, 0);
}

static void post_json(struct request *request, void *context) {
    (void)context;
    if (request_require_type(request, "application/json"))
        reply_error(request, 200, "gzip: %d", request_accepts_gzip(request));
}

static const struct route routes[] = {
    {.method = "GET", .path = "/health", .handler = get_health, .context = "\"healthy\"}"},
    {.method = "GET", .path = "/big", .handler = get_big},
    {.method = "GET", .path = "/stay", .handler = get_stay},
    {.method = "POST", .path = "/echo", .body_limit = 100000, .handler = post_echo},
    {.method = "GET", .path = "/jobs/{id}/parts/{part}", .handler = get_job},
    {.method = "GET", .path = "/nothing", .handler = get_nothing},
    {.method = "GET", .path = "/empty", .handler = get_empty},
    {.method = "POST", .path = "/json", .body_limit = 1000, .handler = post_json},
};

static const char *const loopback[] = {"127.0.0.1"};

static struct server *start(const struct server_config *wanted) {
    struct server_config config = *wanted;
    config.routes = routes;
    config.route_count = sizeof routes / sizeof routes[0];
    if (!config.hosts) {
        config.hosts = loopback;
        config.host_count = 1;
    }
    struct server *server = NULL;
    struct error *error = server_start(&config, &server);
    if (error)
        fail_msg("%s", error->message);
    return server;
}

static int set_up(void **state) {
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    big = memory_alloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i % 26);
    *state = start(&(struct server_config){0});
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

static void test_unknown_path_and_method(void **state) {
    int port = server_port(*state, 0);
    struct answer answer;
    client_ask(port, "GET /healt HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 404);
    assert_string_equal(answer.body, "{\"detail\":\"Not Found: no route /healt\"}");
    client_ask(port, "GET /health/ HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 404);
    client_ask(port, "DELETE /health HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 405);
    assert_string_equal(client_header(&answer, "Allow"), "GET, HEAD");
    assert_string_equal(answer.body,
                        "{\"detail\":\"/health does not take DELETE; it takes GET, HEAD\"}");
    client_ask(port, "OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 405);
    assert_string_equal(client_header(&answer, "Allow"), "POST");
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

static void test_silent_handler(void **state) {
    struct answer answer;
    client_ask(server_port(*state, 0), "GET /nothing HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 500);
    assert_non_null(strstr(answer.body, "\"detail\""));
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
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = client_connect(server_port(*state, 0));
        struct answer answer;
        client_send(fd, cases[i].request);
        /* All is sent before the answer is read, as simple clients do. */
        for (int sent = 0; sent < 3000000; sent += 65536) {
            if (cases[i].chunked)
                client_send(fd, "10000\r\n");
            client_send_bytes(fd, big, 65536);
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

static void test_accept_of_others(void **state) {
    (void)state;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &length);
    int client = client_connect(ntohs(address.sin_port));
    struct sockaddr_in peer;
    length = sizeof peer;
    int server = accept(listener, (struct sockaddr *)&peer, &length);
    assert_true(server >= 0);
    struct sockaddr_in own;
    getsockname(client, (struct sockaddr *)&own, &length);
    assert_int_equal(peer.sin_port, own.sin_port);
    close(server);
    close(client);
    close(listener);
    errno = 0;
    assert_int_equal(accept(-1, NULL, NULL), -1);
    assert_int_equal(errno, EBADF);
}

static void *drain(void *server) {
    server_drain(server, 10000);
    return NULL;
}

static void test_drain(void **state) {
    (void)state;
    struct server *server = start(&(struct server_config){0});
    int port = server_port(server, 0);
    struct answer answer;
    int idle = client_connect(port), busy = client_connect(port);
    client_send(idle, "GET /health HTTP/1.1\r\n" HOST "\r\n");
    client_read(idle, true, &answer);
    client_send(busy, "GET /stay HTTP/1.1\r\n" HOST "\r\n");
    sem_wait(&entered);
    assert_int_equal(server_drain(server, 0), 1);
    pthread_t thread;
    assert_null(thread_start(&thread, "drain", drain, server));
    assert_true(server_draining(server));
    assert_true(client_sees_end(idle));
    client_ask(port, "GET /health HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(client_header(&answer, "Connection"), "close");
    sem_post(&released);
    pthread_join(thread, NULL);
    assert_int_equal(stays, 0);
    client_read(busy, true, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(client_header(&answer, "Connection"), "close");
    assert_true(server_stop(server, 10000));
    close(idle);
    close(busy);
}

static void test_stop_with_stuck_handler(void **state) {
    (void)state;
    abandoned = start(&(struct server_config){0});
    int fd = client_connect(server_port(abandoned, 0));
    client_send(fd, "GET /stay HTTP/1.1\r\n" HOST "\r\n");
    sem_wait(&entered);
    assert_false(server_stop(abandoned, 100));
    /* A process would exit now; here the handler returns after all, and stopping goes on. */
    sem_post(&released);
    assert_true(client_sees_end(fd));
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_unknown_path_and_method),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_large_reply),
        cmocka_unit_test(test_no_content),
        cmocka_unit_test(test_silent_handler),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_body_cut_short),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_media_type),
        cmocka_unit_test(test_gzip_preference),
        cmocka_unit_test(test_gone_client),
        cmocka_unit_test(test_accept_of_others),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_stop_with_stuck_handler),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
