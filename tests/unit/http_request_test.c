/* What requests look like on the wire, and what replies tell. */
#include "http_support.h"

#include <stdio.h>

#define EMPTY "HTTP/1.1 204 None\r\n\r\n"

static void methods_and_bodies_are_sent(void **state) {
    (void)state;
    static const struct {
        const char *method, *body;
        const char *first, *length; /* NULL: no Content-Length */
        bool arrives;
    } cases[] = {
        {"POST", "a=b", "POST /x HTTP/1.1\r\n", "Content-Length: 3\r\n", true},
        {"POST", "", "POST /x HTTP/1.1\r\n", "Content-Length: 0\r\n", true},
        {"PUT", "text", "PUT /x HTTP/1.1\r\n", "Content-Length: 4\r\n", true},
        {"PUT", "", "PUT /x HTTP/1.1\r\n", "Content-Length: 0\r\n", true},
        {"DELETE", "", "DELETE /x HTTP/1.1\r\n", NULL, true},
        {"DELETE", "why", "DELETE /x HTTP/1.1\r\n", "Content-Length: 3\r\n", true},
        {"GET", "nobody sees this", "GET /x HTTP/1.1\r\n", NULL, false},
        {"HEAD", "nobody sees this", "HEAD /x HTTP/1.1\r\n", NULL, false},
    };
    struct step steps[COUNT(cases)];
    struct tcp_server server;
    struct get call = {.client = make_client()};
    for (size_t i = 0; i < COUNT(cases); i++)
        steps[i] = (struct step){.reply = EMPTY};
    server_start(&server, steps, COUNT(steps));
    for (size_t i = 0; i < COUNT(cases); i++) {
        call.request.method = cases[i].method;
        call.request.body = cases[i].body;
        call.request.body_length = strlen(cases[i].body);
        get(&call, server.port, "/x");
        assert_null(call.error);
        assert_int_equal(call.reply.status, 204);
        done(&call);
    }
    server_finish(&server);
    assert_int_equal(server.connections, 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *request = request_at(&server, i);
        assert_memory_equal(request, cases[i].first, strlen(cases[i].first));
        if (cases[i].length)
            assert_non_null(strstr(request, cases[i].length));
        else
            assert_null(strstr(request, "Content-Length"));
        assert_string_equal(strstr(request, "\r\n\r\n") + 4, cases[i].arrives ? cases[i].body : "");
        assert_null(strstr(request, "Content-Type"));
        assert_null(strstr(request, "Expect"));
        memory_free(request);
    }
    server_free(&server);
    http_client_free(call.client);
}

static void a_large_body_is_sent_without_asking(void **state) {
    (void)state;
    static char body[2000000];
    memset(body, 'x', sizeof body);
    const struct http_header headers[] = {{"Content-Type", "text/x", false}};
    static const struct step steps[] = {{.reply = OK}};
    struct tcp_server server;
    server_start(&server, steps, 1);
    struct get call = {.client = make_client(),
                       .request = {.method = "POST",
                                   .body = body,
                                   .body_length = sizeof body,
                                   .headers = headers,
                                   .header_count = 1}};
    get(&call, server.port, "/");
    assert_body(&call, "a 1\n");
    done(&call);
    server_finish(&server);
    assert_request(&server, 0, "\r\nContent-Type: text/x\r\n", true);
    assert_request(&server, 0, "Expect", false);
    server_free(&server);
    http_client_free(call.client);
}

static void headers_are_sent_as_they_are(void **state) {
    (void)state;
    static const struct http_header headers[] = {
        {"X-One", "1", false},
        {"x-two", "a, b\t\"c\"", true},
        {"X-Empty", "", false},
        {"ACCEPT", "text/special", false},
        {"User-Agent", "another/2", false},
        {"Content-Type", "of no body", false},
        {"X-High", "\xC3\xBC", false},
    };
    static const struct step steps[] = {{.reply = OK}, {.reply = OK}};
    struct tcp_server server;
    server_start(&server, steps, 2);
    struct get call = {
        .client = make_client(),
        .request = {.accept = "x/y", .headers = headers, .header_count = COUNT(headers)}};
    get(&call, server.port, "/");
    assert_body(&call, "a 1\n");
    done(&call);
    call.request.headers = NULL;
    call.request.header_count = 0;
    get(&call, server.port, "/");
    assert_body(&call, "a 1\n");
    done(&call);
    server_finish(&server);
    assert_request(&server, 0, "\r\nX-One: 1\r\n", true);
    assert_request(&server, 0, "\r\nx-two: a, b\t\"c\"\r\n", true);
    assert_request(&server, 0, "\r\nX-Empty:\r\n", true);
    assert_request(&server, 0, "\r\nACCEPT: text/special\r\n", true);
    assert_request(&server, 0, "\r\nAccept: ", false);
    assert_request(&server, 0, "\r\nUser-Agent: another/2\r\n", true);
    assert_request(&server, 0, "kthena-test", false);
    assert_request(&server, 0, "Content-Type", false);
    assert_request(&server, 0, "\r\nX-High: \xC3\xBC\r\n", true);
    /* Nothing of it is left in the handle. */
    assert_request(&server, 1, "X-One", false);
    assert_request(&server, 1, "\r\nUser-Agent: kthena-test/1\r\n", true);
    assert_request(&server, 1, "\r\nAccept: x/y\r\n", true);
    server_free(&server);
    http_client_free(call.client);
}

static void no_header_breaks_out_of_its_line(void **state) {
    (void)state;
    static const struct http_header headers[] = {
        {"X-One", "1\r\nX-Evil: 1", true},
        {"X-One", "1\n2", true},
        {"X-One", "\x7F", true},
        {"X One", "1", true},
        {"X-One:", "1", true},
        {"", "1", true},
        {"X-One\r\nX-Evil", "1", true},
        {"X-\xC3\xBC", "1", true},
    };
    struct get call = {.client = make_client(), .request.header_count = 1, .request.attempts = 3};
    for (size_t i = 0; i < COUNT(headers); i++) {
        call.request.headers = &headers[i];
        get(&call, 1, "/path?secret=1");
        assert_failed(&call, ERROR_INVALID, "/path: the header '");
        assert_null(strstr(call.error->message, "Evil: 1"));
        done(&call);
    }
    http_client_free(call.client);
}

static void reply_headers_are_told(void **state) {
    (void)state;
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\n"
                  "HTTP/1.1 404 Not Found\r\nX-Error-Code:RepoNotFound\r\nETAG: \t \"a:b\" \t\r\n"
                  "X-Empty:\r\nx-twice: 1\r\nX-Twice: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "2\r\nno\r\n0\r\nX-Trailer: 1\r\n\r\n"},
        {.reply = OK},
    };
    struct tcp_server server;
    char value[16];
    server_start(&server, steps, 2);
    struct get call = {.client = make_client()};
    get(&call, server.port, "/");
    assert_body(&call, "no");
    assert_string_equal(buffer_text(&call.reply.headers),
                        "x-error-code: RepoNotFound\netag: \"a:b\"\nx-empty: \nx-twice: 1\n"
                        "x-twice: 2\ntransfer-encoding: chunked\n");
    assert_true(http_reply_header(&call.reply, "x-error-code", value, sizeof value));
    assert_string_equal(value, "RepoNotFound");
    assert_true(http_reply_header(&call.reply, "x-error-code", value, sizeof "RepoNotFound"));
    assert_false(http_reply_header(&call.reply, "x-error-code", value, sizeof "RepoNotFound" - 1));
    assert_true(http_reply_header(&call.reply, "x-twice", value, sizeof value));
    assert_string_equal(value, "1");
    assert_true(http_reply_header(&call.reply, "x-empty", value, sizeof value));
    assert_string_equal(value, "");
    static const char *const absent[] = {"x-error", "x-error-code-2", "x-trailer", "x-early", "",
                                         "Etag"};
    for (size_t i = 0; i < COUNT(absent); i++)
        assert_false(http_reply_header(&call.reply, absent[i], value, sizeof value));
    done(&call);
    assert_false(http_reply_header(&call.reply, "etag", value, sizeof value));
    /* A used reply shows the new headers only. */
    buffer_string(&call.reply.headers, "old: 1\n");
    get(&call, server.port, "/");
    assert_false(http_reply_header(&call.reply, "old", value, sizeof value));
    assert_true(http_reply_header(&call.reply, "content-length", value, sizeof value));
    done(&call);
    server_finish(&server);
    server_free(&server);
    http_client_free(call.client);
}

static void head_has_headers_and_no_body(void **state) {
    (void)state;
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: \"x\"\r\n\r\n"},
        {.reply = OK}};
    struct tcp_server server;
    char value[16];
    server_start(&server, steps, 2);
    struct get call = {.client = make_client(), .request.method = "HEAD"};
    get(&call, server.port, "/");
    assert_body(&call, "");
    assert_true(http_reply_header(&call.reply, "content-length", value, sizeof value));
    assert_string_equal(value, "1000000");
    done(&call);
    call.request.method = NULL;
    get(&call, server.port, "/");
    assert_body(&call, "a 1\n");
    done(&call);
    server_finish(&server);
    assert_int_equal(server.connections, 1);
    server_free(&server);
    http_client_free(call.client);
}

static void endless_headers_are_an_error(void **state) {
    (void)state;
    static char reply[100000];
    size_t length = (size_t)snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\n");
    while (length < 90000)
        length += (size_t)snprintf(reply + length, sizeof reply - length, "X-%zu: x\r\n", length);
    snprintf(reply + length, sizeof reply - length, "\r\n");
    const struct step steps[] = {{.reply = reply, .after = CLOSE}};
    struct tcp_server server;
    server_start(&server, steps, 1);
    struct get call = {.client = make_client()};
    get(&call, server.port, "/");
    assert_failed(&call, ERROR_PROTOCOL, "headers are larger than 64 KiB");
    done(&call);
    server_finish(&server);
    server_free(&server);
    http_client_free(call.client);
}

static void errors_do_not_show_the_query(void **state) {
    (void)state;
    struct get call = {.client = make_client(), .request.method = "PUT"};
    call.request.url = "http://user:pass@127.0.0.1:1/path?X-Signature=abc#part";
    call.request.timeout_ms = 5000;
    call.error = http_exchange(call.client, &call.request, &call.reply);
    assert_non_null(call.error);
    assert_int_equal(call.error->kind, ERROR_UNREACHABLE);
    static const char expected[] = "PUT http://127.0.0.1:1/path: ";
    assert_memory_equal(call.error->message, expected, sizeof expected - 1);
    assert_null(strstr(call.error->message, "abc"));
    assert_null(strstr(call.error->message, "pass"));
    done(&call);
    static const char *const wrong[] = {"", "http://", "http://h:99999/", "file:///etc/passwd",
                                        "ftp://127.0.0.1:1/"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        call.request.url = wrong[i];
        call.error = http_exchange(call.client, &call.request, &call.reply);
        assert_non_null(call.error);
        assert_true(call.error->kind == ERROR_INVALID || call.error->kind == ERROR_PROTOCOL);
        done(&call);
    }
    http_client_free(call.client);
}

static void paths_are_sent_as_they_are(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = OK}};
    struct tcp_server server;
    server_start(&server, steps, 1);
    struct get call = {.client = make_client()};
    get(&call, server.port, "/a/../b//./c%2Fd%2fe?x=/../y");
    assert_body(&call, "a 1\n");
    done(&call);
    server_finish(&server);
    assert_request(&server, 0, "GET /a/../b//./c%2Fd%2fe?x=/../y HTTP/1.1\r\n", true);
    server_free(&server);
    http_client_free(call.client);
}

static void requests_are_signed(void **state) {
    (void)state;
    static const struct step steps[] = {{.reply = OK}, {.reply = OK}, {.reply = OK}};
    struct signer *signer = signer_sigv4_new(
        &(struct sigv4_credentials){"AKID", "the-secret-key", "the-token", "us-east-1", "sts"});
    struct tcp_server server;
    server_start(&server, steps, 2);
    struct get call = {.client = make_client(), .request.signer = signer};
    get(&call, server.port, "/b/a key?b=2&a");
    assert_failed(&call, ERROR_INVALID, "/b/a key: it could not be signed"); /* not encoded */
    done(&call);
    get(&call, server.port, "/b/../a%20key?b=2&a");
    assert_body(&call, "a 1\n");
    done(&call);
    call.request.method = "POST";
    call.request.body = "Action=x";
    call.request.body_length = 8;
    get(&call, server.port, "");
    assert_body(&call, "a 1\n");
    done(&call);
    server_finish(&server);
    assert_request(&server, 0, "GET /b/../a%20key?a=&b=2 HTTP/1.1\r\n", true);
    assert_request(&server, 0, "\r\nx-amz-security-token: the-token\r\n", true);
    assert_request(&server, 0, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKID/", true);
    assert_request(&server, 0, "the-secret-key", false);
    /* of an empty body, and of the one that is sent */
    assert_request(&server, 0, "\r\nx-amz-content-sha256: e3b0c44298fc1c14", true);
    assert_request(&server, 1, "POST / HTTP/1.1\r\n", true);
    assert_request(&server, 1, "\r\nx-amz-content-sha256: ", true);
    assert_request(&server, 1, "e3b0c44298fc1c14", false);
    char *host = memory_format("\r\nHost: 127.0.0.1:%d\r\n", server.port);
    assert_request(&server, 0, host, true);
    memory_free(host);
    server_free(&server);
    http_client_free(call.client);
    signer_unref(signer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_and_bodies_are_sent),
        cmocka_unit_test(a_large_body_is_sent_without_asking),
        cmocka_unit_test(headers_are_sent_as_they_are),
        cmocka_unit_test(no_header_breaks_out_of_its_line),
        cmocka_unit_test(reply_headers_are_told),
        cmocka_unit_test(head_has_headers_and_no_body),
        cmocka_unit_test(endless_headers_are_an_error),
        cmocka_unit_test(errors_do_not_show_the_query),
        cmocka_unit_test(paths_are_sent_as_they_are),
        cmocka_unit_test(requests_are_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
