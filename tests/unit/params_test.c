/* From request bodies to parameters: what is taken, what is refused and how, and what is derived.
 */
#include "policy/params_internal.h"

#include "base/memory.h"
#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char rules[] =
    "return { api = 1, workflow = 'fetch', route = { method = 'POST', path = '/v1/fetch/{name}' "
    "},\n"
    "  params = {\n"
    "    { name = 'name', type = 'string' },\n"
    "    { name = 'output_dir', type = 'directory', required = true },\n"
    "    { name = 'config', type = 'config' },\n"
    "    { name = 'workers', type = 'integer', default = 8, min = 1, max = 16 },\n"
    "    { name = 'ratio', type = 'number' },\n"
    "    { name = 'later', type = 'boolean', default = false },\n"
    "    { name = 'include', type = 'list', max = 2 },\n"
    "    { name = 'extra', type = 'object' },\n"
    "    { name = 'mode', type = 'string', choices = { 'fast', 'careful' } },\n"
    "  },\n"
    "  async = 'later', started = { message = 'on its way', echo = { 'output_dir', 'ratio' } },\n"
    "  same = { 'output_dir', 'config' }, exclusive = 'output_dir',\n"
    "  serial = 'mode', run = function() end }\n";

static struct generation *generation;
static const struct workflow *workflow;
static const struct access anywhere = {0};

static int set_up(void **state) {
    (void)state;
    struct problems problems = {0};
    struct rule_sources sources = {.lua = "lua"};
    generation =
        generation_build(snapshot_of("fetch.lua", rules, strlen(rules)), &sources, 1, &problems);
    for (size_t i = 0; i < problems.count; i++)
        print_error("%s\n", problems.list[i].text);
    problems_free(&problems);
    if (!generation)
        return -1;
    workflow = generation_workflow_at(generation, 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    generation_unref(generation);
    return 0;
}

static struct call take(const char *body) {
    struct call call;
    struct error *error = params_check(generation, workflow, &anywhere, body, strlen(body),
                                       &(struct path_value){"name", "m1"}, 1, &call);
    if (error)
        fail_msg("%s: %s", body, error->message);
    return call;
}

static void refuse(const char *body, enum error_kind kind, const char *message) {
    struct call call;
    struct error *error =
        params_check(generation, workflow, &anywhere, body, strlen(body), NULL, 0, &call);
    if (!error)
        fail_msg("%s was taken", body);
    char *text = error_text(error);
    if (!strstr(text, message))
        fail_msg("%s: %s", body, text);
    assert_int_equal(error->kind, kind);
    assert_null(call.params);
    memory_free(text);
    error_free(error);
}

static void test_fills_in_and_keeps(void **state) {
    (void)state;
    struct call call = take("{\"output_dir\":\"/models//a/../b\",\"unknown\":[1],\"ratio\":null,"
                            "\"include\":\"*.json\",\"config\":\"{\\\"k\\\":\\\"s3cret\\\"}\"}");
    assert_string_equal(call.params,
                        "{\"output_dir\":\"/models/b\",\"unknown\":[1],\"include\":[\"*.json\"],"
                        "\"config\":{\"k\":\"s3cret\"},\"name\":\"m1\",\"workers\":8,"
                        "\"later\":false}");
    assert_string_equal(call.description,
                        "{\"name\":\"m1\",\"output_dir\":\"/models/b\",\"workers\":8,"
                        "\"later\":false,\"include\":[\"*.json\"]}");
    assert_string_equal(call.echo, "\"output_dir\":\"/models//a/../b\",\"ratio\":null");
    assert_string_equal(call.exclusive, "the directory '/models/b'");
    assert_string_equal(call.source, "");
    assert_false(call.async);
    assert_null(strstr(call.same, "s3cret"));
    call_free(&call);
    call = take("{\"output_dir\":\"/m\",\"later\":true,\"workers\":16.0,\"config\":{}}");
    assert_true(call.async);
    call_free(&call);
}

static void test_whose_turn_it_is(void **state) {
    (void)state;
    struct call a = take("{\"output_dir\":\"/m\",\"mode\":\"fast\"}");
    struct call b = take("{\"output_dir\":\"/m\"}");
    assert_string_equal(a.serial, "mode:\"fast\"");
    assert_null(b.serial); /* without the parameter there is nobody to wait for */
    call_free(&a);
    call_free(&b);
}

static void test_the_same_call(void **state) {
    (void)state;
    struct call a = take("{\"output_dir\":\"/m/x\",\"config\":{\"k\":\"1\"},\"workers\":2}");
    struct call b = take("{\"config\":\"{\\\"k\\\": \\\"1\\\"}\",\"output_dir\":\"/m/./x\"}");
    struct call c = take("{\"output_dir\":\"/m/x\",\"config\":{\"k\":\"2\"}}");
    struct call d = take("{\"output_dir\":\"/m/x\"}");
    assert_string_equal(a.same, b.same);
    assert_string_not_equal(a.same, c.same);
    assert_string_not_equal(a.same, d.same);
    assert_string_equal(a.exclusive, c.exclusive);
    call_free(&a);
    call_free(&b);
    call_free(&c);
    call_free(&d);
}

static void test_refusals(void **state) {
    (void)state;
    refuse("", ERROR_INVALID, "Missing required parameter: output_dir");
    refuse("{\"output_dir\":\"\"}", ERROR_INVALID, "Missing required parameter: output_dir");
    refuse("{\"output_dir\":null}", ERROR_INVALID, "Missing required parameter: output_dir");
    refuse("[]", ERROR_INVALID, "expected a JSON object, got a list");
    refuse("3", ERROR_INVALID, "expected a JSON object, got a number");
    refuse("{\"a\":1,\n \"b\" 2}", ERROR_INVALID, "not JSON at line 2, column 6");
    refuse("{} x", ERROR_INVALID, "not JSON at line 1, column 4");
    refuse("{\n\"a\":\"\xff\"}", ERROR_INVALID, "not JSON at line 2, column 6");
    refuse("{\"output_dir\":7}", ERROR_INVALID, "'output_dir': expected text, got a number");
    refuse("{\"output_dir\":\"/etc\"}", ERROR_DENIED, "system's own");
    refuse("{\"output_dir\":\"/m\\n\"}", ERROR_INVALID, "control characters");
    refuse("{\"output_dir\":\"/m\",\"workers\":\"8\"}", ERROR_INVALID,
           "'workers': expected a whole number, got text");
    refuse("{\"output_dir\":\"/m\",\"workers\":1.5}", ERROR_INVALID, "whole number, got 1.5");
    refuse("{\"output_dir\":\"/m\",\"workers\":0}", ERROR_INVALID, "at least 1");
    refuse("{\"output_dir\":\"/m\",\"workers\":17}", ERROR_INVALID, "at most 16");
    refuse("{\"output_dir\":\"/m\",\"later\":\"yes\"}", ERROR_INVALID, "true or false");
    refuse("{\"output_dir\":\"/m\",\"include\":[1]}", ERROR_INVALID, "'include'");
    refuse("{\"output_dir\":\"/m\",\"include\":[\"a\",\"b\",\"c\"]}", ERROR_INVALID, "at most 2");
    refuse("{\"output_dir\":\"/m\",\"extra\":[]}", ERROR_INVALID, "expected an object, got a list");
    refuse("{\"output_dir\":\"/m\",\"mode\":\"carefull\"}", ERROR_INVALID,
           "did you mean 'careful'?");
    refuse("{\"output_dir\":\"/m\",\"config\":[]}", ERROR_INVALID, "JSON object");
    refuse("{\"output_dir\":\"/m\",\"config\":\"{\\\"secret\\\"\"}", ERROR_INVALID,
           "parameter 'config': not JSON at line 1");
}

static void test_no_secret_is_quoted(void **state) {
    (void)state;
    struct call call;
    const char body[] = "{\"output_dir\":\"/m\",\"config\":\"hunter2hunter2\"}";
    struct error *error =
        params_check(generation, workflow, &anywhere, body, sizeof body - 1, NULL, 0, &call);
    assert_non_null(error);
    char *text = error_text(error);
    assert_null(strstr(text, "hunter2"));
    memory_free(text);
    error_free(error);
}

/* What redact() makes of a text while the call is there. */
static void shown(const char *text, const char *expected) {
    struct buffer buffer = {0};
    buffer_string(&buffer, text);
    redact(&buffer, 0);
    assert_string_equal(buffer_text(&buffer), expected);
    buffer_free(&buffer);
}

static void test_secrets_in_urls_are_hidden(void **state) {
    (void)state;
    struct call call = {0};
    params_hide(&call, "https://user:pass@h:1/a@b/m.bin?sig=abc&x=1#part");
    params_hide(&call, "acme://models/m1@v1");
    params_hide(&call, "acme://m1@v1");
    params_hide(&call, "https://h/m.bin?");
    params_hide(&call, "no/uri?whatever");
    shown("GET https://user:pass@h:1/a@b/m.bin?sig=abc&x=1#part: no",
          "GET https://***@h:1/a@b/m.bin?***: no");
    shown("acme://models/m1@v1 no/uri?whatever", "acme://models/m1@v1 no/uri?whatever");
    call_free(&call);
    shown("user:pass sig=abc&x=1#part", "user:pass sig=abc&x=1#part");
}

static void test_the_last_of_a_name_counts(void **state) {
    (void)state;
    struct call call =
        take("{\"output_dir\":\"/etc\",\"config\":{\"k\":\"s3cret\"},\"output_dir\":\"/m\","
             "\"config\":{},\"output_dir\":\"/n\",\"name\":\"body's\"}");
    assert_string_equal(call.params, "{\"config\":{},\"output_dir\":\"/n\",\"name\":\"m1\","
                                     "\"workers\":8,\"later\":false}");
    assert_string_equal(call.exclusive, "the directory '/n'");
    call_free(&call);
    refuse("{\"output_dir\":\"/m\",\"output_dir\":\"/etc\"}", ERROR_DENIED, "system's own");
}

static void test_path_values_win(void **state) {
    (void)state;
    struct call call;
    static const struct path_value values[] = {
        {"name", "from-path"}, {"workers", "3"}, {"later", "true"}};
    const char body[] = "{\"output_dir\":\"/m\",\"name\":\"from-body\",\"workers\":4}";
    assert_null(
        params_check(generation, workflow, &anywhere, body, sizeof body - 1, values, 3, &call));
    assert_non_null(strstr(call.params, "\"name\":\"from-path\""));
    assert_non_null(strstr(call.params, "\"workers\":3"));
    assert_true(call.async);
    call_free(&call);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_in_and_keeps),
        cmocka_unit_test(test_whose_turn_it_is),
        cmocka_unit_test(test_the_same_call),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_secret_is_quoted),
        cmocka_unit_test(test_secrets_in_urls_are_hidden),
        cmocka_unit_test(test_the_last_of_a_name_counts),
        cmocka_unit_test(test_path_values_win),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
