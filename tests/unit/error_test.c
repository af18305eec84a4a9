#include "base/error.h"

#include "base/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_text(const struct error *error, const char *expected) {
    char *text = error_text(error);
    assert_string_equal(text, expected);
    memory_free(text);
}

static void has_kind_and_message(void **state) {
    (void)state;
    struct error *error = error_new(ERROR_LIMIT, NULL, "%d of %s", 3, "these");
    assert_int_equal(error->kind, ERROR_LIMIT);
    assert_string_equal(error->message, "3 of these");
    assert_null(error->cause);
    expect_text(error, "3 of these");
    error_free(error);
}

static void tells_its_causes(void **state) {
    (void)state;
    struct error *first = error_new(ERROR_IO, NULL, "disk full");
    struct error *second = error_new(ERROR_POLICY, first, "write");
    struct error *third = error_new(ERROR_INVALID, second, "save");
    assert_ptr_equal(third->cause, second);
    assert_ptr_equal(second->cause, first);
    expect_text(third, "save: write: disk full");
    expect_text(second, "write: disk full");
    error_free(third);
}

static void names_the_system_error(void **state) {
    (void)state;
    errno = ENOENT;
    struct error *error = error_errno(ERROR_NOT_FOUND, "could not open %s", "/x");
    assert_int_equal(error->kind, ERROR_NOT_FOUND);
    assert_string_equal(error->message, "could not open /x: No such file or directory");
    error_free(error);
}

static void holds_long_messages(void **state) {
    (void)state;
    struct error *error = error_new(ERROR_IO, NULL, "%*s", 100000, "end");
    assert_int_equal(strlen(error->message), 100000);
    error = error_new(ERROR_IO, error, "%s", "");
    char *text = error_text(error);
    assert_int_equal(strlen(text), 100002);
    assert_memory_equal(text, ": ", 2);
    memory_free(text);
    error_free(error);
}

static void none_can_be_freed(void **state) {
    (void)state;
    error_free(NULL);
    expect_text(NULL, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_kind_and_message),   cmocka_unit_test(tells_its_causes),
        cmocka_unit_test(names_the_system_error), cmocka_unit_test(holds_long_messages),
        cmocka_unit_test(none_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
