/* Replies whose body comes bit by bit. */
#include "server/reply.h"
#include "server/server.h"

#include "client.h"

#include "base/clock.h"
#include "base/thread.h"

#include <semaphore.h>
#include <stdatomic.h>

#define HOST "Host: test\r\n"

static sem_t entered, released;
static atomic_int ended; /* 1: the stream took all it was given, 2: its client was lost for good */
static struct server *draining;

static bool begin(struct request *request) {
    return reply_stream_begin(request, 200, "text/event-stream", "X-Extra: yes\r\n");
}

static void get_count(struct request *request, void *context) {
    (void)context;
    if (!begin(request))
        return;
    if (reply_stream_write(request, "one", 3) && reply_stream_write(request, "", 0))
        reply_stream_write(request, "two and a bit", 13);
    reply_stream_end(request);
}

static void get_cut(struct request *request, void *context) {
    (void)context;
    begin(request);
    reply_stream_write(request, "part", 4);
}

static void get_rest(struct request *request, void *context) {
    (void)context;
    begin(request);
    reply_stream_write(request, "first", 5);
    sem_post(&entered);
    sem_wait(&released);
    reply_stream_write(request, "second", 6);
    reply_stream_end(request);
}

static void get_flood(struct request *request, void *context) {
    (void)context;
    static char bytes[65536];
    memset(bytes, 'x', sizeof bytes);
    int left = 10000;
    bool sent = begin(request);
    sem_post(&entered);
    while (sent && left-- > 0)
        sent = reply_stream_write(request, bytes, sizeof bytes);
    bool revived = !sent && reply_stream_write(request, bytes, 1);
    ended = reply_stream_end(request) || revived ? 1 : 2;
    sem_post(&entered);
}

static void get_endless(struct request *request, void *context) {
    (void)context;
    begin(request);
    sem_post(&entered);
    while (!server_draining(draining) && reply_stream_write(request, "tick", 4))
        usleep(1000);
    reply_stream_write(request, "tock", 4);
    reply_stream_end(request);
}

static void get_watch(struct request *request, void *context) {
    (void)context;
    begin(request);
    sem_post(&entered);
    while (!request_gone(request))
        usleep(1000);
    sem_post(&entered);
}

static const struct route routes[] = {
    {.method = "GET", .path = "/count", .handler = get_count},
    {.method = "GET", .path = "/cut", .handler = get_cut},
    {.method = "GET", .path = "/rest", .handler = get_rest},
    {.method = "GET", .path = "/flood", .handler = get_flood},
    {.method = "GET", .path = "/endless", .handler = get_endless},
    {.method = "GET", .path = "/watch", .handler = get_watch},
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

/* Sends a request for a stream, and reads the head. */
static int open_stream(const struct server *server, const char *request, struct answer *answer) {
    int fd = client_connect(server_port(server, 0));
    client_send(fd, request);
    client_read(fd, false, answer);
    assert_int_equal(answer->status, 200);
    return fd;
}

static void each_write_is_a_chunk(void **state) {
    struct answer answer;
    char text[64];
    int fd = open_stream(*state, "GET /count HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_string_equal(client_header(&answer, "Content-Type"), "text/event-stream");
    assert_string_equal(client_header(&answer, "Transfer-Encoding"), "chunked");
    assert_string_equal(client_header(&answer, "Connection"), "close");
    assert_string_equal(client_header(&answer, "X-Extra"), "yes");
    assert_null(client_header(&answer, "Content-Length"));
    assert_int_equal(client_read_chunk(fd, text, sizeof text), 3);
    assert_string_equal(text, "one");
    assert_int_equal(client_read_chunk(fd, text, sizeof text), 13);
    assert_string_equal(text, "two and a bit");
    assert_int_equal(client_read_chunk(fd, text, sizeof text), 0);
    assert_true(client_sees_end(fd));
    close(fd);
}

static void an_old_client_reads_to_the_end(void **state) {
    struct answer answer;
    int fd = open_stream(*state, "GET /count HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &answer);
    assert_null(client_header(&answer, "Transfer-Encoding"));
    assert_string_equal(client_header(&answer, "Connection"), "close");
    char text[64] = "";
    for (size_t i = 0; i < sizeof text - 1 && client_read_byte(fd, &text[i]); i++)
        continue;
    assert_string_equal(text, "onetwo and a bit");
    close(fd);
}

static void head_has_no_body(void **state) {
    struct answer answer;
    int fd = open_stream(*state, "HEAD /count HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_string_equal(client_header(&answer, "Content-Type"), "text/event-stream");
    assert_true(client_sees_end(fd));
    close(fd);
}

static void what_is_not_ended_is_cut(void **state) {
    struct answer answer;
    char text[64];
    int fd = open_stream(*state, "GET /cut HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(client_read_chunk(fd, text, sizeof text), 4);
    assert_int_equal(client_read_chunk(fd, text, sizeof text), -1);
    close(fd);
}

static void a_write_arrives_at_once(void **state) {
    struct answer answer;
    char text[64];
    int fd = open_stream(*state, "GET /rest HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(client_read_chunk(fd, text, sizeof text), 5);
    sem_wait(&entered);
    sem_post(&released); /* only now is there more */
    assert_int_equal(client_read_chunk(fd, text, sizeof text), 6);
    assert_string_equal(text, "second");
    close(fd);
}

static void a_client_that_leaves_is_noticed(void **state) {
    struct answer answer;
    int fd = open_stream(*state, "GET /flood HTTP/1.1\r\n" HOST "\r\n", &answer);
    sem_wait(&entered);
    ended = 0;
    close(fd);
    sem_wait(&entered);
    assert_int_equal(ended, 2);
    fd = open_stream(*state, "GET /watch HTTP/1.1\r\n" HOST "\r\n", &answer);
    sem_wait(&entered);
    close(fd);
    sem_wait(&entered);
}

static void a_client_that_does_not_read_loses_its_worker(void **state) {
    (void)state;
    struct server *server = start(1);
    struct answer answer;
    int fd = open_stream(server, "GET /flood HTTP/1.1\r\n" HOST "\r\n", &answer);
    sem_wait(&entered);
    ended = 0;
    int other = open_stream(server, "GET /count HTTP/1.1\r\n" HOST "\r\n", &answer);
    sem_wait(&entered);
    assert_int_equal(ended, 2);
    char text[64];
    assert_int_equal(client_read_chunk(other, text, sizeof text), 3);
    close(fd);
    close(other);
    assert_true(server_stop(server, 10000));
}

static void *drain(void *context) {
    return server_drain(context, 10000) == 0 ? context : NULL;
}

static void a_drain_waits_for_the_end(void **state) {
    (void)state;
    struct server *server = draining = start(4);
    struct answer answer;
    char text[64];
    int fd = open_stream(server, "GET /endless HTTP/1.1\r\n" HOST "\r\n", &answer);
    sem_wait(&entered);
    assert_int_equal(server_drain(server, 0), 1);
    pthread_t thread;
    void *drained = NULL;
    assert_null(thread_start(&thread, "drain", drain, server));
    int length;
    do
        length = client_read_chunk(fd, text, sizeof text);
    while (length == 4 && !strcmp(text, "tick"));
    assert_string_equal(text, "tock");
    assert_int_equal(client_read_chunk(fd, text, sizeof text), 0);
    pthread_join(thread, &drained);
    assert_ptr_equal(drained, server);
    close(fd);
    assert_true(server_stop(server, 10000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_write_is_a_chunk),
        cmocka_unit_test(an_old_client_reads_to_the_end),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(what_is_not_ended_is_cut),
        cmocka_unit_test(a_write_arrives_at_once),
        cmocka_unit_test(a_client_that_leaves_is_noticed),
        cmocka_unit_test(a_client_that_does_not_read_loses_its_worker),
        cmocka_unit_test(a_drain_waits_for_the_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
