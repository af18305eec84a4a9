#include "metrics/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct decimal parsed(const char *text) {
    struct decimal value;
    if (!decimal_parse(text, strlen(text), &value))
        fail_msg("\"%s\" was not taken as a decimal", text);
    return value;
}

static void assert_written(const struct decimal *value, const char *expected) {
    struct buffer out = {0};
    decimal_write(value, &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_free(&out);
}

static void scales_exactly(void **state) {
    (void)state;
    static const struct {
        const char *number, *scale, *product;
    } cases[] = {
        {"250", "0.001", "0.25"},
        {"250.0", "1e-3", "0.25"},
        {"0.1", "3", "0.3"},
        {"0.7", "0.1", "0.07"},
        {"1e3", "1e-3", "1"},
        {"1.1", "1.1", "1.21"},
        {"2.5e-05", "1000000", "25"},
        {"1e+011", "1e-6", "100000"},
        {"0.005", "1000", "5"},
        {"-5", "0.001", "-0.005"},
        {"-5", "-2", "10"},
        {"+5", "2", "10"},
        {"0", "0.001", "0"},
        {"0.000", "1e300", "0"},
        {"-0", "0.001", "-0"},
        {"5e-324", "1e-3", "5e-327"},
        {"1.7976931348623157e+308", "1000", "1.7976931348623157e+311"},
        {"123456789012345678901234567890", "0.001", "1.2345678901234567890123456789e+26"},
        {"99999999999999999999", "99999999999999999999",
         "9.999999999999999999800000000000000000001e+39"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct decimal number = parsed(cases[i].number), scale = parsed(cases[i].scale), product;
        assert_true(decimal_multiply(&number, &scale, &product));
        assert_written(&product, cases[i].product);
        assert_true(decimal_multiply(&scale, &number, &scale)); /* in place, and the other way */
        assert_written(&scale, cases[i].product);
    }
}

static void writes_the_shortest_text(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"007", "7"},
        {"-7.50", "-7.5"},
        {".5", "0.5"},
        {"5.", "5"},
        {"0.0000001", "0.0000001"},
        {"1.25e-7", "0.000000125"},
        {"0.00000001", "1e-08"},
        {"1.5e-8", "1.5e-08"},
        {"1e20", "100000000000000000000"},
        {"999999999999999999999", "999999999999999999999"},
        {"1e21", "1e+21"},
        {"12e21", "1.2e+22"},
        {"1E5", "100000"},
        {"1e005", "100000"},
        {"0e99999", "0"},
        {"1e99999", "1e+99999"},
        {"1e-99999", "1e-99999"},
        {"100.0010", "100.001"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct decimal value = parsed(cases[i][0]);
        assert_written(&value, cases[i][1]);
    }
}

static void refuses_what_is_no_decimal(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",     "+",   "-",    ".",    "-.",    "e5",  "1e",       "1e+",      "1e-", "1.2.3",
        "1 ",   " 1",  "1,5",  "0x10", "--1",   "+-1", "NaN",      "+Inf",     "Inf", "1e5.0",
        "1e1a", "1_0", "1e+-", "1f",   "1e--1", "e",   "1e100000", "-nan(ind)"};
    struct decimal value;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_false(decimal_parse(cases[i], strlen(cases[i]), &value));
    assert_false(decimal_parse("1e99999999999999999999", 22, &value));
}

static void reads_no_further_than_told(void **state) {
    (void)state;
    struct decimal value;
    assert_true(decimal_parse("12.5e3", 2, &value));
    assert_written(&value, "12");
    assert_true(decimal_parse("12.5e3", 4, &value));
    assert_written(&value, "12.5");
    assert_false(decimal_parse("12.5e3", 5, &value));
}

static void counts_only_significant_digits(void **state) {
    (void)state;
    char text[1000];
    struct decimal value, ten = parsed("10");
    memset(text, '7', sizeof text);
    assert_true(decimal_parse(text, DECIMAL_DIGITS, &value));
    assert_int_equal(value.count, DECIMAL_DIGITS);
    assert_true(decimal_multiply(&value, &ten, &value));
    assert_int_equal(value.count, DECIMAL_DIGITS);
    assert_false(decimal_parse(text, DECIMAL_DIGITS + 1, &value));

    memset(text, '0', sizeof text); /* some languages write 1e300 and 1e-300 like this */
    text[0] = '1';
    assert_true(decimal_parse(text, 301, &value));
    assert_written(&value, "1e+300");
    text[900] = '5';
    assert_true(decimal_parse(text, 900, &value));
    assert_false(decimal_parse(text, 901, &value));
    text[0] = '0';
    text[1] = '.';
    assert_true(decimal_parse(text, 901, &value));
    assert_written(&value, "5e-899");
    memset(text + 1, '0', 100);
    text[0] = '1';
    text[50] = '.';
    assert_true(decimal_parse(text, 900, &value));
    assert_written(&value, "1e+49");
}

static void a_product_with_too_many_digits_changes_nothing(void **state) {
    (void)state;
    char text[DECIMAL_DIGITS];
    memset(text, '9', sizeof text);
    struct decimal value, result = parsed("42"), eleven = parsed("11");
    assert_true(decimal_parse(text, sizeof text, &value));
    assert_false(decimal_multiply(&value, &eleven, &result));
    assert_written(&result, "42");
    assert_false(decimal_multiply(&value, &value, &value));
    assert_int_equal(value.count, DECIMAL_DIGITS);
}

/* Products of random integers with the decimal point anywhere, checked in 128-bit arithmetic. */
static void agrees_with_integer_arithmetic(void **state) {
    (void)state;
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        uint64_t a = seed >> seed % 60, b = (seed * 0x9e3779b97f4a7c15u) >> seed % 61;
        unsigned __int128 product = (unsigned __int128)a * b;
        char text[64], expected[64], *digit = expected + sizeof expected;
        *--digit = '\0';
        do
            *--digit = (char)('0' + (int)(product % 10));
        while (product /= 10);
        snprintf(text, sizeof text, "%llue-30", (unsigned long long)a);
        struct decimal left = parsed(text), result;
        snprintf(text, sizeof text, "%llue+12", (unsigned long long)b);
        struct decimal right = parsed(text);
        strcat(strcpy(text, digit), "e-18");
        struct decimal wanted = parsed(text);
        assert_true(decimal_multiply(&left, &right, &result));
        assert_int_equal(result.count, wanted.count);
        assert_int_equal(result.exponent, wanted.exponent);
        assert_memory_equal(result.digits, wanted.digits, (size_t)wanted.count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_exactly),
        cmocka_unit_test(writes_the_shortest_text),
        cmocka_unit_test(refuses_what_is_no_decimal),
        cmocka_unit_test(reads_no_further_than_told),
        cmocka_unit_test(counts_only_significant_digits),
        cmocka_unit_test(a_product_with_too_many_digits_changes_nothing),
        cmocka_unit_test(agrees_with_integer_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
