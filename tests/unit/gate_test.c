/* How the server behaves towards connections that are silent, slow, idle or too many. */
#include "server/server.h"

#include "base/memory.h"
#include "server/head.h"
#include "server/reply.h"

#include "client.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define HEALTH "GET /health HTTP/1.1\r\nHost: test\r\n\r\n"

static sem_t entered, released;

static void get_health(struct request *request, void *context) {
    (void)context;
    reply_error(request, 200, "healthy");
}

static void get_stay(struct request *request, void *context) {
    (void)context;
    sem_post(&entered);
    sem_wait(&released);
    reply_error(request, 200, "stayed");
}

static void get_big(struct request *request, void *context) {
    (void)context;
    static char page[16 << 20]; /* more than a socket buffers */
    struct span span = {page, sizeof page};
    reply_send(request, 200, "text/plain", NULL, &span, 1);
}

static const struct route routes[] = {
    {.method = "GET", .path = "/big", .handler = get_big},
    {.method = "GET", .path = "/health", .handler = get_health},
    {.method = "GET", .path = "/stay", .handler = get_stay},
};

static struct server *start(int workers, int head_ms, size_t pending_max) {
    static const char *const hosts[] = {"127.0.0.1"};
    struct server_config config = {.hosts = hosts,
                                   .host_count = 1,
                                   .routes = routes,
                                   .route_count = sizeof routes / sizeof routes[0],
                                   .worker_count = workers,
                                   .head_ms = head_ms,
                                   .pending_max = pending_max};
    struct server *server = NULL;
    struct error *error = server_start(&config, &server);
    if (error)
        fail_msg("%s", error->message);
    return server;
}

static void stop(struct server *server) {
    assert_true(server_stop(server, 10000));
}

static void assert_healthy(int port) {
    struct answer answer;
    client_ask(port, HEALTH, &answer);
    assert_int_equal(answer.status, 200);
}

static void test_head_scan(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        enum head_state wanted;
    } cases[] = {
        {"", HEAD_PARTIAL},
        {"GET / HTTP/1.1\r\n", HEAD_PARTIAL},
        {"GET / HTTP/1.1\r\nA: b\r\n\r", HEAD_PARTIAL},
        {"GET / HTTP/1.1\r\nA: b\r\n\r\n", HEAD_COMPLETE},
        {"GET / HTTP/1.1\r\nA: b\r\n\r\nbody", HEAD_COMPLETE},
        {"GET / HTTP/1.0\n\n", HEAD_COMPLETE},
        {"GET / HTTP/1.1\r\nA: b\n\r\n", HEAD_PARTIAL},
        {"\x16\x03\x01", HEAD_BROKEN},
        {"GET / HTTP/1.1\r\nA: \x01", HEAD_BROKEN},
        {"GET / HTTP/1.1\r\nA: \xc3\xa4", HEAD_PARTIAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t length = strlen(cases[i].bytes);
        assert_int_equal(head_scan(cases[i].bytes, length, 0), cases[i].wanted);
        /* Arriving byte by byte it comes to the same. */
        enum head_state now = HEAD_PARTIAL;
        for (size_t n = 0; n <= length && now == HEAD_PARTIAL; n++)
            now = head_scan(cases[i].bytes, n, n ? n - 1 : 0);
        assert_int_equal(now, cases[i].wanted);
    }
    assert_int_equal(head_scan("\0", 1, 0), HEAD_BROKEN);
}

static void test_head_scan_tls(void **state) {
    (void)state;
    static const char hello[] = {22, 3, 1, 0, 4, 'a', 'b', 'c', 'd'};
    for (size_t n = 0; n < sizeof hello; n++)
        assert_int_equal(head_scan_tls(hello, n), HEAD_PARTIAL);
    assert_int_equal(head_scan_tls(hello, sizeof hello), HEAD_COMPLETE);
    assert_int_equal(head_scan_tls("G", 1), HEAD_BROKEN);
}

static void test_silent_connections(void **state) {
    (void)state;
    enum { COUNT = 600 };
    struct server *server = start(4, 0, 0);
    int port = server_port(server, 0);
    int silent[COUNT];
    for (int i = 0; i < COUNT; i++) {
        silent[i] = client_connect(port);
        if (i % 3 == 1)
            client_send(silent[i], "GET /health HT");
        if (i % 3 == 2)
            client_send(silent[i], "GET /health HTTP/1.1\r\nHost: test\r\n");
        if (i % 100 == 0)
            assert_healthy(port);
    }
    assert_healthy(port);
    /* The slow ones are served when they come to the end. */
    for (int i = 2; i < COUNT; i += 99) {
        struct answer answer;
        client_send(silent[i], "\r\n");
        client_read(silent[i], true, &answer);
        assert_int_equal(answer.status, 200);
    }
    for (int i = 0; i < COUNT; i++)
        close(silent[i]);
    assert_healthy(port);
    stop(server);
}

static void test_head_byte_by_byte(void **state) {
    (void)state;
    struct server *server = start(1, 0, 0);
    int fd = client_connect(server_port(server, 0));
    for (const char *byte = HEALTH; *byte; byte++) {
        client_send_bytes(fd, byte, 1);
        struct pollfd none = {.fd = -1};
        poll(&none, 1, 1);
    }
    struct answer answer;
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    stop(server);
}

static void test_head_timeout(void **state) {
    (void)state;
    struct server *server = start(1, 50, 0);
    int silent = client_connect(server_port(server, 0));
    int half = client_connect(server_port(server, 0));
    client_send(half, "GET /health HTTP/1.1\r\n");
    struct answer answer;
    client_read(half, true, &answer);
    assert_int_equal(answer.status, 408);
    assert_non_null(strstr(answer.body, "{\"detail\":"));
    assert_true(client_sees_end(silent));
    close(silent);
    close(half);
    stop(server);
}

static void test_pending_limit(void **state) {
    (void)state;
    enum { COUNT = 30, LIMIT = 10 };
    struct server *server = start(1, 0, LIMIT);
    int port = server_port(server, 0);
    int silent[COUNT];
    for (int i = 0; i < COUNT; i++)
        silent[i] = client_connect(port);
    assert_healthy(port); /* takes one of the places for a moment */
    for (int i = 0; i <= COUNT - LIMIT; i++)
        assert_true(client_sees_end(silent[i]));
    for (int i = COUNT - LIMIT + 1; i < COUNT; i++) {
        struct answer answer;
        client_send(silent[i], HEALTH);
        client_read(silent[i], true, &answer);
        assert_int_equal(answer.status, 200);
    }
    for (int i = 0; i < COUNT; i++)
        close(silent[i]);
    stop(server);
}

static void test_idle_connections_make_room(void **state) {
    (void)state;
    enum { COUNT = 12, WORKERS = 3 };
    struct server *server = start(WORKERS, 0, 0);
    int idle[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct answer answer;
        idle[i] = client_connect(server_port(server, 0));
        client_send(idle[i], HEALTH);
        client_read(idle[i], true, &answer);
        assert_int_equal(answer.status, 200);
        assert_string_equal(client_header(&answer, "Connection"), "keep-alive");
    }
    for (int i = 0; i < COUNT - WORKERS; i++)
        assert_true(client_sees_end(idle[i]));
    for (int i = COUNT - WORKERS; i < COUNT; i++) {
        struct answer answer;
        client_send(idle[i], HEALTH);
        client_read(idle[i], true, &answer);
        assert_int_equal(answer.status, 200);
    }
    for (int i = 0; i < COUNT; i++)
        close(idle[i]);
    stop(server);
}

/* Clients that do not read their replies hold a worker each, but not for long when others wait. */
static void test_unread_replies(void **state) {
    (void)state;
    enum { COUNT = 4, WORKERS = 2 };
    struct server *server = start(WORKERS, 0, 0);
    int port = server_port(server, 0), deaf[COUNT];
    for (int i = 0; i < COUNT; i++) {
        deaf[i] = client_connect(port);
        client_send(deaf[i], "GET /big HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    assert_healthy(port);
    for (int i = 0; i < COUNT; i++)
        close(deaf[i]);
    stop(server);
}

static void test_more_requests_than_workers(void **state) {
    (void)state;
    enum { COUNT = 20, WORKERS = 2 };
    struct server *server = start(WORKERS, 0, 0);
    int port = server_port(server, 0);
    int busy[COUNT];
    struct answer answer;
    for (int i = 0; i < COUNT; i++) {
        busy[i] = client_connect(port);
        client_send(busy[i], i < WORKERS ? "GET /stay HTTP/1.1\r\nHost: test\r\n\r\n" : HEALTH);
        if (i < WORKERS)
            sem_wait(&entered);
    }
    for (int i = 0; i < WORKERS; i++)
        sem_post(&released);
    for (int i = 0; i < COUNT; i++) {
        client_read(busy[i], true, &answer);
        assert_int_equal(answer.status, 200);
        close(busy[i]);
    }
    stop(server);
}

static void test_oversized_head(void **state) {
    (void)state;
    struct server *server = start(1, 0, 0);
    int port = server_port(server, 0);
    char *head = memory_alloc(40000);
    struct answer answer;
    snprintf(head, 40000, "GET /health HTTP/1.1\r\nHost: test\r\nX: %030000d\r\n\r\n", 0);
    client_ask(port, head, &answer);
    assert_int_equal(answer.status, 431);
    assert_non_null(strstr(answer.body, "{\"detail\":"));
    /* One that just fits is served. */
    snprintf(head, 40000, "GET /health HTTP/1.1\r\nHost: test\r\nX: %016300d\r\n\r\n", 0);
    client_ask(port, head, &answer);
    assert_int_equal(answer.status, 200);
    memory_free(head);
    stop(server);
}

static void test_tls_to_plain_port(void **state) {
    (void)state;
    struct server *server = start(1, 0, 0);
    int fd = client_connect(server_port(server, 0));
    struct answer answer;
    client_send_bytes(fd, "\x16\x03\x01\x02\x00\x01", 6);
    client_read(fd, true, &answer);
    assert_int_equal(answer.status, 400);
    close(fd);
    stop(server);
}

/* A process that may have only few descriptors. */
static void run_poor_server(int port_pipe, int end_pipe) {
    struct rlimit limit = {100, 100};
    setrlimit(RLIMIT_NOFILE, &limit);
    struct server *server = start(2, 0, 0);
    int port = server_port(server, 0);
    char byte;
    if (write(port_pipe, &port, sizeof port) != sizeof port || read(end_pipe, &byte, 1) < 0)
        _exit(1);
    _exit(server_stop(server, 10000) ? 0 : 1);
}

static void test_no_descriptors(void **state) {
    (void)state;
    int ports[2], ends[2], port, status;
    assert_int_equal(pipe(ports) + pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        run_poor_server(ports[1], ends[0]);
    }
    assert_int_equal(read(ports[0], &port, sizeof port), sizeof port);
    int silent[300];
    for (int i = 0; i < 300; i++)
        silent[i] = client_connect(port);
    assert_healthy(port);
    for (int i = 0; i < 300; i++)
        close(silent[i]);
    assert_healthy(port);
    for (int i = 0; i < 2; i++) {
        close(ports[i]);
        close(ends[i]);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int set_up(void **state) {
    (void)state;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_descriptors), /* first: it forks */
        cmocka_unit_test(test_head_scan),
        cmocka_unit_test(test_head_scan_tls),
        cmocka_unit_test(test_silent_connections),
        cmocka_unit_test(test_head_byte_by_byte),
        cmocka_unit_test(test_head_timeout),
        cmocka_unit_test(test_pending_limit),
        cmocka_unit_test(test_idle_connections_make_room),
        cmocka_unit_test(test_unread_replies),
        cmocka_unit_test(test_more_requests_than_workers),
        cmocka_unit_test(test_oversized_head),
        cmocka_unit_test(test_tls_to_plain_port),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
