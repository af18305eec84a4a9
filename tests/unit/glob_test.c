/* plan_glob: a table by hand, and for globs without '**' the C library's fnmatch as an oracle. */
#include "transfer/plan.h"

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *glob, *path;
    bool matches;
} table[] = {
    {"", "", true},
    {"", "a", false},
    {"a", "a", true},
    {"a", "b", false},
    {"a", "x/a", true}, /* without '/': the last part as well */
    {"x/a", "y/x/a", false},
    {"*", "a", true},
    {"*", "a/b", true},
    {"*/b", "a/b", true},
    {"*/b", "a/c/b", false},
    {"*.bin", "x/y/a.bin", true},
    {"*.bin", "a.bin2", false},
    {"x/*.bin", "x/a.bin", true},
    {"x/*.bin", "x/y/a.bin", false},
    {"?", "a", true},
    {"?", "ab", false},
    {"a?b", "a/b", false},
    {"a/?", "a/b", true},
    {"a*b*c", "aXbXbc", true},
    {"a*b*c", "aXbXbcd", false},
    {"**", "a/b/c", true},
    {"**/c", "a/b/c", true},
    {"**/c", "c", true},
    {"**/c", "a/xc", false},
    {"a/**", "a/b/c", true},
    {"a/**", "a", false},
    {"a/**", "ab/c", false},
    {"a/**/d", "a/d", true},
    {"a/**/d", "a/b/d", true},
    {"a/**/d", "a/b/c/d", true},
    {"a/**/d", "a/bd", false},
    {"a/**/d", "ad", false},
    {"a**d", "a/b/d", true},
    {"a**/d", "a/d", true},
    {"a**/d", "ab/c/d", true},
    {"a**/d", "d", false},
    {"**/a/**/b", "x/a/y/z/b", true},
    {"**/a/**/b", "a/b", true},
    {"**/a/**/b", "x/b/a", false},
    {"***", "a/b", true},
    {"**a", "b/a", true},
    {"**/*.json", "config.json", true},
    {"**/*.json", "a/b/config.json", true},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[!a-c]x", "dx", true},
    {"[^a-c]x", "ax", false},
    {"[]a]", "]", true},
    {"[!]a]", "b", true},
    {"[a-]", "-", true},
    {"[\\]]", "]", true},
    {"x[!a]y", "x/y", false},
    {"x[/]y", "x/y", false},
    {"[", "[", true},
    {"a[b", "a[b", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\[a]", "[a]", true},
    {"a\\", "a\\", true},
    {"model-0000?-of-*.safetensors", "model-00001-of-00002.safetensors", true},
    {"*.safetensors", ".safetensors", true},
    {"*", ".hidden", true},
    {"\xe5\xad\x97*", "\xe5\xad\x97/x", false},
    {"\xe5\xad\x97*", "\xe5\xad\x97x", true},
};

static void matches_as_the_table_says(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (plan_glob(table[i].glob, table[i].path) != table[i].matches)
            fail_msg("'%s' and '%s': expected %d", table[i].glob, table[i].path, table[i].matches);
}

/* Every text of up to 4 characters as a glob against every path of up to 4. */
static void agrees_with_fnmatch(void **state) {
    (void)state;
    static const char glob_bytes[] = "ab/*?", path_bytes[] = "ab/";
    char glob[5], path[5];
    for (int g = 1; g < 5 * 5 * 5 * 5 * 5; g++) {
        size_t length = 0;
        for (int rest = g; rest > 0 && length < 4; rest /= 6)
            if (rest % 6)
                glob[length++] = glob_bytes[rest % 6 - 1];
        glob[length] = '\0';
        if (strstr(glob, "**"))
            continue;
        for (int p = 1; p < 4 * 4 * 4 * 4; p++) {
            length = 0;
            for (int rest = p; rest > 0; rest /= 4)
                if (rest % 4)
                    path[length++] = path_bytes[rest % 4 - 1];
            path[length] = '\0';
            const char *slash = strrchr(path, '/');
            bool expected = fnmatch(glob, path, FNM_PATHNAME) == 0 ||
                            (slash && !strchr(glob, '/') && fnmatch(glob, slash + 1, 0) == 0);
            if (plan_glob(glob, path) != expected)
                fail_msg("'%s' and '%s': expected %d", glob, path, expected);
        }
    }
}

/* What takes a matcher that goes back and forth for ever ends here. */
static void is_quick_whatever_the_glob(void **state) {
    (void)state;
    char path[PLAN_PATH_MAX + 2], glob[4096] = "";
    memset(path, 'a', PLAN_PATH_MAX);
    for (size_t i = 200; i < PLAN_PATH_MAX; i += 200)
        path[i] = '/';
    path[PLAN_PATH_MAX] = '\0';
    for (int i = 0; i < 200; i++)
        strcat(glob, i % 3 ? "*a" : "**/*a");
    strcat(glob, "b");
    for (int i = 0; i < 100; i++)
        assert_false(plan_glob(glob, path));
    glob[strlen(glob) - 1] = '\0';
    assert_false(plan_glob(glob, path)); /* more parts than the path has */
    path[PLAN_PATH_MAX] = 'a';
    path[PLAN_PATH_MAX + 1] = '\0';
    assert_false(plan_glob("**", path)); /* too long for any plan */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_as_the_table_says),
        cmocka_unit_test(agrees_with_fnmatch),
        cmocka_unit_test(is_quick_whatever_the_glob),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
