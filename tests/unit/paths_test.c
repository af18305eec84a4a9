#include "policy/paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void set(const char *lua, const char *rules) {
    assert_int_equal(setenv("KTHENA_LUA_DIR", lua, 1), 0);
    assert_int_equal(setenv("KTHENA_RULES_DIR", rules, 1), 0);
}

static void test_variables_decide(void **state) {
    (void)state;
    struct paths paths;
    set("/some/lua", "/some/rules");
    assert_null(paths_find(&paths));
    assert_string_equal(paths.lua, "/some/lua");
    assert_string_equal(paths.rules, "/some/rules");
    paths_free(&paths);
    assert_null(paths.lua);
}

/* Whether the sources are found depends on where this test was built; the sentence does not. */
static void test_without_variables_looks_beside_the_binary(void **state) {
    (void)state;
    struct paths paths;
    set("", "");
    struct error *error = paths_find(&paths);
    if (error) {
        assert_int_equal(error->kind, ERROR_NOT_FOUND);
        assert_non_null(strstr(error->message, "/../share/kthena-runtime/lua/kthena and "));
        assert_non_null(strstr(error->message, "/../../lua/kthena; "));
        assert_non_null(strstr(error->message, "KTHENA_LUA_DIR"));
        assert_null(paths.lua);
        error_free(error);
    } else {
        assert_string_equal(paths.lua + strlen(paths.lua) - 4, "/lua");
        assert_string_equal(paths.rules + strlen(paths.rules) - 6, "/rules");
    }
    paths_free(&paths);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables_decide),
        cmocka_unit_test(test_without_variables_looks_beside_the_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
