#include "metrics/page_check.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define URL "http://e:1/metrics"
#define ADVICE "; is --engine-metrics-path right?"

/* Checks a body in memory of exactly its size; the message, or NULL for a page. */
static char *judge(long status, const char *content_type, const char *body, enum error_kind *kind) {
    size_t length = strlen(body);
    char *copy = memcpy(memory_alloc(length), body, length);
    struct error *error = page_check(URL, status, content_type, copy, length);
    char *message = error ? error_text(error) : NULL;
    if (error)
        *kind = error->kind;
    error_free(error);
    memory_free(copy);
    return message;
}

static void takes_pages(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"text/plain; version=0.0.4; charset=utf-8", "a 1\n"},
        {"application/openmetrics-text; version=1.0.0; charset=utf-8", "# EOF\n"},
        {"text/plain", ""},
        {"", "a 1\n"},
        {NULL, "\n\n# HELP a b\n"},
        {"text/plain", "{\"a.b\",c=\"d\"} 1\n"},
        {"application/octet-stream", "rubbish [] {}\n"},
        {"text/htmlish", "a 1\n"},
    };
    enum error_kind kind;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_null(judge(200, cases[i][0], cases[i][1], &kind));
    assert_null(page_check(URL, 200, "text/plain", NULL, 0));
}

/* A reply without a length ends where the connection does; only the page's own end tells. */
static void open_metrics_without_its_end_was_cut_off(void **state) {
    (void)state;
    static const char type[] = "application/openmetrics-text; version=1.0.0";
    static const char *const cut[] = {"", "a 1\n", "a 1\n# EO", "a 1 # EOF\n", "# EOF\na 1\n"};
    static const char *const whole[] = {"# EOF", "a 1\n# EOF", "a 1\n# EOF\n\n", "a 1\n# EOF \n"};
    enum error_kind kind;
    for (size_t i = 0; i < COUNT(cut); i++) {
        char *message = judge(200, type, cut[i], &kind);
        assert_non_null(message);
        assert_string_equal(message,
                            "GET " URL ": the OpenMetrics page was cut off, it does not end "
                            "with \"# EOF\"");
        assert_int_equal(kind, ERROR_PROTOCOL);
        memory_free(message);
        assert_null(judge(200, "text/plain; version=0.0.4", cut[i], &kind));
    }
    for (size_t i = 0; i < COUNT(whole); i++)
        assert_null(judge(200, type, whole[i], &kind));
}

static void says_what_came_instead(void **state) {
    (void)state;
    static const struct {
        const char *content_type, *body, *what;
    } cases[] = {
        {"text/html", "a 1\n", "HTML (a 1)"},
        {"Text/HTML; charset=utf-8", "", "HTML ()"},
        {"text/plain", " \r\n<!doctype html>\n<p>\n", "HTML (<!doctype html> <p>)"},
        {"", "<html>", "HTML (<html>)"},
        {"application/json", "1", "JSON (1)"},
        {"application/json\t; x", "a 1\n", "JSON (a 1)"},
        {"", "[{\"iter\": 1}]", "JSON ([{\"iter\": 1}])"},
        {NULL, "[]\n", "JSON ([])"},
        {"text/plain", "\n{\"error\":\n\t{}}", "JSON ({\"error\": {}})"},
        {"", "{", "JSON ({)"},
        {"", "{}", "JSON ({})"},
        {"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily",
         "\x01\x02"
         "a",
         "protobuf (a)"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum error_kind kind;
        char *message = judge(200, cases[i].content_type, cases[i].body, &kind);
        assert_non_null(message);
        char *expected = memory_format(
            "GET " URL ": expected a Prometheus exposition, got %s" ADVICE, cases[i].what);
        assert_string_equal(message, expected);
        assert_int_equal(kind, ERROR_INVALID);
        memory_free(expected);
        memory_free(message);
    }
}

static void refuses_every_other_status(void **state) {
    (void)state;
    static const struct {
        long status;
        const char *body, *message;
    } cases[] = {
        {500, "", "GET " URL ": the engine answered 500"},
        {503, "{\"detail\":\n \"busy\"}\n",
         "GET " URL ": the engine answered 503: {\"detail\": \"busy\"}"},
        {404, "a 1\n", "GET " URL ": the engine answered 404: a 1"},
        {204, "", "GET " URL ": the engine answered 204"},
        {302, " \n", "GET " URL ": the engine answered 302"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum error_kind kind;
        char *message = judge(cases[i].status, "text/plain", cases[i].body, &kind);
        assert_string_equal(message, cases[i].message);
        assert_int_equal(kind, ERROR_DENIED);
        memory_free(message);
    }
}

static void quotes_only_the_beginning(void **state) {
    (void)state;
    char body[200];
    memset(body, 'x', sizeof body);
    struct error *error = page_check(URL, 500, NULL, body, sizeof body);
    assert_int_equal(strlen(error->message),
                     strlen("GET " URL ": the engine answered 500: ") + 123);
    assert_string_equal(error->message + strlen(error->message) - 5, "xx...");
    error_free(error);
    error = page_check(URL, 500, NULL, body, 120);
    assert_string_equal(error->message + strlen(error->message) - 3, "xxx");
    error_free(error);
}

static void knows_the_exposition_types(void **state) {
    (void)state;
    static const char *const types[] = {
        "text/plain; version=0.0.4",
        "text/plain;version=0.0.4;charset=utf-8",
        "Text/Plain; Version=1.0.0",
        "application/openmetrics-text",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    };
    static const char *const others[] = {"",
                                         "text/plain",
                                         "text/plain; charset=utf-8",
                                         "text/plainer; version=0.0.4",
                                         "application/openmetrics-texts",
                                         "application/json; version=0.0.4",
                                         "text/html"};
    for (size_t i = 0; i < COUNT(types); i++)
        assert_true(page_is_exposition(types[i]));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(page_is_exposition(others[i]));
    assert_false(page_is_exposition(NULL));
}

static void asks_for_no_protobuf(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"*/*", NULL},
        {"", NULL},
        {"text/plain;version=0.0.4;q=0.5,*/*;q=0.1", NULL},
        {"application/vnd.google.protobuf", "*/*"},
        {"application/vnd.google.protobuf;proto=x,application/x-PROTOBUF", "*/*"},
        {"application/vnd.google.protobuf;q=0.6,text/plain;q=0.3", "text/plain;q=0.3"},
        {"a/b;q=1, application/vnd.google.protobuf;proto=io;encoding=delimited;q=0.6,c/d,*/*",
         "a/b;q=1,c/d,*/*"},
        {"text/plain,application/vnd.google.protobuf,", "text/plain"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *accept = page_accept(cases[i][0]);
        if (cases[i][1])
            assert_string_equal(accept, cases[i][1]);
        else
            assert_null(accept);
        memory_free(accept);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_pages),
        cmocka_unit_test(open_metrics_without_its_end_was_cut_off),
        cmocka_unit_test(says_what_came_instead),
        cmocka_unit_test(refuses_every_other_status),
        cmocka_unit_test(quotes_only_the_beginning),
        cmocka_unit_test(knows_the_exposition_types),
        cmocka_unit_test(asks_for_no_protobuf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
