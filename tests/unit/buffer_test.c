#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void is_empty_at_first(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_string_equal(buffer_text(&buffer), "");
    assert_int_equal(buffer.length, 0);
    buffer_free(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.capacity, 0);
}

static void appends_in_order(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_append(&buffer, "ab\0c", 4);
    buffer_string(&buffer, "de");
    buffer_byte(&buffer, 'f');
    buffer_format(&buffer, "%d-%s", 12, "g");
    buffer_append(&buffer, NULL, 0);
    buffer_string(&buffer, "");
    assert_int_equal(buffer.length, 11);
    assert_memory_equal(buffer_text(&buffer), "ab\0cdef12-g", 12);
    buffer_free(&buffer);
}

static void the_final_nul_is_not_counted(void **state) {
    (void)state;
    struct buffer buffer = {0};
    for (int i = 0; i < 200; i++) {
        buffer_byte(&buffer, 'x');
        assert_int_equal(strlen(buffer_text(&buffer)), i + 1);
        assert_int_equal(buffer.length, i + 1);
    }
    buffer_free(&buffer);
}

static void grows_and_keeps_its_bytes(void **state) {
    (void)state;
    struct buffer buffer = {0};
    for (unsigned i = 0; i < 100000; i++)
        buffer_append(&buffer, &(unsigned char){(unsigned char)(i * 7)}, 1);
    assert_int_equal(buffer.length, 100000);
    assert_true(buffer.capacity >= buffer.length && buffer.capacity < 2 * buffer.length);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal((unsigned char)buffer.data[i], (unsigned char)(i * 7));
    buffer_free(&buffer);
}

static void reserves_without_growing_the_length(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_string(&buffer, "abc");
    char *end = buffer_reserve(&buffer, 1000);
    assert_ptr_equal(end, buffer.data + 3);
    assert_int_equal(buffer.length, 3);
    assert_true(buffer.capacity >= 1003);
    memset(end, 'z', 1000);
    assert_ptr_equal(buffer_reserve(&buffer, 1000), end);
    buffer_free(&buffer);
}

static void formats_beyond_its_capacity(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_format(&buffer, "%*d|", 5000, 1);
    assert_int_equal(buffer.length, 5001);
    assert_int_equal(buffer.data[4999], '1');
    assert_int_equal(buffer.data[5000], '|');
    buffer_free(&buffer);
}

static void clearing_keeps_the_memory(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_string(&buffer, "abcdef");
    size_t capacity = buffer.capacity;
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer.capacity, capacity);
    buffer_string(&buffer, "x");
    assert_string_equal(buffer_text(&buffer), "x");
    buffer_free(&buffer);
    buffer_string(&buffer, "again");
    assert_string_equal(buffer_text(&buffer), "again");
    buffer_free(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_empty_at_first),
        cmocka_unit_test(appends_in_order),
        cmocka_unit_test(the_final_nul_is_not_counted),
        cmocka_unit_test(grows_and_keeps_its_bytes),
        cmocka_unit_test(reserves_without_growing_the_length),
        cmocka_unit_test(formats_beyond_its_capacity),
        cmocka_unit_test(clearing_keeps_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
