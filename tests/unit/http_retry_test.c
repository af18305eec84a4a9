/* Trying again, and being told to stop. */
#include "base/clock.h"
#include "http_support.h"

#include <netdb.h>
#include <stdatomic.h>

#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"

enum { SLOW_MS = 3000 };

static atomic_int resolving;

/* libcurl's thread for a name calls this one, which answers for one name only, and late. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    (void)service;
    (void)hints;
    (void)out;
    atomic_fetch_add(&resolving, 1);
    for (int i = 0; i < SLOW_MS / 10 && strcmp(name, "slow.example") == 0; i++)
        usleep(10000);
    atomic_fetch_sub(&resolving, 1);
    return EAI_AGAIN;
}

/* Runs a script whose last step but the skipped ones is the answer. */
static void try_against(struct get *call, const struct step *steps, size_t count) {
    struct tcp_server server;
    server_start(&server, steps, count);
    get(call, server.port, "/x");
    server_finish(&server);
    server_free(&server);
}

static void what_passes_is_tried_again(void **state) {
    (void)state;
    static const struct step firsts[] = {
        {.reply = BUSY},
        {.reply = "HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"},
        {.reply = "", .after = CLOSE},
        {.reply = "no http\r\n\r\n", .after = CLOSE},
        {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", .after = RESET},
        {.reply =
             "HTTP/1.1 302 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"},
    };
    struct get call = {.client = make_client(),
                       .request = {.attempts = 2, .follow = HTTP_FOLLOW_ANY}};
    for (size_t i = 0; i < COUNT(firsts); i++) {
        const struct step steps[] = {firsts[i], {.reply = OK, .after = CLOSE}};
        buffer_string(&call.reply.body, "kept ");
        try_against(&call, steps, 2);
        assert_body(&call, "kept a 1\n");
        assert_int_equal(call.reply.status, 200);
        done(&call);
    }
    http_client_free(call.client);
}

static void bodies_and_methods_are_sent_again(void **state) {
    (void)state;
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 303 Other\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"},
        {.reply = BUSY},
        {.reply = OK}};
    struct tcp_server server;
    server_start(&server, steps, 3);
    struct get call = {.client = make_client(),
                       .request = {.attempts = 3,
                                   .method = "POST",
                                   .body = "text",
                                   .body_length = 4,
                                   .follow = HTTP_FOLLOW_ORIGIN}};
    get(&call, server.port, "/x");
    assert_body(&call, "a 1\n");
    done(&call);
    server_finish(&server);
    assert_request(&server, 1, "GET /other HTTP", true);
    assert_request(&server, 2, "POST /x HTTP", true);
    assert_request(&server, 2, "\r\n\r\ntext", true);
    server_free(&server);
    http_client_free(call.client);
}

static void the_last_answer_counts(void **state) {
    (void)state;
    static const struct step busy[] = {{.reply = BUSY}, {.reply = BUSY}};
    static const struct step gone[] = {{.reply = BUSY, .after = CLOSE},
                                       {.reply = "", .after = CLOSE}};
    struct get call = {.client = make_client(), .request.attempts = 2};
    try_against(&call, busy, 2);
    assert_body(&call, "busy");
    assert_int_equal(call.reply.status, 503);
    done(&call);
    try_against(&call, gone, 2);
    assert_failed(&call, ERROR_PROTOCOL, "Empty reply");
    done(&call);
    http_client_free(call.client);
}

static void other_failures_are_final(void **state) {
    (void)state;
    static const struct step cases[] = {
        {.reply = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", .after = CLOSE},
        {.reply = "HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n", .after = CLOSE},
        {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", .after = CLOSE},
        {.reply = "HTTP/1.1 302 A\r\nLocation: http://other.example/\r\nContent-Length: 0\r\n\r\n",
         .after = CLOSE},
    };
    struct get call = {.client = make_client(), .request = {.attempts = 5, .body_limit = 10}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *reply = cases[i].reply;
        static char large[3000];
        if (strstr(reply, "2000")) {
            memset(large, 'x', sizeof large - 1);
            memcpy(large, reply, strlen(reply));
            reply = large;
        }
        const struct step steps[] = {{.reply = reply, .after = CLOSE}};
        try_against(&call, steps, 1); /* a second request would not be answered */
        assert_true(call.error
                        ? call.error->kind == ERROR_LIMIT || call.error->kind == ERROR_PROTOCOL
                        : call.reply.status == 404 || call.reply.status == 501);
        done(&call);
    }
    http_client_free(call.client);
}

static void once_is_the_default(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = BUSY}};
    struct get call = {.client = make_client()};
    for (int attempts = -1; attempts < 2; attempts++) {
        call.request.attempts = attempts;
        try_against(&call, steps, 1);
        assert_body(&call, "busy");
        done(&call);
    }
    http_client_free(call.client);
}

/* What the server asks for does not fit into the time: its answer is handed out at once. */
static void nobody_waits_beyond_the_timeout(void **state) {
    (void)state;
    static const struct step cases[] = {
        {.reply = "HTTP/1.1 429 Slow\r\nRetry-After: 60\r\nContent-Length: 4\r\n\r\nslow"},
        {.reply = "HTTP/1.1 429 Slow\r\nRateLimit: \"api\";r=0;t=60\r\nRetry-After: 0\r\n"
                  "Content-Length: 4\r\n\r\nslow"},
        {.reply = "HTTP/1.1 503 Slow\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n"
                  "Content-Length: 4\r\n\r\nslow"},
    };
    struct get call = {.client = make_client(), .request = {.attempts = 5, .timeout_ms = 30000}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t start = clock_ms();
        try_against(&call, &cases[i], 1);
        assert_true(clock_ms() - start < 20000);
        assert_body(&call, "slow");
        done(&call);
    }
    call.request.timeout_ms = 100; /* shorter than the shortest delay */
    static const struct step steps[] = {{.reply = BUSY}};
    try_against(&call, steps, 1);
    assert_body(&call, "busy");
    done(&call);
    http_client_free(call.client);
}

static void each_try_is_signed(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct signer *signer = signer_sigv4_new(
        &(struct sigv4_credentials){"AKID", "secret-key", NULL, "us-east-1", "s3"});
    struct tcp_server server;
    server_start(&server, steps, 2);
    struct get call = {.client = make_client(), .request = {.attempts = 2, .signer = signer}};
    get(&call, server.port, "/x");
    assert_body(&call, "a 1\n");
    done(&call);
    server_finish(&server);
    assert_request(&server, 0, "Signature=", true);
    assert_request(&server, 1, "Signature=", true);
    server_free(&server);
    http_client_free(call.client);
    signer_unref(signer);
}

struct canceller {
    atomic_bool cancel;
    pthread_t thread;
};

static void *cancel_soon(void *context) {
    struct canceller *canceller = context;
    usleep(150000);
    atomic_store(&canceller->cancel, true);
    return NULL;
}

static void assert_cancelled(struct get *call, const char *url) {
    struct canceller canceller = {false};
    call->request.cancel = &canceller.cancel;
    call->request.url = url;
    call->request.timeout_ms = 60000;
    call->request.body_limit = 1000;
    assert_null(thread_start(&canceller.thread, "cancel", cancel_soon, &canceller));
    int64_t start = clock_ms();
    call->error = http_exchange(call->client, &call->request, &call->reply);
    assert_true(clock_ms() - start < SLOW_MS - 1000);
    pthread_join(canceller.thread, NULL);
    assert_non_null(call->error);
    assert_int_equal(call->error->kind, ERROR_CANCELLED);
    assert_non_null(strstr(call->error->message, "cancelled"));
    assert_null(strstr(call->error->message, "?"));
    done(call);
}

static void a_request_in_flight_can_be_cancelled(void **state) {
    (void)state;
    static const struct step cases[] = {
        {.reply = "", .after = STALL},
        {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", .after = STALL},
        {.reply = "HTTP/1.1 503 Busy\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"},
    };
    struct get call = {.client = make_client(), .request.attempts = 9};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tcp_server server;
        server_start(&server, &cases[i], 1);
        char *url = memory_format("http://127.0.0.1:%d/x?secret", server.port);
        assert_cancelled(&call, url);
        memory_free(url);
        server_finish(&server);
        server_free(&server);
    }
    assert_cancelled(&call, "http://127.0.0.1:1/?refused");
    http_client_free(call.client);
}

static void a_slow_name_can_be_cancelled(void **state) {
    (void)state;
    struct get call = {.client = make_client()};
    assert_cancelled(&call, "http://slow.example/x?secret");
    http_client_free(call.client);
    while (atomic_load(&resolving))
        usleep(10000);
}

static void nothing_is_sent_when_it_is_cancelled_before(void **state) {
    (void)state;
    atomic_bool cancel = true;
    struct get call = {.client = make_client(), .request.cancel = &cancel};
    get(&call, 1, "/x");
    assert_failed(&call, ERROR_CANCELLED, "/x: cancelled");
    done(&call);
    http_client_free(call.client);
}

/* Requests that can be cancelled and others take turns on the same handle. */
static void cancellable_requests_keep_connections_too(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = OK}, {.reply = OK}, {.reply = OK}};
    atomic_bool cancel = false;
    struct get call = {.client = make_client()};
    for (int round = 0; round < 4; round++) {
        struct tcp_server server;
        server_start(&server, steps, 3);
        call.request.cancel = round % 2 ? NULL : &cancel;
        for (int i = 0; i < 3; i++) {
            get(&call, server.port, "/x");
            assert_body(&call, "a 1\n");
            done(&call);
        }
        server_finish(&server);
        assert_int_equal(server.connections, 1);
        server_free(&server);
    }
    http_client_free(call.client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_is_tried_again),
        cmocka_unit_test(bodies_and_methods_are_sent_again),
        cmocka_unit_test(the_last_answer_counts),
        cmocka_unit_test(other_failures_are_final),
        cmocka_unit_test(once_is_the_default),
        cmocka_unit_test(nobody_waits_beyond_the_timeout),
        cmocka_unit_test(each_try_is_signed),
        cmocka_unit_test(a_request_in_flight_can_be_cancelled),
        cmocka_unit_test(a_slow_name_can_be_cancelled),
        cmocka_unit_test(nothing_is_sent_when_it_is_cancelled_before),
        cmocka_unit_test(cancellable_requests_keep_connections_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
