/* YAML and JSON as configuration: what is read, and what is refused and where. */
#include "base/yaml.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect_bytes(const char *text, size_t length, const char *json) {
    struct buffer out = {0};
    /* A copy of just these bytes, so that reading beyond them is found. */
    char *copy = malloc(length ? length : 1);
    memcpy(copy, text, length);
    struct error *error = yaml_to_json("f", copy, length, &out);
    if (error)
        fail_msg("%s: %s", text, error->message);
    assert_string_equal(buffer_text(&out), json);
    buffer_free(&out);
    free(copy);
}

static void expect(const char *text, const char *json) {
    expect_bytes(text, strlen(text), json);
}

static void expect_refused(const char *text, enum error_kind kind, const char *message) {
    struct buffer out = {0};
    buffer_string(&out, "before");
    struct error *error = yaml_to_json("f", text, strlen(text), &out);
    assert_non_null(error);
    if (error->kind != kind || !strstr(error->message, message))
        fail_msg("%s: %s: %s", text, error_kind_name(error->kind), error->message);
    assert_string_equal(buffer_text(&out), "before");
    buffer_free(&out);
    error_free(error);
}

static void reads_what_people_write(void **state) {
    (void)state;
    expect("adapters:\n"
           "  - name: sql\n"
           "    artifactURL: s3://b/sql # a comment\n"
           "    \"base model\": 'it''s'\n"
           "  - {name: chat, pinned: true, n: [1, 2.5, -3]}\n"
           "empty:\n"
           "text: |\n"
           "  a\n"
           "  b\n"
           "folded: >-\n"
           "  a\n"
           "  b\n",
           "{\"adapters\":[{\"name\":\"sql\",\"artifactURL\":\"s3://b/sql\",\"base "
           "model\":\"it's\"},{\"name\":\"chat\",\"pinned\":true,\"n\":[1,2.5,-3]}],\"empty\":null,"
           "\"text\":\"a\\nb\\n\",\"folded\":\"a b\"}");
    expect("%YAML 1.1\n---\na: 1\n...\n", "{\"a\":1}");
    expect("", "null");
    expect("# nothing\n", "null");
    expect("---\n", "null");
    expect("text", "\"text\"");
    expect("[]", "[]");
    expect("{}", "{}");
    expect("? a\n: b\n", "{\"a\":\"b\"}");
    expect("\xef\xbb\xbf"
           "a: \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
           "{\"a\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"}");
    expect_bytes("\xff\xfe"
                 "a\0:\0 \0b\0",
                 10, "{\"a\":\"b\"}");
}

static void resolves_by_the_core_schema(void **state) {
    (void)state;
    expect("[null, Null, NULL, ~, '', \"null\", nULL]",
           "[null,null,null,null,\"\",\"null\",\"nULL\"]");
    expect("[true, True, TRUE, false, False, FALSE, yes, no, on, off, y, \"true\"]",
           "[true,true,true,false,false,false,\"yes\",\"no\",\"on\",\"off\",\"y\",\"true\"]");
    expect("[0, -0, +12, 007, 0x1F, 0o17, 1e3, 1.5E-2, .5, 5., -.5e1, 123456789012]",
           "[0,-0,12,7,31,15,1000,0.015,0.5,5,-5,123456789012]");
    expect("[1_000, 0b1, 1:30, 0x, 0o8, ., -, +, e3, 1e, '5', 1.2.3, 0x1p3]",
           "[\"1_000\",\"0b1\",\"1:30\",\"0x\",\"0o8\",\".\",\"-\",\"+\",\"e3\",\"1e\",\"5\","
           "\"1.2.3\",\"0x1p3\"]");
    expect("1: a\ntrue: b\n~: c\n2.50: d\n",
           "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\",\"2.50\":\"d\"}");
    expect("2026-10-01", "\"2026-10-01\"");
    expect("!!str 5", "\"5\"");
    expect("! '5'", "\"5\"");
    expect("[!!int '5', !!float 5, !!bool \"true\", !!null '', !!seq [], !!map {}]",
           "[5,5,true,null,[],{}]");
}

static void reads_json(void **state) {
    (void)state;
    expect("{\"a\":[1,-2.5e3,true,false,null,\"\\u00e4\\n\\\"\\/\"],\"b\":{}}",
           "{\"a\":[1,-2500,true,false,null,\"\xc3\xa4\\n\\\"/\"],\"b\":{}}");
    expect("\t{\n\t\t\"a\":\t[1,\n\t2]\n\t}\n", "{\"a\":[1,2]}");
    expect("{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\xf0\x9f\x98\x80\"}");
    static const char breaks[] = "{\"a\":\"v\xc2\x85x\xe2\x80\xa8y\xe2\x80\xa9z\"}";
    expect(breaks, breaks);
    expect("a: \"x\xc2\x85y\"", "{\"a\":\"x y\"}"); /* in YAML 1.1 */
    char *text = memory_format("{\"%01100d\":1}", 0);
    expect(text, text);
    memory_free(text);
    expect_refused("\t{\"a\":1,\"a\":2}", ERROR_INVALID, "the key a is there twice");
    expect_refused("\t[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
                   ERROR_LIMIT, "more than 32 levels");
    expect_refused("\t{\"a\":1} x", ERROR_INVALID, "f, line 1, column 1: ");
    expect_refused("{\"a\":", ERROR_INVALID, "did not find expected node content");
}

static void expands_aliases(void **state) {
    (void)state;
    expect("a: &x {b: [1]}\nc: *x\nd: [*x, *x]\n",
           "{\"a\":{\"b\":[1]},\"c\":{\"b\":[1]},\"d\":[{\"b\":[1]},{\"b\":[1]}]}");
    expect("[&a 1, &a 2, *a]", "[1,2,2]");
    expect("{&k key: 1, b: *k}", "{\"key\":1,\"b\":\"key\"}");
    expect("[&k key, {*k : 1}]", "[\"key\",{\"key\":1}]");
}

static void says_where_it_is_wrong(void **state) {
    (void)state;
    expect_refused("a: b: c", ERROR_INVALID,
                   "f, line 1, column 5: mapping values are not allowed in this context");
    expect_refused("a: 1\n\tb: 2", ERROR_INVALID, "f, line 2, column 1: ");
    expect_refused("a: [1, 2\nb: 3\n", ERROR_INVALID, "f, line 2, column 2: ");
    expect_refused("a: 'x\n", ERROR_INVALID, "found unexpected end of stream");
    expect_refused("a: \xff", ERROR_INVALID, "f, byte 3: invalid leading UTF-8 octet");
    expect_refused("a: \x01", ERROR_INVALID, "control characters are not allowed");
    expect_refused("a: 1\nb: 2\na: 3", ERROR_INVALID,
                   "f, line 3, column 1: the key a is there twice; it is in line 1 too");
    expect_refused("a:\n  1: x\n  '1': y", ERROR_INVALID,
                   "f, line 3, column 3: the key 1 is there twice");
    expect_refused("a: !thing x", ERROR_INVALID,
                   "f, line 1, column 4: the tag !thing does not fit here");
    expect_refused("a: !!binary aGk=", ERROR_INVALID, "the tag tag:yaml.org,2002:binary does not");
    expect_refused("a: !!int x", ERROR_INVALID, "does not fit");
    expect_refused("a: !!int 1.5", ERROR_INVALID, "does not fit");
    expect_refused("!!map []", ERROR_INVALID, "the tag tag:yaml.org,2002:map does not fit");
    expect_refused("a: 1\n---\nb: 2", ERROR_INVALID,
                   "f, line 2, column 1: there is more than one document");
    expect_refused("? [a]\n: b", ERROR_INVALID, "f, line 1, column 3: a key is a text, not a list");
    expect_refused("? {a: b}\n: b", ERROR_INVALID, "a key is a text");
    expect_refused("x: &x {a: 1}\ny:\n  <<: *x", ERROR_INVALID,
                   "f, line 3, column 3: merge keys (<<) are not accepted; write the members out");
    expect("{'<<': 1, a: <<}", "{\"<<\":1,\"a\":\"<<\"}");
    expect_refused("\"a\\0b\": 1", ERROR_INVALID, "a key has no NUL in it");
    expect("\"a\\0b\"", "\"a\\u0000b\"");
    expect_refused("a: .inf", ERROR_INVALID, "f, line 1, column 4: .inf is not a finite number");
    expect_refused("[-.INF]", ERROR_INVALID, "not a finite number");
    expect_refused("[.NaN]", ERROR_INVALID, "not a finite number");
    expect_refused("[1e999]", ERROR_INVALID, "not a finite number");
    expect_refused("a: *none", ERROR_INVALID, "f, line 1, column 4: there is no anchor &none");
}

static void is_bounded(void **state) {
    (void)state;
    char deep[80];
    memset(deep, '[', 32);
    memset(deep + 32, ']', 32);
    deep[64] = '\0';
    expect(deep, deep);
    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    deep[66] = '\0';
    expect_refused(deep, ERROR_LIMIT,
                   "f, line 1, column 33: lists and tables are nested more than 32 levels");
    expect_refused("&a [*a]", ERROR_LIMIT, "nested more than 32 levels deep, with aliases");
    expect_refused(
        "a: &a [&b [&c [1,1,1,1,1,1,1,1,1,1],*c,*c,*c,*c,*c,*c,*c,*c,*c],*b,*b,*b,*b,*b,*b,"
        "*b,*b,*b]\nb: [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &d [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]"
        "\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]",
        ERROR_LIMIT, "there are more than 100000 values or 16777216 bytes, with aliases");
    struct buffer text = {0};
    buffer_byte(&text, '[');
    for (int i = 0; i < YAML_NODES_MAX; i++)
        buffer_string(&text, "1,");
    buffer_string(&text, "]");
    expect_refused(buffer_text(&text), ERROR_LIMIT, "there are more than 100000 values");
    buffer_clear(&text);
    buffer_string(&text, "- &a ");
    memset(buffer_reserve(&text, 1000000), 'x', 1000000);
    text.length += 1000000;
    for (int i = 0; i < 20; i++)
        buffer_string(&text, "\n- *a");
    expect_refused(buffer_text(&text), ERROR_LIMIT, "16777216 bytes, with aliases");
    buffer_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_people_write),
        cmocka_unit_test(resolves_by_the_core_schema),
        cmocka_unit_test(reads_json),
        cmocka_unit_test(expands_aliases),
        cmocka_unit_test(says_where_it_is_wrong),
        cmocka_unit_test(is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
