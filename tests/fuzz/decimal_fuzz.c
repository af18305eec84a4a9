/*
 * Exact decimals: two numbers, one to a line. What is written reads back as the same decimal, what
 * is a decimal is a number of the exposition, and for short numbers the product is that of long
 * doubles.
 */
#include "metrics/decimal.h"

#include "fuzz.h"
#include "metrics/exposition.h"

#include <math.h>

/* Digits of which a long double keeps every one, with room for rounding. */
enum { SHORT = 18 };

static void check_normal(const struct decimal *value) {
    must(value->count >= 0 && value->count <= DECIMAL_DIGITS);
    if (value->count == 0) {
        must(value->exponent == 0);
        return;
    }
    must(value->digits[0] != 0 && value->digits[value->count - 1] != 0);
    for (int i = 0; i < value->count; i++)
        must(value->digits[i] <= 9);
}

static void check_written(const struct decimal *value) {
    struct buffer text = {0};
    struct decimal again;
    check_normal(value);
    decimal_write(value, &text);
    must(text.length < 2 * DECIMAL_DIGITS + 40);
    if (abs(value->exponent) < 90000) {
        must(exposition_number(text.data, text.length));
        must(decimal_parse(text.data, text.length, &again));
        must(again.negative == value->negative && again.count == value->count);
        must(again.exponent == value->exponent);
        must(memcmp(again.digits, value->digits, (size_t)value->count) == 0);
    }
    buffer_free(&text);
}

static bool parse(const char *bytes, size_t length, struct decimal *value) {
    char *text = fuzz_copy(bytes, length);
    bool parsed = decimal_parse(text, length, value);
    if (parsed) {
        must(exposition_number(text, length));
        check_written(value);
    }
    memory_free(text);
    return parsed;
}

static bool is_short(const struct decimal *value) {
    return value->count <= SHORT && abs(value->exponent) < 1000;
}

static long double number(const char *bytes, size_t length) {
    char *text = memory_copy(bytes, length);
    long double value = strtold(text, NULL);
    memory_free(text);
    return value;
}

static void check_close(const struct decimal *value, long double expected) {
    struct buffer text = {0};
    decimal_write(value, &text);
    long double got = number(text.data, text.length);
    must(fabsl(got - expected) <= 1e-17L * fabsl(expected));
    buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *left = (const char *)data, *split = memchr(data, '\n', size);
    if (!split)
        return 0;
    const char *right = split + 1;
    size_t left_length = (size_t)(split - left), right_length = size - left_length - 1;
    struct decimal a, b, product, swapped;
    bool parsed = parse(left, left_length, &a);
    if (!parse(right, right_length, &b) || !parsed)
        return 0;
    bool fits = decimal_multiply(&a, &b, &product);
    must(fits == decimal_multiply(&b, &a, &swapped));
    must(fits || a.count + b.count > DECIMAL_DIGITS);
    if (!fits)
        return 0;
    must(product.exponent == swapped.exponent && product.count == swapped.count);
    must(product.negative == (a.negative != b.negative));
    check_written(&product);
    if (is_short(&a))
        check_close(&a, number(left, left_length));
    if (is_short(&a) && is_short(&b))
        check_close(&product, number(left, left_length) * number(right, right_length));
    return 0;
}
