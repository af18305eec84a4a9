#include "base/text.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static int same_byte(char byte) {
    return (unsigned char)byte;
}

static int lower_byte(char byte) {
    return tolower((unsigned char)byte);
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Three rows of the usual table: a swap looks back two. */
static size_t distance(const char *a, const char *b, int (*fold)(char)) {
    size_t rows = strlen(a);
    size_t columns = strlen(b);
    size_t *table = memory_zero(3 * (columns + 1), sizeof *table);
    size_t *before = table;
    size_t *last = before + columns + 1;
    size_t *row = last + columns + 1;
    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t changed = fold(a[i - 1]) != fold(b[j - 1]);
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + changed);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    size_t result = row[columns];
    memory_free(table);
    return result;
}

size_t text_distance(const char *a, const char *b) {
    return distance(a, b, same_byte);
}

const char *text_nearest(const char *word, const char *const *choices, size_t count) {
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    size_t length = strlen(word);
    for (size_t i = 0; i < count; i++) {
        size_t choice_length = strlen(choices[i]);
        size_t longer = length > choice_length ? length : choice_length;
        size_t far = distance(word, choices[i], lower_byte);
        if (far <= (longer + 1) / 3 && far < nearest_distance) {
            nearest = choices[i];
            nearest_distance = far;
        }
    }
    for (size_t i = 0; i < count && !nearest && length > 1; i++)
        if (strncasecmp(choices[i], word, length) == 0)
            nearest = choices[i];
    return nearest;
}

bool text_starts(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool continues(unsigned char byte) {
    return (byte & 0xC0) == 0x80;
}

size_t text_utf8(const char *bytes, size_t length) {
    const unsigned char *b = (const unsigned char *)bytes;
    if (length == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    if (b[0] >= 0xC2 && b[0] <= 0xDF)
        return length >= 2 && continues(b[1]) ? 2 : 0;
    if (b[0] >= 0xE0 && b[0] <= 0xEF) {
        unsigned char from = b[0] == 0xE0 ? 0xA0 : 0x80; /* else overlong */
        unsigned char to = b[0] == 0xED ? 0x9F : 0xBF;   /* else a surrogate */
        return length >= 3 && b[1] >= from && b[1] <= to && continues(b[2]) ? 3 : 0;
    }
    if (b[0] >= 0xF0 && b[0] <= 0xF4) {
        unsigned char from = b[0] == 0xF0 ? 0x90 : 0x80; /* else overlong */
        unsigned char to = b[0] == 0xF4 ? 0x8F : 0xBF;   /* else above U+10FFFF */
        bool good = length >= 4 && b[1] >= from && b[1] <= to && continues(b[2]) && continues(b[3]);
        return good ? 4 : 0;
    }
    return 0;
}

bool text_is_safe(const char *bytes, size_t step) {
    unsigned char first = (unsigned char)bytes[0];
    if (step == 1)
        return first >= 0x20 && first != 0x7F;
    return step > 1 && !(first == 0xC2 && (unsigned char)bytes[1] < 0xA0);
}

void text_escape(struct buffer *out, const char *bytes, size_t length) {
    if (length == 0)
        return;
    size_t start = 0;
    size_t at = 0;
    while (at < length) {
        size_t step = text_utf8(bytes + at, length - at);
        if (text_is_safe(bytes + at, step)) {
            at += step;
            continue;
        }
        buffer_append(out, bytes + start, at - start);
        step = step ? step : 1;
        for (; step > 0; step--, at++) {
            const char *named = strchr("\nn\tt\rr", bytes[at]);
            if (named && bytes[at] != '\0')
                buffer_append(out, (char[]){'\\', named[1]}, 2);
            else
                buffer_format(out, "\\x%02x", (unsigned char)bytes[at]);
        }
        start = at;
    }
    buffer_append(out, bytes + start, at - start);
}
