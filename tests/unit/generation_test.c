#include "generation_support.h"

static void test_finds_engines_by_name_and_alias(void **state) {
    put(*state, "rules/engines/gamma.lua",
        "return { api = 1, engine = 'gamma', aliases = { 'g', 'aa' }, metrics = {} }");
    struct generation *generation = build_good(*state);
    assert_int_equal(generation_number(generation), 7);
    assert_true(generation_loaded_at(generation) > 1e9);
    assert_int_equal(generation_engine_count(generation), 3);
    const struct engine *alpha = generation_engine_at(generation, 0);
    assert_string_equal(alpha->name, "alpha");
    assert_string_equal(alpha->file->display, "rules/engines/alpha.lua");
    assert_int_equal(mapping_family_count(alpha->mapping), 1);
    assert_ptr_equal(generation_engine(generation, "alpha"), alpha);
    assert_string_equal(generation_engine(generation, "g")->name, "gamma");
    assert_null(generation_engine(generation, "alph"));
    assert_null(generation_engine(generation, ""));
    const char **names;
    assert_int_equal(generation_engine_names(generation, &names), 5);
    assert_string_equal(names[0], "aa");
    assert_string_equal(names[1], "alpha");
    assert_string_equal(names[4], "gamma");
    memory_free(names);
    generation_unref(generation);
}

static void test_suggests_an_engine(void **state) {
    struct generation *generation = build_good(*state);
    struct error *error = generation_unknown_engine(generation, "alfa");
    assert_int_equal(error->kind, ERROR_INVALID);
    assert_string_equal(error->message,
                        "unknown engine 'alfa'; did you mean 'alpha'? known: alpha, beta");
    error_free(error);
    error = generation_unknown_engine(generation, "xyz");
    assert_string_equal(error->message, "unknown engine 'xyz'; known: alpha, beta");
    error_free(error);
    generation_unref(generation);
}

static const char *detect(const struct generation *generation, const char *page) {
    const struct engine *engine = generation_detect(generation, page, strlen(page));
    return engine ? engine->name : "none";
}

static void test_detects_by_the_most_lines(void **state) {
    put_engine(*state, "rules/engines/gamma.lua", "gamma", "alpha_");
    struct generation *generation = build_good(*state);
    assert_string_equal(detect(generation, ""), "none");
    assert_string_equal(detect(generation, "\n\nx 1\n# HELP beta_x x\n"), "none");
    assert_string_equal(detect(generation, "x 1\nbeta_x 1"), "beta");
    assert_string_equal(detect(generation, "beta_x 1\nalpha_x 1\nalpha_y 1\n"), "alpha");
    assert_string_equal(detect(generation, "beta_x 1\nalpha_x 1\n"), "alpha");
    assert_string_equal(detect(generation, "beta_x 1\nbeta_y 1\nalpha_x 1\n"), "beta");
    assert_string_equal(detect(generation, "beta_"), "beta");
    assert_string_equal(detect(generation, "beta"), "none");
    generation_unref(generation);
}

static void test_reports_every_problem_of_every_file(void **state) {
    put(*state, "more/a.lua", "return { api = 1, engine = 'a', metrics = { { nmae = 'x' } } }");
    put(*state, "more/b.lua", "return {\n  api = 1\n  engine = 'b'\n}");
    put(*state, "more/c.lua", "error('on purpose')");
    put_engine(*state, "more/d.lua", "d", "d_");
    expect_problems(*state,
                    "~/more/a.lua: metrics[1].name: missing; expected a metric name (letters, "
                    "digits, \"_\", \":\")\n"
                    "~/more/a.lua: metrics[1].type: missing; expected counter, gauge, histogram or "
                    "summary\n"
                    "~/more/a.lua: metrics[1].nmae: unknown key; did you mean \"name\"?\n"
                    "~/more/a.lua: metrics[1].from: missing; expected a source or a list of "
                    "sources\n"
                    "~/more/b.lua:3: '}' expected (to close '{' at line 1) near 'engine'\n"
                    "~/more/c.lua:1: on purpose\n");
}

/* Many files are loaded by several threads; what is said of them does not depend on that. */
static void test_many_problems_come_in_the_order_of_the_files(void **state) {
    struct buffer expected = {0};
    for (int i = 10; i < 40; i++) {
        char name[64], text[64];
        snprintf(name, sizeof name, "rules/engines/e%d.lua", i);
        snprintf(text, sizeof text, "error('number %d', 0)", i);
        put(*state, name, text);
        buffer_format(&expected, "%s: number %d\n", name, i);
    }
    struct rule_sources sources = sources_of(*state, NULL, 0);
    char *found = problems_of(*state, &sources);
    assert_string_equal(found, buffer_text(&expected));
    memory_free(found);
    buffer_free(&expected);
}

static void test_names_are_unique_over_all_files(void **state) {
    put(*state, "more/a.lua",
        "return { api = 1, engine = 'beta', aliases = { 'x', 'alpha' }, metrics = {} }");
    put(*state, "more/b.lua",
        "return { api = 1, engine = 'y', aliases = { 'x', 'y', 'z', 'z' }, metrics = {} }");
    expect_problems(*state, "~/more/a.lua: aliases[2]: \"alpha\" is taken by "
                            "rules/engines/alpha.lua\n"
                            "~/more/a.lua: engine: \"beta\" is taken by rules/engines/beta.lua\n"
                            "~/more/b.lua: aliases[1]: \"x\" is taken by ~/more/a.lua\n"
                            "~/more/b.lua: aliases[2]: \"y\" is there twice\n"
                            "~/more/b.lua: aliases[4]: \"z\" is there twice\n");
}

static void test_a_layer_may_replace_an_engine(void **state) {
    put_engine(*state, "more/beta.lua", "beta", "other_");
    expect_problems(*state, "");
}

static void test_one_file_cannot_spoil_the_next(void **state) {
    put(*state, "more/a.lua", "local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end");
    put_engine(*state, "more/b.lua", "b", "b_");
    expect_problems(*state, "~/more/a.lua: used more than 64 MiB of memory\n");
}

static void test_a_file_without_end_is_cut_off(void **state) {
    const char *more = in(*state, "more");
    struct rule_sources sources = sources_of(*state, &more, 1);
    sources.limits.budget_seconds = 0.2;
    put(*state, "more/a.lua", "while true do pcall(function() while true do end end) end");
    put(*state, "more/b.lua", "while true do end");
    char *text = problems_of(*state, &sources);
    assert_string_equal(text, "~/more/a.lua:1: used more than 0.2 s\n"
                              "~/more/b.lua:1: used more than 0.2 s\n");
    memory_free(text);
}

static void test_a_broken_library_is_a_problem(void **state) {
    struct rule_sources sources = sources_of(*state, NULL, 0);
    sources.lua = in(*state, "nowhere");
    char *text = problems_of(*state, &sources);
    assert_non_null(strstr(text, "rules/engines/alpha.lua: module 'kthena.rules' not found"));
    memory_free(text);
}

static void test_rules_see_pod_and_model(void **state) {
    static const char text[] = "return { api = 1, engine = 'x', labels = { add = { p = '$pod', "
                               "m = 'm:$model' } }, metrics = { { name = 'kthena:x', type = "
                               "'gauge', from = 'x' } } }";
    struct problems problems = {0};
    struct rule_sources sources = sources_of(*state, NULL, 0);
    sources.variables = (struct rule_variables){"p1", "m1"};
    struct generation *generation =
        generation_build(snapshot_of("d/x.lua", text, strlen(text)), &sources, 1, &problems);
    assert_non_null(generation);
    const struct engine *engine = generation_engine_at(generation, 0);
    assert_string_equal(engine->effective,
                        "{\"aliases\":[],\"detect\":[],\"engine\":\"x\",\"file\":\"d/x.lua\","
                        "\"metrics\":[{\"file\":\"d/x.lua\",\"labels\":{\"add\":{\"m\":\"m:m1\","
                        "\"p\":\"p1\"},\"drop\":[],\"rename\":{}},\"name\":\"kthena:x\","
                        "\"sources\":[{\"name\":\"x\"}],\"type\":\"gauge\"}]}");
    generation_unref(generation);
}

static void test_check_looks_at_the_users_files_only(void **state) {
    struct buffer problems = {0};
    size_t count, files;
    char directory[128];
    const char *more = directory;
    snprintf(directory, sizeof directory, "%s/", in(*state, "more"));
    struct rule_sources sources = sources_of(*state, NULL, 0);
    rules_check(&sources, &problems, &count, &files);
    assert_int_equal(count, 0);
    assert_int_equal(files, 2);
    sources.layers.directories = &more;
    sources.layers.count = 1;
    put(*state, "rules/engines/bad.lua", "bad");
    put_engine(*state, "more/good.lua", "good", "good_");
    rules_check(&sources, &problems, &count, &files);
    assert_int_equal(count, 0);
    assert_int_equal(files, 1);
    put_engine(*state, "more/bad.lua", "alpha", "x_");
    rules_check(&sources, &problems, &count, &files);
    assert_int_equal(count, 1);
    assert_int_equal(files, 2);
    char expected[512];
    snprintf(expected, sizeof expected,
             "%s: engine: \"alpha\" is taken by rules/engines/alpha.lua\n",
             in(*state, "more/bad.lua"));
    assert_string_equal(buffer_text(&problems), expected);
    buffer_free(&problems);
}

static void test_check_reports_directories(void **state) {
    struct buffer problems = {0};
    size_t count, files;
    const char *absent = in(*state, "absent");
    struct rule_sources sources = sources_of(*state, &absent, 1);
    rules_check(&sources, &problems, &count, &files);
    assert_int_equal(count, 1);
    assert_int_equal(files, 0);
    assert_non_null(strstr(buffer_text(&problems), "absent: there is no such directory\n"));
    buffer_free(&problems);
}

static void test_indents(void **state) {
    (void)state;
    struct buffer out = {0};
    generation_indent("{\"a\":[],\"b\":{},\"c\":[1,{\"d\":\"x,{}\\\"[]:\"}],\"e\":null}", &out);
    assert_string_equal(buffer_text(&out), "{\n"
                                           "  \"a\": [],\n"
                                           "  \"b\": {},\n"
                                           "  \"c\": [\n"
                                           "    1,\n"
                                           "    {\n"
                                           "      \"d\": \"x,{}\\\"[]:\"\n"
                                           "    }\n"
                                           "  ],\n"
                                           "  \"e\": null\n"
                                           "}\n");
    buffer_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_rules, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_finds_engines_by_name_and_alias),
        TEST(test_suggests_an_engine),
        TEST(test_detects_by_the_most_lines),
        TEST(test_reports_every_problem_of_every_file),
        TEST(test_many_problems_come_in_the_order_of_the_files),
        TEST(test_names_are_unique_over_all_files),
        TEST(test_a_layer_may_replace_an_engine),
        TEST(test_one_file_cannot_spoil_the_next),
        TEST(test_a_file_without_end_is_cut_off),
        TEST(test_a_broken_library_is_a_problem),
        TEST(test_rules_see_pod_and_model),
        TEST(test_check_looks_at_the_users_files_only),
        TEST(test_check_reports_directories),
        cmocka_unit_test(test_indents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
