#include "metrics/exposition.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void assert_span(struct span span, const char *expected) {
    if (!expected) {
        assert_null(span.at);
        return;
    }
    assert_non_null(span.at);
    assert_int_equal(span.length, strlen(expected));
    assert_memory_equal(span.at, expected, span.length);
}

static void reads_samples(void **state) {
    (void)state;
    static const struct {
        const char *line, *name, *labels, *value, *rest, *exemplar;
    } cases[] = {
        {"a 1", "a", NULL, "1", "", NULL},
        {"_:A9 1", "_:A9", NULL, "1", "", NULL},
        {"vllm:x\t1", "vllm:x", NULL, "1", "", NULL},
        {"  a  1  ", "a", NULL, "1", "  ", NULL},
        {"a{} 1", "a", "", "1", "", NULL},
        {"a{ } 1", "a", " ", "1", "", NULL},
        {"a{}1", "a", "", "1", "", NULL},
        {"a {b=\"c\"} 1", "a", "b=\"c\"", "1", "", NULL},
        {"a{b=\"c\",} 1", "a", "b=\"c\",", "1", "", NULL},
        {"a{ b = \"c\" , d=\"\" } 1", "a", " b = \"c\" , d=\"\" ", "1", "", NULL},
        {"a{le=\"0.5\",b=\"c\"} 1", "a", "le=\"0.5\",b=\"c\"", "1", "", NULL},
        {"a{b=\"}\"} 1", "a", "b=\"}\"", "1", "", NULL},
        {"a{b=\"# {\"} 1", "a", "b=\"# {\"", "1", "", NULL},
        {"a{b=\"\\\"} 2\"} 1", "a", "b=\"\\\"} 2\"", "1", "", NULL},
        {"a{b=\"\\\\\"} 1", "a", "b=\"\\\\\"", "1", "", NULL},
        {"a{b=\"\xff\xc3\xb6\x01\"} 1", "a", "b=\"\xff\xc3\xb6\x01\"", "1", "", NULL},
        {"a{\"b.c\"=\"d\"} 1", "a", "\"b.c\"=\"d\"", "1", "", NULL},
        {"{\"a.b\"} 1", "", "\"a.b\"", "1", "", NULL},
        {"{ \"a.b\" , c=\"d\"} 1", "", " \"a.b\" , c=\"d\"", "1", "", NULL},
        {"a 1 1788860300500", "a", NULL, "1", " 1788860300500", NULL},
        {"a 1 1788860300.5", "a", NULL, "1", " 1788860300.5", NULL},
        {"a 1 -1", "a", NULL, "1", " -1", NULL},
        {"a 1 # {} 2", "a", NULL, "1", " # {} 2", "# {} 2"},
        {"a 1 5 # {b=\"#\"} 2 3 ", "a", NULL, "1", " 5 # {b=\"#\"} 2 3 ", "# {b=\"#\"} 2 3 "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t length = strlen(cases[i].line);
        char *line = memcpy(memory_alloc(length), cases[i].line, length);
        struct exposition_sample sample;
        if (!exposition_sample(line, line + length, &sample))
            fail_msg("not taken as a sample: %s", cases[i].line);
        assert_span(sample.name, cases[i].name);
        assert_span(sample.labels, cases[i].labels);
        assert_span(sample.value, cases[i].value);
        assert_span(sample.rest, cases[i].rest);
        assert_span(sample.exemplar, cases[i].exemplar);
        memory_free(line);
    }
}

static void refuses_what_is_no_sample(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "a",
        "a ",
        "1",
        "1a 1",
        "a-b 1",
        "\xc3\xb6 1",
        "# a 1",
        "a b",
        "a 1 b",
        "a 1 2 3",
        "a 1\r",
        "a 0x10",
        "a 1_000",
        "a 1e",
        "a 1,5",
        "a --1",
        "a nanosecond",
        "a infinit",
        "a{",
        "a{}",
        "a{} ",
        "a{b} 1",
        "a{b=} 1",
        "a{b=c} 1",
        "a{b='c'} 1",
        "a{b=\"c} 1",
        "a{b=\"c\\\"} 1",
        "a{b=\"c\"",
        "a{b=\"c\" d=\"e\"} 1",
        "a{b=\"c\",,d=\"e\"} 1",
        "a{,} 1",
        "a{,b=\"c\"} 1",
        "a{1b=\"c\"} 1",
        "a{b:c=\"d\"} 1",
        "a{b=\"c\"}} 1",
        "a{\"b\"} 1",
        "a{b=\"c\",\"d\"} 1",
        "{} 1",
        "{b=\"c\"} 1",
        "{\"b\"=\"c\"} 1",
        "{\"a\",\"b\"} 1",
        "{\"a} 1",
        "{\"requests\": 1}",
        "a 1 #",
        "a 1 # ",
        "a 1 # 2",
        "a 1 # {}",
        "a 1 # {} x",
        "a 1 # {b} 2",
        "a 1 # {\"b\"} 2",
        "a 1 # {} 2 3 4",
        "a 1# {} 2",
        "a # {} 2",
        "<html>",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t length = strlen(cases[i]);
        char *line = memcpy(memory_alloc(length), cases[i], length);
        struct exposition_sample sample;
        if (exposition_sample(line, line + length, &sample))
            fail_msg("taken as a sample: %s", cases[i]);
        memory_free(line);
    }
}

static void knows_every_number_engines_print(void **state) {
    (void)state;
    static const char *const numbers[] = {
        "0",    "-0",       "+1",        "1.",        ".5",        "-.5",      "1e5",
        "1E+5", "1.5e-011", "1e+011",    "NaN",       "Nan",       "nan",      "NAN",
        "+NaN", "-nan",     "Inf",       "+Inf",      "-Inf",      "inf",      "+inf",
        "-inf", "+INF",     "+Infinity", "-infinity", "-nan(ind)", "nan(ind)", "007"};
    static const char *const others[] = {"",      "+",     "-",    ".",   "-.",  "1e",      "1e+",
                                         "e5",    "1.2.3", "1e5.", "+-1", "0x1", "Infinit", "nan(",
                                         "nan()", "N",     "1 ",   " 1",  "1f",  "++Inf"};
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (!exposition_number(numbers[i], strlen(numbers[i])))
            fail_msg("not taken as a number: %s", numbers[i]);
    for (size_t i = 0; i < COUNT(others); i++)
        if (exposition_number(others[i], strlen(others[i])))
            fail_msg("taken as a number: %s", others[i]);
}

static void tells_the_nans_that_parsers_refuse(void **state) {
    (void)state;
    static const char *const odd[] = {"-nan", "+NaN", "-nan(ind)", "nan(ind)", "-NaN(IND)"};
    static const char *const fine[] = {"NaN", "Nan", "nan", "-Inf", "-1", "", "-", "-nana"};
    for (size_t i = 0; i < COUNT(odd); i++)
        assert_true(exposition_odd_nan(odd[i], strlen(odd[i])));
    for (size_t i = 0; i < COUNT(fine); i++)
        assert_false(exposition_odd_nan(fine[i], strlen(fine[i])));
}

static void steps_through_labels(void **state) {
    (void)state;
    static const char text[] = " le = \"0.5\" ,a=\"\",\"b.c\"=\"\\\"x\\\\\",d=\",}\", ";
    static const char *const expected[][2] = {
        {"le", "0.5"}, {"a", ""}, {"\"b.c\"", "\\\"x\\\\"}, {"d", ",}"}};
    const char *at = text, *end = text + strlen(text);
    struct exposition_label label;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_true(exposition_label(&at, end, &label));
        assert_span(label.name, expected[i][0]);
        assert_span(label.value, expected[i][1]);
    }
    assert_false(exposition_label(&at, end, &label));
    assert_ptr_equal(at, end);

    static const char *const broken[] = {"a", "a=", "a=b", "=\"a\"", "a=\"b", "a=\"b\" c", "\"a"};
    for (size_t i = 0; i < COUNT(broken); i++) {
        at = broken[i];
        end = at + strlen(at);
        assert_false(exposition_label(&at, end, &label));
        assert_ptr_not_equal(at, end);
    }
}

/* Whatever the fast reader takes, the strict one takes too, and they agree on the end. */
static void the_fast_reader_of_labels_is_as_strict(void **state) {
    (void)state;
    static const char *const canonical[] = {"{a=\"b\"}", "{a=\"b\",c=\"\"}",
                                            "{le=\"+Inf\",_9=\"\\\"}\"}",
                                            "{a=\"0123456789abcdef0123456789\"}"};
    static const char *const others[] = {
        "",           "{",           "{}",          "{a=\"b\",}",
        "{a=\"b\" }", "{ a=\"b\"}",  "{a =\"b\"}",  "{a= \"b\"}",
        "{a=\"b\"",   "{a=\"b",      "{a=b}",       "{\"a\"=\"b\"}",
        "{1=\"b\"}",  "{a:b=\"c\"}", "{a=\"b\\\"}", "{a=\"b\"c=\"d\"}",
        "a=\"b\"}"};
    const char *after;
    for (size_t i = 0; i < COUNT(canonical); i++) {
        const char *end = canonical[i] + strlen(canonical[i]);
        assert_true(exposition_canonical_labels(canonical[i], end, &after));
        assert_ptr_equal(after, end);
        char *line = memory_format("name%s 1", canonical[i]);
        struct exposition_sample sample;
        assert_true(exposition_sample(line, line + strlen(line), &sample));
        memory_free(line);
    }
    for (size_t i = 0; i < COUNT(others); i++)
        if (exposition_canonical_labels(others[i], others[i] + strlen(others[i]), &after))
            fail_msg("taken as canonical: %s", others[i]);
}

static void reads_comments(void **state) {
    (void)state;
    static const struct {
        const char *line;
        enum exposition_kind kind;
        const char *name, *text;
    } cases[] = {
        {"# HELP a The text.", EXPOSITION_HELP, "a", "The text."},
        {"# HELP a The text. ", EXPOSITION_HELP, "a", "The text. "},
        {"# HELP a", EXPOSITION_HELP, "a", ""},
        {"# HELP a ", EXPOSITION_HELP, "a", ""},
        {"#  HELP\ta\t  b \\n c", EXPOSITION_HELP, "a", "b \\n c"},
        {"# TYPE a:b counter", EXPOSITION_TYPE, "a:b", "counter"},
        {"# TYPE a", EXPOSITION_TYPE, "a", ""},
        {"# EOF", EXPOSITION_EOF, NULL, NULL},
        {"# EOF \t", EXPOSITION_EOF, NULL, NULL},
        {"# EOF x", EXPOSITION_COMMENT, NULL, NULL},
        {"# EOFX", EXPOSITION_COMMENT, NULL, NULL},
        {"#EOF", EXPOSITION_COMMENT, NULL, NULL},
        {"#", EXPOSITION_COMMENT, NULL, NULL},
        {"# ", EXPOSITION_COMMENT, NULL, NULL},
        {"#HELP a b", EXPOSITION_COMMENT, NULL, NULL},
        {"# HELP", EXPOSITION_COMMENT, NULL, NULL},
        {"# HELP ", EXPOSITION_COMMENT, NULL, NULL},
        {"# HELP 1a b", EXPOSITION_COMMENT, NULL, NULL},
        {"# HELPa b", EXPOSITION_COMMENT, NULL, NULL},
        {"# help a b", EXPOSITION_COMMENT, NULL, NULL},
        {"# UNIT a seconds", EXPOSITION_COMMENT, NULL, NULL},
        {"# just a remark", EXPOSITION_COMMENT, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t length = strlen(cases[i].line);
        char *line = memcpy(memory_alloc(length), cases[i].line, length);
        struct exposition_comment comment;
        exposition_comment(line, line + length, &comment);
        assert_int_equal(comment.kind, cases[i].kind);
        assert_span(comment.name, cases[i].name);
        assert_span(comment.text, cases[i].text);
        memory_free(line);
    }
}

static void measures_names(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {{"", 0},
                 {"a", 1},
                 {"a b", 1},
                 {"vllm:x_1{", 8},
                 {"9a", 0},
                 {":a", 2},
                 {"_", 1},
                 {"-a", 0},
                 {"a-b", 1},
                 {"a\xc3\xb6", 1},
                 {"\xc3\xb6", 0},
                 {"a.b", 1},
                 {"A_long_name_of_more_than_sixteen_bytes 1", 38}};
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(exposition_name(cases[i].text, cases[i].text + strlen(cases[i].text)),
                         cases[i].length);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_samples),
        cmocka_unit_test(refuses_what_is_no_sample),
        cmocka_unit_test(knows_every_number_engines_print),
        cmocka_unit_test(tells_the_nans_that_parsers_refuse),
        cmocka_unit_test(steps_through_labels),
        cmocka_unit_test(the_fast_reader_of_labels_is_as_strict),
        cmocka_unit_test(reads_comments),
        cmocka_unit_test(measures_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
