#include "metrics/decimal.h"

/* A written exponent beyond this is no number anybody exposes; it also keeps sums of exponents far
 * from overflow. */
#define EXPONENT_LIMIT 100000

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* Drops zeros at both ends, so that equal values have equal digits. */
static void normalise(struct decimal *value) {
    int leading = 0;
    while (leading < value->count && value->digits[leading] == 0)
        leading++;
    if (leading) {
        value->count -= leading;
        memmove(value->digits, value->digits + leading, (size_t)value->count);
    }
    while (value->count && value->digits[value->count - 1] == 0) {
        value->count--;
        value->exponent++;
    }
    if (value->count == 0)
        value->exponent = 0;
}

static const char *read_exponent(const char *at, const char *end, int *exponent) {
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return NULL;
    int value = 0;
    for (; at < end && is_digit(*at); at++)
        if (value < EXPONENT_LIMIT)
            value = value * 10 + (*at - '0');
    if (value >= EXPONENT_LIMIT)
        return NULL;
    *exponent = negative ? -value : value;
    return at;
}

/* Reads digits[.digits] and returns what follows, or NULL when there is no digit or too many. Zeros
 * are kept only between other digits; some languages write 1e300 with all of its zeros. */
static const char *read_digits(const char *at, const char *end, struct decimal *out) {
    bool any = false, fraction = false;
    int zeros = 0; /* since the last other digit */
    for (; at < end && (is_digit(*at) || (*at == '.' && !fraction)); at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        any = true;
        if (fraction)
            out->exponent--;
        if (*at == '0') {
            zeros += out->count > 0;
            continue;
        }
        if (zeros >= DECIMAL_DIGITS - out->count)
            return NULL;
        for (; zeros; zeros--)
            out->digits[out->count++] = 0;
        out->digits[out->count++] = (unsigned char)(*at - '0');
    }
    out->exponent += zeros;
    return any ? at : NULL;
}

bool decimal_parse(const char *text, size_t length, struct decimal *out) {
    const char *at = text, *end = text + length;
    *out = (struct decimal){0};
    if (at < end && (*at == '-' || *at == '+'))
        out->negative = *at++ == '-';
    at = read_digits(at, end, out);
    if (!at)
        return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        int exponent;
        at = read_exponent(at + 1, end, &exponent);
        if (!at)
            return false;
        out->exponent += exponent;
    }
    if (at != end)
        return false;
    normalise(out);
    return true;
}

bool decimal_multiply(const struct decimal *a, const struct decimal *b, struct decimal *result) {
    unsigned sums[2 * DECIMAL_DIGITS] = {0};
    int count = a->count + b->count;
    if (a->count == 0 || b->count == 0)
        count = 0;
    for (int i = 0; count && i < a->count; i++)
        for (int j = 0; j < b->count; j++)
            sums[i + j + 1] += (unsigned)a->digits[i] * b->digits[j];
    for (int i = count - 1; i > 0; i--) {
        sums[i - 1] += sums[i] / 10;
        sums[i] %= 10;
    }
    int first = count && sums[0] == 0, last = count;
    while (last > first && sums[last - 1] == 0)
        last--;
    if (last - first > DECIMAL_DIGITS)
        return false;
    int exponent = a->exponent + b->exponent + (count - last);
    *result = (struct decimal){.negative = a->negative != b->negative, .exponent = exponent};
    for (int i = first; i < last; i++)
        result->digits[result->count++] = (unsigned char)sums[i];
    normalise(result);
    return true;
}

static void write_digits(const struct decimal *value, int from, int to, struct buffer *out) {
    for (int i = from; i < to; i++)
        buffer_byte(out, i < value->count ? (char)('0' + value->digits[i]) : '0');
}

void decimal_write(const struct decimal *value, struct buffer *out) {
    if (value->negative)
        buffer_byte(out, '-');
    if (value->count == 0) {
        buffer_byte(out, '0');
        return;
    }
    int point = value->count + value->exponent; /* digits before the decimal point */
    if (point > 21 || point < -6) {
        write_digits(value, 0, 1, out);
        if (value->count > 1) {
            buffer_byte(out, '.');
            write_digits(value, 1, value->count, out);
        }
        buffer_format(out, "e%+03d", point - 1);
    } else if (point <= 0) {
        buffer_string(out, "0.");
        for (int i = point; i < 0; i++)
            buffer_byte(out, '0');
        write_digits(value, 0, value->count, out);
    } else {
        write_digits(value, 0, point, out);
        if (value->count > point) {
            buffer_byte(out, '.');
            write_digits(value, point, value->count, out);
        }
    }
}
