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
    return letter <= 25 || (byte >= '0' && byte <= ':') || byte == '_';
}

/* The first byte at or behind `at` that cannot be in a metric name, or end. */
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
    for (; length >= 16; a += 16, b += 16, length -= 16)
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(bytes_load(a), bytes_load(b))) != 0xffff)
            return false;
#endif
    for (; length >= 8; a += 8, b += 8, length -= 8)
        if (memcmp(a, b, 8) != 0)
            return false;
    while (length && *a == *b)
        a++, b++, length--;
    return length == 0;
}

#endif
