#include "metrics/bytes.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LENGTH_MAX = 70 };

static bool in_name(int byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == ':';
}

static void knows_every_name_byte(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char block[33];
        for (size_t place = 0; place < sizeof block; place++) { /* within and behind a block */
            memset(block, 'a', sizeof block);
            block[place] = (char)byte;
            const char *expected = in_name(byte) ? block + sizeof block : block + place;
            assert_ptr_equal(bytes_skip_name(block, block + sizeof block), expected);
        }
    }
}

/* Every length and every place, in memory of exactly that length. */
static void skips_names_to_the_first_other_byte(void **state) {
    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        char *text = memory_alloc(length);
        memset(text, ':', length);
        assert_ptr_equal(bytes_skip_name(text, text + length), text + length);
        for (size_t place = 0; place < length; place++) {
            text[place] = '{';
            for (size_t from = 0; from <= length; from++)
                assert_ptr_equal(bytes_skip_name(text + from, text + length),
                                 from <= place ? text + place : text + length);
            text[place] = 'Z';
        }
        memory_free(text);
    }
}

static void finds_quotes_and_backslashes(void **state) {
    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        char *text = memory_alloc(length);
        memset(text, '!', length); /* next to the quote */
        assert_ptr_equal(bytes_find_quote(text, text + length), text + length);
        for (size_t place = 0; place < length; place++) {
            text[place] = place % 2 ? '"' : '\\';
            for (size_t from = 0; from <= length; from++)
                assert_ptr_equal(bytes_find_quote(text + from, text + length),
                                 from <= place ? text + place : text + length);
            text[place] = place % 2 ? ']' : '#';
        }
        memory_free(text);
    }
}

static void finds_the_first_of_several(void **state) {
    (void)state;
    const char text[] = "0123456789abcdef\"\\\"abcdefghijklm{\"";
    assert_ptr_equal(bytes_find_quote(text, text + sizeof text), text + 16);
    assert_ptr_equal(bytes_find_quote(text + 17, text + sizeof text), text + 17);
    assert_ptr_equal(bytes_find_quote(text + 19, text + sizeof text), text + 33);
    assert_ptr_equal(bytes_skip_name(text + 19, text + sizeof text), text + 32);
}

/* The number at the end of a line whose bytes before text are a filler. */
static void finds_number(const char *text, bool found) {
    char line[80];
    size_t length = strlen(text);
    memset(line, '"', 40);
    memcpy(line + 40, text, length);
    const char *end = line + 40 + length, *begin = strrchr(text, ' ') + 1 - text + line + 40;
    assert_ptr_equal(bytes_number_back(line, end), found ? begin : end);
    assert_ptr_equal(bytes_number_back(end - 15, end), end);
}

static void finds_short_numbers_from_their_end(void **state) {
    (void)state;
#ifdef __SSE2__
    static const char *const numbers[] = {" 0", " 5.0", " 123456789012345", " 0.1234567890123"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        finds_number(numbers[i], true);
#endif
    static const char *const others[] = {" ",    " .",    " .5",  " 5.",  " 1.2.3",
                                         " 1e9", " 1e+5", " -1",  " NaN", " 5x",
                                         " +5",  " e5",   " 1:5", " 1/5", " 1234567890123456"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        finds_number(others[i], false);
}

static void compares_every_byte(void **state) {
    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        char *a = memory_alloc(length), *b = memory_alloc(length);
        for (size_t i = 0; i < length; i++)
            a[i] = b[i] = (char)(i * 7);
        assert_true(bytes_same(a, b, length));
        for (size_t place = 0; place < length; place++) {
            b[place] = (char)(b[place] ^ 0x80);
            assert_false(bytes_same(a, b, length));
            assert_true(bytes_same(a, b, place));
            b[place] = a[place];
        }
        memory_free(a);
        memory_free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_name_byte),
        cmocka_unit_test(skips_names_to_the_first_other_byte),
        cmocka_unit_test(finds_quotes_and_backslashes),
        cmocka_unit_test(finds_the_first_of_several),
        cmocka_unit_test(finds_short_numbers_from_their_end),
        cmocka_unit_test(compares_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
