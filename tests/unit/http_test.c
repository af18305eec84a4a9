#include "http_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

static void gets_pages_over_one_connection(void **state) {
    (void)state;
    static const struct step steps[] = {
        {.reply = OK},
        {.reply =
             "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n3;x=y\r\nt y\r\n"
             "2\r\net\r\n0\r\nTrailer: x\r\n\r\n"},
        {.reply = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n"},
        {.reply = "HTTP/1.0 200 OK\r\ncontent-type:a/b; c=d\r\n\r\nto the end", .after = CLOSE},
    };
    struct tcp_server server;
    server_start(&server, steps, COUNT(steps));
    struct get page = {.client = make_client(), .request.accept = "text/plain;q=0.5"};
    get(&page, server.port, "/metrics?a=b");
    assert_body(&page, "a 1\n");
    assert_int_equal(page.reply.status, 200);
    assert_string_equal(page.reply.content_type, "text/plain");
    done(&page);
    page.request.accept = NULL;
    buffer_string(&page.reply.body, "kept ");
    get(&page, server.port, "");
    assert_body(&page, "kept not yet");
    assert_int_equal(page.reply.status, 503);
    assert_string_equal(page.reply.content_type, "");
    done(&page);
    get(&page, server.port, "/");
    assert_body(&page, "");
    assert_int_equal(page.reply.status, 204);
    done(&page);
    get(&page, server.port, "/");
    assert_body(&page, "to the end");
    assert_string_equal(page.reply.content_type, "a/b; c=d");
    done(&page);
    server_finish(&server);
    assert_int_equal(server.connections, 1);
    const char *heads = buffer_text(&server.request);
    assert_memory_equal(heads, "GET /metrics?a=b HTTP/1.1\r\nHost: 127.0.0.1:", 43);
    assert_non_null(strstr(heads, "\r\nAccept: text/plain;q=0.5\r\n"));
    assert_non_null(strstr(heads, "\r\nUser-Agent: kthena-test/1\r\n"));
    assert_non_null(strstr(heads, "\r\nAccept-Encoding: identity\r\n"));
    const char *second = strstr(heads, "\r\n\r\nGET / HTTP/1.1\r\n");
    assert_non_null(second);
    assert_non_null(strstr(second, "\r\nAccept: */*\r\n"));
    server_free(&server);
    http_client_free(page.client);
}

/* What is no whole answer is an error, and the next request is not harmed by it. */
static void what_is_cut_off_is_an_error(void **state) {
    (void)state;
    static const struct {
        struct step step;
        const char *part;
    } cases[] = {
        {{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf a pa", CLOSE, 0}, "91 bytes"},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf a pa", RESET, 0}, "reset"},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf", CLOSE, 0},
         "transfer closed"},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", CLOSE, 0}, "chunk"},
        {{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nno gzip! ", CLOSE,
          0},
         ": "},
        {{"", CLOSE, 0}, "Empty reply"},
        {{"HTTP/1.1 200", CLOSE, 0}, ": "},
        {{"a 1\n", CLOSE, 0}, "HTTP/0.9"},
        {{"<html>\r\n\r\n", CLOSE, 0}, "HTTP/0.9"},
    };
    struct get page = {.client = make_client()};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct step steps[] = {cases[i].step, {.reply = OK, .after = CLOSE}};
        struct tcp_server server;
        server_start(&server, steps, COUNT(steps));
        get(&page, server.port, "/metrics");
        assert_failed(&page, ERROR_PROTOCOL, cases[i].part);
        assert_null(strstr(page.error->message, "refused"));
        done(&page);
        get(&page, server.port, "/metrics");
        assert_body(&page, "a 1\n");
        done(&page);
        server_finish(&server);
        server_free(&server);
    }
    http_client_free(page.client);
}

static void a_stale_connection_is_made_anew(void **state) {
    (void)state;
    static const struct step scripts[][3] = {
        {{.reply = OK, .after = CLOSE}, {.reply = OK}, {.reply = OK}}, /* closed while idle */
        {{.reply = OK}, {.reply = "", .after = CLOSE}, {.reply = OK}}, /* when it is used again */
        {{.reply = OK}, {.reply = "", .after = RESET}, {.reply = OK}},
    };
    for (size_t i = 0; i < COUNT(scripts); i++) {
        struct tcp_server server;
        server_start(&server, scripts[i], 3);
        struct get page = {.client = make_client()};
        for (int round = 0; round < (i ? 2 : 3); round++) {
            get(&page, server.port, "/");
            assert_body(&page, "a 1\n");
            done(&page);
        }
        server_finish(&server);
        assert_int_equal(server.connections, 2);
        server_free(&server);
        http_client_free(page.client);
    }
}

static void a_refused_connection_says_so(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = OK, .after = CLOSE}};
    struct tcp_server server;
    server_start(&server, steps, 1);
    struct get page = {.client = make_client()};
    get(&page, server.port, "/");
    done(&page);
    server_finish(&server);
    server_free(&server);
    get(&page, server.port, "/");
    assert_failed(&page, ERROR_UNREACHABLE, "Connection refused");
    done(&page);
    http_client_free(page.client);
}

static void time_is_limited_as_a_whole(void **state) {
    (void)state;
    static const struct step scripts[][2] = {
        {{.reply = "", .after = STALL}},
        {{.reply = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", .after = STALL}},
        {{.reply = "HTTP/1.1 307 There\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"},
         {.reply = "HTTP/1.1 200 OK\r\n", .after = STALL}},
    };
    struct get page = {.client = make_client(), .request.timeout_ms = 250};
    for (size_t i = 0; i < COUNT(scripts); i++) {
        struct tcp_server server;
        server_start(&server, scripts[i], scripts[i][1].reply ? 2 : 1);
        get(&page, server.port, "/metrics");
        assert_failed(&page, ERROR_TIMEOUT, "/metrics: no complete answer within 0.25 s");
        done(&page);
        server_finish(&server);
        server_free(&server);
    }
    http_client_free(page.client);
}

static void bodies_are_limited(void **state) {
    (void)state;
    static const struct {
        const char *reply;
        size_t limit;
        bool fits;
    } cases[] = {
        {OK, 4, true},
        {OK, 3, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", 4,
         true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", 4,
         false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nxxxxx", 4, false},
        {"HTTP/1.1 200 OK\r\n\r\nabcde", 4, false},
    };
    struct get page = {.client = make_client()};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct step steps[] = {{.reply = cases[i].reply, .after = CLOSE}};
        struct tcp_server server;
        server_start(&server, steps, 1);
        page.request.body_limit = cases[i].limit;
        buffer_string(&page.reply.body, "what was there does not count");
        get(&page, server.port, "/");
        if (cases[i].fits)
            assert_null(page.error);
        else
            assert_failed(&page, ERROR_LIMIT, "bytes allowed");
        done(&page);
        server_finish(&server);
        server_free(&server);
    }
    http_client_free(page.client);
}

/* A gzip reply although identity was asked for: undone, and the limit counts what comes out. */
static void gzip_is_undone(void **state) {
    (void)state;
    static char plain[50000], reply[4000];
    memset(plain, 'x', sizeof plain);
    z_stream stream = {.next_in = (unsigned char *)plain, .avail_in = sizeof plain};
    unsigned char packed[2000];
    stream.next_out = packed;
    stream.avail_out = sizeof packed;
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    int head = snprintf(reply, sizeof reply,
                        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %lu\r\n\r\n",
                        stream.total_out);
    memcpy(reply + head, packed, stream.total_out);
    const struct step step = {
        .reply = reply, .length = (size_t)head + stream.total_out, .after = CLOSE};
    const struct step steps[] = {step, step};
    struct tcp_server server;
    server_start(&server, steps, 2);
    struct get page = {.client = make_client(), .request.body_limit = sizeof plain};
    get(&page, server.port, "/");
    assert_null(page.error);
    assert_int_equal(page.reply.body.length, sizeof plain);
    assert_memory_equal(page.reply.body.data, plain, sizeof plain);
    done(&page);
    page.request.body_limit--;
    get(&page, server.port, "/");
    assert_failed(&page, ERROR_LIMIT, "larger than the 49999 bytes allowed");
    done(&page);
    server_finish(&server);
    server_free(&server);
    http_client_free(page.client);
}

static void a_proxy_in_the_environment_is_passed_by(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = OK}};
    struct tcp_server server;
    server_start(&server, steps, 1);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    struct get page = {.client = make_client()};
    get(&page, server.port, "/");
    assert_body(&page, "a 1\n");
    unsetenv("http_proxy");
    done(&page);
    server_finish(&server);
    server_free(&server);
    http_client_free(page.client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_pages_over_one_connection),
        cmocka_unit_test(what_is_cut_off_is_an_error),
        cmocka_unit_test(a_stale_connection_is_made_anew),
        cmocka_unit_test(a_refused_connection_says_so),
        cmocka_unit_test(time_is_limited_as_a_whole),
        cmocka_unit_test(bodies_are_limited),
        cmocka_unit_test(gzip_is_undone),
        cmocka_unit_test(a_proxy_in_the_environment_is_passed_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
