/*
 * Exact scaling of decimal numbers as they are written in an exposition: "250" times "0.001" is
 * "0.25", never 0.25000000000000001. The renamer uses it for values and `le` bounds of rules with a
 * scale.
 */
#ifndef KTHENA_METRICS_DECIMAL_H
#define KTHENA_METRICS_DECIMAL_H

#include "base/buffer.h"

#include <stdbool.h>

/* More digits than a double needs to be written out exactly in nearly every case seen on the wire.
 */
#define DECIMAL_DIGITS 120

struct decimal {
    bool negative;
    int count;                            /* digits used; 0 is zero */
    int exponent;                         /* the value is digits x 10^exponent */
    unsigned char digits[DECIMAL_DIGITS]; /* most significant first, each 0 to 9 */
};

/* Reads [+-]digits[.digits][e[+-]digits]. False when text is no such number (NaN and Inf are not)
 * or has more significant digits than fit. */
bool decimal_parse(const char *text, size_t length, struct decimal *out);

/* Multiplies two decimals. False when the product has more digits than fit; result is then
 * untouched. */
bool decimal_multiply(const struct decimal *a, const struct decimal *b, struct decimal *result);

/* Appends the shortest text: plain for magnitudes from 1e-7 to 1e21, else with an exponent. */
void decimal_write(const struct decimal *value, struct buffer *out);

#endif
