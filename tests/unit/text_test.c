#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void distance_counts_edits(void **state) {
    (void)state;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("abc", ""), 3);
    assert_int_equal(text_distance("port", "port"), 0);
    assert_int_equal(text_distance("prot", "port"), 1);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("Port", "port"), 1);
    assert_int_equal(text_distance("guage", "gauge"), 1);
    assert_int_equal(text_distance("ca", "abc"), 3); /* no byte is edited twice */
}

static void distance_is_symmetric(void **state) {
    (void)state;
    static const char *const words[] = {"", "a", "ab", "ba", "abab", "baba", "engine", "engien"};
    size_t count = sizeof words / sizeof *words;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            assert_int_equal(text_distance(words[i], words[j]), text_distance(words[j], words[i]));
}

static void nearest_is_what_a_person_meant(void **state) {
    (void)state;
    static const char *const engines[] = {"alpha", "beta", "gamma", "gamma-long-name", "AB"};
    size_t count = sizeof engines / sizeof *engines;
    assert_string_equal(text_nearest("alpah", engines, count), "alpha");
    assert_string_equal(text_nearest("btea", engines, count), "beta");
    assert_string_equal(text_nearest("gama", engines, count), "gamma");
    assert_string_equal(text_nearest("BETA", engines, count), "beta");
    assert_string_equal(text_nearest("ab", engines, count), "AB");
    assert_string_equal(text_nearest("gamma-long", engines, count), "gamma-long-name");
    assert_null(text_nearest("zzzzzz", engines, count));
    assert_null(text_nearest("x", engines, count));
    assert_null(text_nearest("", engines, count));
    assert_null(text_nearest("alpha", engines, 0));
}

static void nearest_prefers_the_least_distance(void **state) {
    (void)state;
    static const char *const choices[] = {"host-name", "hostname", "host_name"};
    assert_string_equal(text_nearest("hostnam", choices, 3), "hostname");
    assert_string_equal(text_nearest("host", choices, 3), "host-name");
}

static void starts(void **state) {
    (void)state;
    assert_true(text_starts("engine", "eng"));
    assert_true(text_starts("engine", ""));
    assert_true(text_starts("", ""));
    assert_false(text_starts("eng", "engine"));
    assert_false(text_starts("engine", "Eng"));
}

static size_t encode(uint32_t code, char bytes[4]) {
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)(lead[length] | code);
    return length;
}

static void utf8_takes_every_character_but_surrogates(void **state) {
    (void)state;
    for (uint32_t code = 0; code <= 0x110000; code++) {
        char bytes[4] = {0};
        size_t length = encode(code, bytes);
        int good = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
        assert_int_equal(text_utf8(bytes, length), good ? length : 0);
        if (length > 1)
            assert_int_equal(text_utf8(bytes, length - 1), 0);
    }
}

static void utf8_refuses_what_is_malformed(void **state) {
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC3(",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xE2\x28\xA1",
        "\xE2\x82(",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF0\x9F\x98(",
        "\xF0\x9F(\x80",
        "\xFE",
        "\xFF",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(text_utf8(bad[i], strlen(bad[i])), 0);
    assert_int_equal(text_utf8("a", 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(distance_is_symmetric),
        cmocka_unit_test(nearest_is_what_a_person_meant),
        cmocka_unit_test(nearest_prefers_the_least_distance),
        cmocka_unit_test(starts),
        cmocka_unit_test(utf8_takes_every_character_but_surrogates),
        cmocka_unit_test(utf8_refuses_what_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
