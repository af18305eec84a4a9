#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct buffer out;
    struct json json;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    json_begin(&fixture->json, &fixture->out);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    buffer_free(&fixture->out);
    free(fixture);
    return 0;
}

/* Compares what was written since the last call. */
static void expect(struct fixture *fixture, const char *text) {
    assert_string_equal(buffer_text(&fixture->out), text);
    buffer_clear(&fixture->out);
}

static void puts_commas_between(void **state) {
    struct fixture *fixture = *state;
    struct json *json = &fixture->json;
    json_object(json);
    json_key_string(json, "a", "x");
    json_key_integer(json, "b", -7);
    json_key(json, "c");
    json_array(json);
    json_bool(json, true);
    json_bool(json, false);
    json_null(json);
    json_object(json);
    json_end_object(json);
    json_array(json);
    json_end_array(json);
    json_raw(json, "{\"r\":1}", 7);
    json_end_array(json);
    json_key_string(json, "d", NULL);
    json_key_number(json, "e", 0.5);
    json_key_bool(json, "f", true);
    json_end_object(json);
    expect(fixture, "{\"a\":\"x\",\"b\":-7,\"c\":[true,false,null,{},[],{\"r\":1}],"
                    "\"d\":null,\"e\":0.5,\"f\":true}");
}

static void indents_when_pretty(void **state) {
    struct fixture *fixture = *state;
    struct json *json = &fixture->json;
    json_begin_pretty(json, &fixture->out);
    json_object(json);
    json_key_integer(json, "a", 1);
    json_key(json, "b");
    json_array(json);
    json_integer(json, 2);
    json_integer(json, 3);
    json_end_array(json);
    json_key(json, "c");
    json_object(json);
    json_end_object(json);
    json_end_object(json);
    expect(fixture, "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    3\n  ],\n  \"c\": {}\n}");
}

static void appends_to_what_is_there(void **state) {
    struct fixture *fixture = *state;
    buffer_string(&fixture->out, "before ");
    json_string(&fixture->json, "x");
    expect(fixture, "before \"x\"");
}

static void escapes_what_must_be(void **state) {
    struct fixture *fixture = *state;
    json_string(&fixture->json, "a\"b\\c\b\f\n\r\t\x01\x1f/\x7f"
                                "d");
    expect(fixture, "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f/\x7f"
                    "d\"");
    json_text(&fixture->json, "nul\0nul", 7);
    expect(fixture, "\"nul\\u0000nul\"");
    json_string(&fixture->json, "");
    expect(fixture, "\"\"");
    json_text(&fixture->json, NULL, 0);
    expect(fixture, "\"\"");
}

static void escapes_names_of_members(void **state) {
    struct fixture *fixture = *state;
    json_object(&fixture->json);
    json_key_integer(&fixture->json, "a\"\n", 1);
    json_end_object(&fixture->json);
    expect(fixture, "{\"a\\\"\\n\":1}");
}

static void keeps_utf8_and_replaces_the_rest(void **state) {
    struct fixture *fixture = *state;
    json_string(&fixture->json, "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80");
    expect(fixture, "\"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80\"");
    json_string(&fixture->json, "a\xFF"
                                "b");
    expect(fixture, "\"a\xEF\xBF\xBD"
                    "b\"");
    json_string(&fixture->json, "\xED\xA0\x80");
    expect(fixture, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    json_string(&fixture->json, "cut \xE2\x82");
    expect(fixture, "\"cut \xEF\xBF\xBD\xEF\xBF\xBD\"");
    json_text(&fixture->json, "\xC3\xBC", 1);
    expect(fixture, "\"\xEF\xBF\xBD\"");
}

static void writes_integers_of_64_bits(void **state) {
    struct fixture *fixture = *state;
    json_integer(&fixture->json, INT64_MIN);
    expect(fixture, "-9223372036854775808");
    json_integer(&fixture->json, INT64_MAX);
    expect(fixture, "9223372036854775807");
}

static void writes_numbers_that_read_back(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "1"},
        {0.1, "0.1"},
        {0.25, "0.25"},
        {-1.5, "-1.5"},
        {1e300, "1e+300"},
        {5e-324, "4.94065645841247e-324"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {9007199254740993.0, "9007199254740992"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_number(&fixture->json, cases[i].value);
        if (isfinite(cases[i].value))
            assert_true(strtod(buffer_text(&fixture->out), NULL) == cases[i].value);
        expect(fixture, cases[i].text);
    }
}

static void nests_to_the_limit(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_array(&fixture->json);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_end_array(&fixture->json);
    assert_int_equal(fixture->out.length, 2 * JSON_DEPTH_MAX);
    assert_int_equal(fixture->json.depth, 0);
}

/* A byte is written in the same way wherever it stands in a run of others. */
static void escapes_at_every_place(void **state) {
    struct fixture *fixture = *state;
    enum { LENGTH = 20 };
    for (int byte = 0; byte < 256; byte++) {
        char alone[16] = {0};
        json_text(&fixture->json, &(char){(char)byte}, 1);
        memcpy(alone, fixture->out.data + 1, fixture->out.length - 2);
        for (int place = 0; place < LENGTH; place++) {
            char text[LENGTH];
            char expected[64];
            memset(text, 'a', LENGTH);
            text[place] = (char)byte;
            snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", place, "aaaaaaaaaaaaaaaaaaaa",
                     alone, LENGTH - 1 - place, "aaaaaaaaaaaaaaaaaaaa");
            buffer_clear(&fixture->out);
            json_text(&fixture->json, text, LENGTH);
            expect(fixture, expected);
        }
    }
}

/* Whether a process that opens so many arrays is aborted. */
static int aborts_at(struct json *json, int depth) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        for (int i = 0; i < depth; i++)
            json_array(json);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void does_not_nest_beyond_the_limit(void **state) {
    struct fixture *fixture = *state;
    assert_false(aborts_at(&fixture->json, JSON_DEPTH_MAX));
    assert_true(aborts_at(&fixture->json, JSON_DEPTH_MAX + 1));
}

/* Whatever the bytes, what is written is a JSON string: it holds no control character, no quote
 * but an escaped one, and no malformed UTF-8. */
static void is_a_string_for_all_bytes(void **state) {
    struct fixture *fixture = *state;
    char bytes[2];
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            bytes[0] = (char)first;
            bytes[1] = (char)second;
            buffer_clear(&fixture->out);
            json_text(&fixture->json, bytes, 2);
            const char *text = buffer_text(&fixture->out);
            size_t last = fixture->out.length - 1;
            assert_true(text[0] == '"' && text[last] == '"');
            for (size_t i = 1; i < last; i++) {
                unsigned char byte = (unsigned char)text[i];
                assert_true(byte >= 0x20 && byte != '"');
                if (byte == '\\')
                    assert_true(++i < last);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(puts_commas_between, set_up, tear_down),
        cmocka_unit_test_setup_teardown(indents_when_pretty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(appends_to_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes_what_must_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes_names_of_members, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_utf8_and_replaces_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_integers_of_64_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_numbers_that_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nests_to_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes_at_every_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(does_not_nest_beyond_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_a_string_for_all_bytes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
