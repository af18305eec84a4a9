#include "server/server.h"

#include "base/thread.h"
#include "server/reply.h"

#include "client.h"

#include <semaphore.h>
#include <stdatomic.h>

#define HOST "Host: test\r\n"

static sem_t entered, released;
static atomic_int stays; /* requests in the handler of /stay */
static struct server *abandoned;

static void get_health(struct request *request, void *context) {
    (void)context;
    reply_error(request, 200, "healthy");
}

static void get_stay(struct request *request, void *context) {
    (void)context;
    stays++;
    sem_post(&entered);
    sem_wait(&released);
    stays--;
    reply_error(request, 200, "stayed");
}

static void get_nothing(struct request *request, void *context) {
    (void)request, (void)context;
}

static const struct route routes[] = {
    {.method = "GET", .path = "/health", .handler = get_health},
    {.method = "POST", .path = "/echo", .handler = get_health},
    {.method = "GET", .path = "/stay", .slow = true, .handler = get_stay},
    {.method = "GET", .path = "/hold", .held = true, .handler = get_stay},
    {.method = "GET", .path = "/nothing", .handler = get_nothing},
};

static struct server *start(int workers) {
    static const char *const hosts[] = {"127.0.0.1"};
    struct server_config config = {.hosts = hosts,
                                   .host_count = 1,
                                   .routes = routes,
                                   .route_count = sizeof routes / sizeof routes[0],
                                   .worker_count = workers};
    struct server *server = NULL;
    struct error *error = server_start(&config, &server);
    if (error)
        fail_msg("%s", error->message);
    return server;
}

static int set_up(void **state) {
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    *state = start(0);
    return 0;
}

static int tear_down(void **state) {
    return server_stop(*state, 10000) ? 0 : -1;
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

static void test_silent_handler(void **state) {
    struct answer answer;
    client_ask(server_port(*state, 0), "GET /nothing HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 500);
    assert_non_null(strstr(answer.body, "\"detail\""));
}

static void test_slow_routes_leave_workers(void **state) {
    (void)state;
    enum { WORKERS = 4, SLOW = 3 };
    struct server *server = start(WORKERS);
    int port = server_port(server, 0), busy[SLOW];
    struct answer answer;
    for (int i = 0; i < SLOW; i++) {
        busy[i] = client_connect(port);
        client_send(busy[i], "GET /stay HTTP/1.1\r\n" HOST "\r\n");
        sem_wait(&entered);
    }
    client_ask(port, "GET /stay HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 503);
    assert_string_equal(client_header(&answer, "Retry-After"), "1");
    client_ask(port, "GET /health HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 200);
    for (int i = 0; i < SLOW; i++)
        sem_post(&released); /* one for each, whoever takes it */
    for (int i = 0; i < SLOW; i++) {
        client_read(busy[i], true, &answer);
        assert_int_equal(answer.status, 200);
        close(busy[i]);
    }
    assert_true(server_stop(server, 10000));
}

/* And those that are held leave some for those that are only slow. */
static void test_held_routes_leave_slow_ones(void **state) {
    (void)state;
    enum { WORKERS = 4, HELD = 2 };
    struct server *server = start(WORKERS);
    int port = server_port(server, 0), busy[HELD + 1];
    struct answer answer;
    for (int i = 0; i <= HELD; i++) {
        busy[i] = client_connect(port);
        client_send(busy[i], i < HELD ? "GET /hold HTTP/1.1\r\n" HOST "\r\n"
                                      : "GET /stay HTTP/1.1\r\n" HOST "\r\n");
        sem_wait(&entered);
        if (i == HELD - 1) {
            client_ask(port, "GET /hold HTTP/1.1\r\n" HOST "\r\n", &answer);
            assert_int_equal(answer.status, 503);
        }
    }
    client_ask(port, "GET /stay HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 503);
    client_ask(port, "GET /health HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 200);
    for (int i = 0; i <= HELD; i++)
        sem_post(&released);
    for (int i = 0; i <= HELD; i++) {
        client_read(busy[i], true, &answer);
        assert_int_equal(answer.status, 200);
        close(busy[i]);
    }
    assert_true(server_stop(server, 10000));
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
    struct server *server = start(0);
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
    abandoned = start(0);
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
        cmocka_unit_test(test_unknown_path_and_method),
        cmocka_unit_test(test_silent_handler),
        cmocka_unit_test(test_slow_routes_leave_workers),
        cmocka_unit_test(test_held_routes_leave_slow_ones),
        cmocka_unit_test(test_accept_of_others),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_stop_with_stuck_handler),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
