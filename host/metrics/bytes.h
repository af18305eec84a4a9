/*
 * Inner loops of the exposition scanner: runs of name bytes, ends of strings, equal prefixes,
 * sixteen bytes a step where the machine has SSE2 (every amd64) and one by one elsewhere. Used only
 * by exposition.c and rename.c.
 *
 * Nothing reads at or beyond `end`.
 */
#ifndef KTHENA_METRICS_BYTES_H
#define KTHENA_METRICS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

static inline __m128i bytes_load(const char *at) {
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Bytes of the block from first to first + span, as 0xff. */
static inline __m128i bytes_range(__m128i block, char first, char span) {
    __m128i offset = _mm_sub_epi8(block, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(span)), offset);
}

static inline bool bytes_same_block(const char *a, const char *b) {
    return _mm_movemask_epi8(_mm_cmpeq_epi8(bytes_load(a), bytes_load(b))) == 0xffff;
}

/* One bit for each of sixteen bytes: [a-zA-Z0-9_:]. */
static inline unsigned bytes_name_mask(const char *at) {
    __m128i block = bytes_load(at);
    __m128i letters = bytes_range(_mm_or_si128(block, _mm_set1_epi8(0x20)), 'a', 25);
    __m128i digits = bytes_range(block, '0', 10); /* ':' follows '9' */
    __m128i under = _mm_cmpeq_epi8(block, _mm_set1_epi8('_'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letters, digits), under));
}

static inline unsigned bytes_quote_mask(const char *at) {
    __m128i block = bytes_load(at);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')),
                                                    _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))));
}
#endif

static inline bool bytes_in_name(char byte) {
    unsigned char letter = (unsigned char)((byte | 0x20) - 'a');
    unsigned char digit = (unsigned char)(byte - '0');
    return letter <= 25 || digit <= 10 || byte == '_';
}

/* The first byte at or behind `at` that cannot be in a metric name, [a-zA-Z0-9_:], or end. */
static inline const char *bytes_skip_name(const char *at, const char *end) {
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        unsigned others = bytes_name_mask(at) ^ 0xffffu;
        if (others)
            return at + __builtin_ctz(others);
    }
#endif
    while (at < end && bytes_in_name(*at))
        at++;
    return at;
}

/* The first quote or backslash at or behind `at`, or end. */
static inline const char *bytes_find_quote(const char *at, const char *end) {
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        unsigned found = bytes_quote_mask(at);
        if (found)
            return at + __builtin_ctz(found);
    }
#endif
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* Whether two runs of length bytes are equal. */
static inline bool bytes_same(const char *a, const char *b, size_t length) {
#ifdef __SSE2__
    if (length >= 16) {
        size_t last = length - 16; /* the last block may overlap the one before */
        for (size_t i = 0; i < last; i += 16)
            if (!bytes_same_block(a + i, b + i))
                return false;
        return bytes_same_block(a + last, b + last);
    }
#endif
    while (length && *a == *b)
        a++, b++, length--;
    return length == 0;
}

/* Where digits[.digits] begins that ends at `end` behind a blank, if it is shorter than a block and
 * a block lies between from and end; else end. Most values are of this form. */
static inline const char *bytes_number_back(const char *from, const char *end) {
#ifdef __SSE2__
    if (end - from < 16)
        return end;
    __m128i block = bytes_load(end - 16);
    unsigned digits = (unsigned)_mm_movemask_epi8(bytes_range(block, '0', 9));
    unsigned points = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8('.')));
    unsigned others = (digits | points) ^ 0xffffu;
    if (others == 0 || !(digits & 0x8000))
        return end;
    int first = 32 - __builtin_clz(others); /* of the number, in the block */
    const char *at = end - 16 + first;
    points >>= first;
    return digits >> first & 1 && !(points & (points - 1)) && at[-1] == ' ' ? at : end;
#else
    (void)from;
    return end;
#endif
}

#endif
