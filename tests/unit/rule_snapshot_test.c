#include "policy/files.h"

#include "rule_files.h"

static struct snapshot *read_layers(const struct fixture *fixture, const char *const *directories,
                                    size_t count) {
    struct layers layers = {in(fixture, "rules"), directories, count};
    return snapshot_read(&layers);
}

static struct snapshot *read_builtin(const struct fixture *fixture) {
    return read_layers(fixture, NULL, 0);
}

static int set_up_builtin(void **state) {
    int status = set_up(state);
    make_directory(*state, "rules");
    make_directory(*state, "rules/engines");
    put(*state, "rules/engines/b.lua", "b");
    put(*state, "rules/engines/a.lua", "a");
    return status;
}

static void expect_file(const struct rule_file *file, const char *name, const char *display,
                        const char *text) {
    assert_string_equal(file->name, name);
    assert_string_equal(file->display, display);
    assert_int_equal(file->length, strlen(text));
    assert_memory_equal(file->text, text, file->length);
}

static void test_reads_the_builtin_files_by_name(void **state) {
    struct snapshot *snapshot = read_builtin(*state);
    assert_int_equal(snapshot->problems.count, 0);
    assert_int_equal(snapshot->count, 2);
    expect_file(&snapshot->files[0], "a.lua", "rules/engines/a.lua", "a");
    expect_file(&snapshot->files[1], "b.lua", "rules/engines/b.lua", "b");
    assert_string_equal(snapshot->files[0].layer, in(*state, "rules"));
    assert_int_equal(snapshot->files[0].rank, 0);
    assert_null(snapshot->files[0].replaces);
    snapshot_unref(snapshot);
}

static void test_directories_say_the_kind(void **state) {
    make_directory(*state, "rules/sources");
    make_directory(*state, "rules/workflows");
    make_directory(*state, "rules/demo");
    put(*state, "rules/sources/c.lua", "c");
    put(*state, "rules/workflows/d.lua", "d");
    put(*state, "rules/demo/e.lua", "e");
    put(*state, "rules/f.lua", "f");
    struct snapshot *snapshot = read_builtin(*state);
    assert_int_equal(snapshot->problems.count, 0);
    assert_int_equal(snapshot->count, 5);
    assert_int_equal(snapshot->files[0].kind, RULE_ENGINE);
    expect_file(&snapshot->files[2], "c.lua", "rules/sources/c.lua", "c");
    assert_int_equal(snapshot->files[2].kind, RULE_SOURCE);
    expect_file(&snapshot->files[3], "d.lua", "rules/workflows/d.lua", "d");
    assert_int_equal(snapshot->files[3].kind, RULE_WORKFLOW);
    expect_file(&snapshot->files[4], "f.lua", "rules/f.lua", "f");
    assert_int_equal(snapshot->files[4].kind, RULE_ANY);
    snapshot_unref(snapshot);
}

static void test_a_file_that_replaces_keeps_the_kind(void **state) {
    make_directory(*state, "more");
    make_directory(*state, "more/sources");
    put(*state, "more/a.lua", "mine");
    put(*state, "more/sources/b.lua", "mine");
    const char *more = in(*state, "more");
    struct snapshot *snapshot = read_layers(*state, &more, 1);
    assert_int_equal(snapshot->count, 2);
    expect_file(&snapshot->files[0], "a.lua", in(*state, "more/a.lua"), "mine");
    assert_int_equal(snapshot->files[0].kind, RULE_ENGINE);
    assert_string_equal(snapshot->files[0].replaces, "rules/engines/a.lua");
    expect_file(&snapshot->files[1], "b.lua", "rules/engines/b.lua", "b");
    assert_int_equal(snapshot->problems.count, 1);
    snapshot_unref(snapshot);
}

static enum rule_kind kind_of(const char *display) {
    struct snapshot *snapshot = snapshot_of(display, "x", 1);
    enum rule_kind kind = snapshot->files[0].kind;
    snapshot_unref(snapshot);
    return kind;
}

static void test_a_path_says_the_kind_of_a_single_file(void **state) {
    (void)state;
    assert_int_equal(kind_of("rules/engines/x.lua"), RULE_ENGINE);
    assert_int_equal(kind_of("sources/x.lua"), RULE_SOURCE);
    assert_int_equal(kind_of("/a/workflows/x.lua"), RULE_WORKFLOW);
    assert_int_equal(kind_of("x.lua"), RULE_ANY);
    assert_int_equal(kind_of("/x.lua"), RULE_ANY);
    assert_int_equal(kind_of("sources"), RULE_ANY);
    assert_int_equal(kind_of("sources/a/x.lua"), RULE_ANY);
    assert_int_equal(kind_of("mysources/x.lua"), RULE_ANY);
    assert_int_equal(kind_of("source/x.lua"), RULE_ANY);
}

static void test_skips_hidden_and_other_files(void **state) {
    make_directory(*state, "rules/engines/..2026_10_01");
    make_directory(*state, "rules/engines/dir.lua");
    put(*state, "rules/engines/.hidden.lua", "x");
    put(*state, "rules/engines/a.lua~", "x");
    put(*state, "rules/engines/README.md", "x");
    struct snapshot *snapshot = read_builtin(*state);
    assert_int_equal(snapshot->problems.count, 0);
    assert_int_equal(snapshot->count, 2);
    snapshot_unref(snapshot);
}

static void test_later_layers_replace_and_add(void **state) {
    make_directory(*state, "one");
    make_directory(*state, "one/engines");
    make_directory(*state, "two");
    put(*state, "one/engines/b.lua", "b1");
    put(*state, "one/engines/c.lua", "c1");
    put(*state, "two/c.lua", "c2");
    char one[192], two[192];
    snprintf(one, sizeof one, "%s", in(*state, "one"));
    snprintf(two, sizeof two, "%s/", in(*state, "two"));
    const char *directories[] = {one, two};
    struct snapshot *snapshot = read_layers(*state, directories, 2);
    assert_int_equal(snapshot->problems.count, 0);
    assert_int_equal(snapshot->count, 3);
    expect_file(&snapshot->files[0], "a.lua", "rules/engines/a.lua", "a");
    expect_file(&snapshot->files[1], "b.lua", in(*state, "one/engines/b.lua"), "b1");
    assert_string_equal(snapshot->files[1].replaces, "rules/engines/b.lua");
    assert_string_equal(snapshot->files[1].layer, one);
    assert_int_equal(snapshot->files[1].rank, 1);
    expect_file(&snapshot->files[2], "c.lua", in(*state, "two/c.lua"), "c2");
    assert_string_equal(snapshot->files[2].replaces, in(*state, "one/engines/c.lua"));
    assert_int_equal(snapshot->files[2].rank, 2);
    snapshot_unref(snapshot);
}

static void test_one_name_twice_in_a_layer_is_a_problem(void **state) {
    make_directory(*state, "one");
    make_directory(*state, "one/engines");
    put(*state, "one/a.lua", "x");
    put(*state, "one/engines/a.lua", "y");
    const char *directories[] = {in(*state, "one")};
    struct snapshot *snapshot = read_layers(*state, directories, 1);
    assert_int_equal(snapshot->problems.count, 1);
    char expected[512];
    snprintf(expected, sizeof expected, "%s: %s is there too; keep one of the two",
             in(*state, "one/engines/a.lua"), in(*state, "one/a.lua"));
    assert_string_equal(snapshot->problems.list[0].text, expected);
    snapshot_unref(snapshot);
}

static void test_a_directory_twice_is_no_problem(void **state) {
    make_directory(*state, "one");
    put(*state, "one/a.lua", "x");
    const char *one = in(*state, "one");
    const char *directories[] = {one, one};
    struct snapshot *snapshot = read_layers(*state, directories, 2);
    assert_int_equal(snapshot->problems.count, 0);
    assert_int_equal(snapshot->count, 2);
    snapshot_unref(snapshot);
}

static void test_what_cannot_be_read_is_a_problem(void **state) {
    const char *directories[] = {in(*state, "absent")};
    char expected[512];
    struct snapshot *snapshot = read_layers(*state, directories, 1);
    assert_int_equal(snapshot->count, 2);
    assert_int_equal(snapshot->problems.count, 1);
    snprintf(expected, sizeof expected, "%s: there is no such directory", directories[0]);
    assert_string_equal(snapshot->problems.list[0].text, expected);
    snapshot_unref(snapshot);

    assert_int_equal(mkfifo(in(*state, "rules/engines/pipe.lua"), 0644), 0);
    assert_int_equal(symlink("nowhere", in(*state, "rules/engines/link.lua")), 0);
    FILE *stream = fopen(in(*state, "rules/engines/large.lua"), "w");
    assert_int_equal(ftruncate(fileno(stream), RULE_FILE_BYTES_MAX + 1), 0);
    fclose(stream);
    snapshot = read_builtin(*state);
    assert_int_equal(snapshot->count, 2);
    assert_int_equal(snapshot->problems.count, 3);
    assert_non_null(strstr(snapshot->problems.list[0].text, "larger than 1048576 bytes"));
    assert_non_null(strstr(snapshot->problems.list[1].text, "link.lua: No such file"));
    assert_non_null(strstr(snapshot->problems.list[2].text, "pipe.lua: it is no regular file"));
    assert_string_equal(snapshot->problems.list[2].file, "rules/engines/pipe.lua");
    snapshot_unref(snapshot);
}

static void test_too_many_files_are_a_problem(void **state) {
    for (int i = 0; i < RULE_FILES_MAX; i++) {
        char name[64];
        snprintf(name, sizeof name, "rules/f%04d.lua", i);
        put(*state, name, "x");
    }
    struct snapshot *snapshot = read_builtin(*state);
    assert_int_equal(snapshot->count, RULE_FILES_MAX);
    assert_int_equal(snapshot->problems.count, 2);
    assert_string_equal(snapshot->problems.list[0].text,
                        "rules/engines/a.lua: there are more than 1000 rule files");
    snapshot_unref(snapshot);
}

static void test_equal_means_the_same_content(void **state) {
    struct snapshot *before = read_builtin(*state);
    struct snapshot *again = read_builtin(*state);
    assert_true(snapshot_equal(before, again));
    snapshot_unref(again);
    put(*state, "rules/engines/a.lua", "A");
    again = read_builtin(*state);
    assert_false(snapshot_equal(before, again));
    snapshot_unref(again);
    put(*state, "rules/engines/a.lua", "a");
    again = read_builtin(*state);
    assert_true(snapshot_equal(before, again));
    snapshot_unref(again);
    put(*state, "rules/engines/c.lua", "c");
    again = read_builtin(*state);
    assert_false(snapshot_equal(before, again));
    snapshot_unref(again);
    snapshot_unref(before);
}

static void test_equal_compares_problems(void **state) {
    const char *directories[] = {in(*state, "absent")};
    struct snapshot *builtin = read_builtin(*state);
    struct snapshot *absent = read_layers(*state, directories, 1);
    struct snapshot *again = read_layers(*state, directories, 1);
    assert_false(snapshot_equal(builtin, absent));
    assert_true(snapshot_equal(absent, again));
    snapshot_unref(builtin);
    snapshot_unref(absent);
    snapshot_unref(again);
}

static void test_a_problem_is_one_line(void **state) {
    (void)state;
    struct problems problems = {0};
    struct problems copy = {0};
    struct buffer out = {0};
    char *longest = malloc(5001);
    memset(longest, 'x', 5000);
    longest[5000] = '\0';
    problems_add(&problems, "f", "two\nlines \x1b[31m\xff %s", "ü");
    problems_add_text(&problems, "f", longest);
    problems_copy(&copy, &problems);
    assert_int_equal(copy.count, 2);
    assert_string_equal(copy.list[0].text, "f: two\\nlines \\x1b[31m\\xff ü");
    assert_int_equal(strlen(copy.list[1].text), 2003);
    problems_print(&problems, &out);
    assert_int_equal(out.length, strlen(copy.list[0].text) + strlen(copy.list[1].text) + 2);
    buffer_free(&out);
    problems_free(&copy);
    problems_free(&problems);
    free(longest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reads_the_builtin_files_by_name, set_up_builtin,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_directories_say_the_kind, set_up_builtin, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_replaces_keeps_the_kind, set_up_builtin,
                                        tear_down),
        cmocka_unit_test(test_a_path_says_the_kind_of_a_single_file),
        cmocka_unit_test_setup_teardown(test_skips_hidden_and_other_files, set_up_builtin,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_later_layers_replace_and_add, set_up_builtin,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_one_name_twice_in_a_layer_is_a_problem, set_up_builtin,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_directory_twice_is_no_problem, set_up_builtin,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_a_problem, set_up_builtin,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_files_are_a_problem, set_up_builtin,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_equal_means_the_same_content, set_up_builtin,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_equal_compares_problems, set_up_builtin, tear_down),
        cmocka_unit_test(test_a_problem_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
